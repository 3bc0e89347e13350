"""Operations on clips: sizes, formulas, values found another way, and their twins on single frames."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from autodas.errors import AutodasError
from autodas.operations import SEARCH_NORMS, TRAIN_NORMS, Norms, build, registered, window
from autodas.spaces import OPERATION_SETS

NAMES = sorted({name for kind in ("o2d_video", "o3d", "oadv") for name in OPERATION_SETS[kind]})
STRIDES = [(1, 1, 1), (1, 2, 2), (2, 2, 2)]


def weights(name: str, C: int, reduces: bool) -> tuple[int, int]:
    """Return the weights of convolutions and linear layers, and the channels of normalisations."""
    reduction = (C * C, C) if reduces else (0, 0)
    if name == "skip_connect":
        return reduction
    if "pool" in name:
        return 0, 0
    if name.startswith("channel"):
        hidden = max(C // 16, 4)
        return 2 * C * hidden + hidden + C + reduction[0], C
    kt, k, _ = window(name)
    taps = k * k + (kt if "3d" in name else 0)
    times = 2 if name.startswith("sep") else 1
    return times * (taps * C + C * C), times * C


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("size", [(4, 6, 6), (3, 5, 7), (1, 2, 1)])
def test_sizes_are_divided_by_the_stride(name: str, stride: tuple[int, ...], size: tuple[int, ...]) -> None:
    y = build(name, 4, stride, SEARCH_NORMS).eval()(torch.randn(2, 4, *size))
    assert y.shape == (2, 4, *(-(-n // s) for n, s in zip(size, stride, strict=True)))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "stride", "C"), list(product(NAMES, STRIDES, [4, 128])))
def test_parameters_by_formula(name: str, stride: tuple[int, ...], C: int) -> None:
    count, channels = weights(name, C, stride != (1, 1, 1))
    for affine in (True, False):
        operation = build(name, C, stride, Norms(affine=affine, pool="none"))
        assert sum(p.numel() for p in operation.parameters()) == count + 2 * affine * channels


@pytest.mark.parametrize(("kt", "ks"), [(3, 3), (3, 5)])
def test_parameters_of_the_separable_convolution_over_time(kt: int, ks: int) -> None:
    C = 24
    operation = build(f"sep3d_conv_{kt}x{ks}x{ks}", C, (1, 1, 1), TRAIN_NORMS)
    assert sum(p.numel() for p in operation.parameters()) == 2 * ((ks**2 + kt) * C + C**2) + 4 * C


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize(
    ("name", "units"), [("sep3d_conv_3x3x3", 2), ("sep3d_conv_3x5x5", 2), ("dil3d_conv_3x3x3", 1)]
)
def test_separable_over_time_is_one_dense_convolution(name: str, units: int, stride: tuple[int, ...]) -> None:
    """Both windows together are a cross of taps; with the pointwise weights that is a dense convolution."""
    torch.manual_seed(0)
    C, (kt, k, _), spread = 3, window(name), 2 if name.startswith("dil") else 1
    operation = build(name, C, stride, TRAIN_NORMS).double().eval()
    x = expected = torch.randn(2, C, 5, 7, 6, dtype=torch.float64)
    state = {key.removeprefix("0."): value for key, value in operation.state_dict().items()}
    for unit in range(units):
        prefix = "" if unit == 0 else "1."
        space, time, mix = (state[f"{prefix}{n}.weight"] for n in ("depthwise", "temporal", "pointwise"))
        side = spread * (k - 1) + 1
        cross = torch.zeros(C, 1, kt, side, side, dtype=torch.float64)
        cross[:, :, kt // 2, ::spread, ::spread] += space[:, :, 0]
        cross[:, :, :, side // 2, side // 2] += time[:, :, :, 0, 0]
        dense = mix * cross.transpose(0, 1)
        step = stride if unit == 0 else (1, 1, 1)
        expected = F.conv3d(expected.relu(), dense, stride=step, padding=(kt // 2, side // 2, side // 2))
        expected = expected / (1 + 1e-5) ** 0.5  # statistics of a fresh normalisation
    assert torch.allclose(operation(x), expected, atol=1e-12)


@pytest.mark.parametrize("name", ["channel_scale", "channel_bias"])
@pytest.mark.parametrize("size", [(3, 5, 4), (5, 4)])
def test_channel_operations(name: str, size: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    C, ones = 6, (1,) * len(size)
    operation = build(name, C, ones, SEARCH_NORMS).double()
    x = torch.randn(2, C, *size, dtype=torch.float64)
    first, second = (m for m in operation.modules() if isinstance(m, nn.Linear))
    expected = torch.empty_like(x)
    for sample, c in product(range(2), range(C)):
        means = torch.stack([x[sample, i].sum() / x[sample, i].numel() for i in range(C)])
        rows = zip(first.weight.detach(), first.bias.detach(), strict=True)
        hidden = torch.tensor([max(0.0, float(w @ means + b)) for w, b in rows], dtype=torch.float64)
        found = float(second.weight[c].detach() @ hidden + second.bias[c].detach())
        own = x[sample, c]
        expected[sample, c] = (
            own / (1 + 2.718281828459045**-found) if name == "channel_scale" else own + found
        )
    dims = (0, *range(2, x.dim()))
    mean, variance = expected.mean(dims, keepdim=True), expected.var(dims, keepdim=True, correction=0)
    assert torch.allclose(operation(x), (expected - mean) / (variance + 1e-5).sqrt(), atol=1e-9)


@pytest.mark.parametrize("stride", STRIDES)
def test_averages_of_maps_that_are_smaller_than_the_window(stride: tuple[int, ...]) -> None:
    x = torch.randn(2, 4, 4, 2, 2, requires_grad=True)
    y = build("avg_pool_1x3x3", 4, stride, TRAIN_NORMS)(x)
    # The window sees the whole frame everywhere.
    assert torch.allclose(y, x[:, :, :: stride[0]].mean((3, 4), keepdim=True).expand_as(y), atol=1e-6)
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad.abs().amax((0, 1, 3, 4)) > 0, torch.arange(4) % stride[0] == 0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("stride", STRIDES)
def test_the_twin_computes_the_frames_of_a_still_clip(name: str, stride: tuple[int, ...]) -> None:
    """The twin's state dict maps onto the operation's: an axis of length 1, and zeros for windows in time."""
    torch.manual_seed(0)
    clip, twin = (build(name, 8, s, SEARCH_NORMS).double().train() for s in (stride, stride[1:]))
    flat, own = twin.state_dict(), clip.state_dict()
    assert set(own) - set(flat) == {key for key in own if "temporal" in key}
    for key, tensor in own.items():
        if "temporal" in key:
            own[key] = torch.zeros_like(tensor)
        else:
            own[key] = flat[key].unsqueeze(2) if flat[key].dim() == 4 else flat[key]
            assert own[key].shape == tensor.shape
    clip.load_state_dict(own)
    picture = torch.randn(3, 8, 6, 7, dtype=torch.float64)
    found = clip(picture.unsqueeze(2).expand(-1, -1, 4, -1, -1).contiguous())
    expected = twin(picture).unsqueeze(2).expand_as(found)
    assert torch.allclose(found, expected, atol=1e-10)


def test_operations_without_a_window_in_time_do_not_see_the_order_of_frames() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 4, 4, 6, 6)
    order = [2, 0, 3, 1]
    for name in NAMES:
        operation = build(name, 4, (1, 2, 2), SEARCH_NORMS).eval()
        kept = torch.allclose(operation(x)[:, :, order], operation(x[:, :, order]), atol=1e-5)
        assert kept == ("3d" not in name and "3x3x3" not in name), name


@pytest.mark.parametrize("name", ["sep_conv_3x3", "max_pool_3x3", "nor_conv_1x1", "conv_7x1_1x7"])
def test_operations_of_images_are_refused(name: str) -> None:
    with pytest.raises(AutodasError, match=f"operation '{name}' is for images, not for video"):
        build(name, 4, (1, 1, 1), SEARCH_NORMS)


def test_the_nearest_operation_for_video_is_named() -> None:
    with pytest.raises(AutodasError, match="did you mean 'sep_conv_1x5x5'"):
        build("sep_conv_5x5", 4, (1, 1, 1), SEARCH_NORMS)


def test_all_names_are_registered() -> None:
    assert set(NAMES) <= set(registered())
    assert window("sep3d_conv_3x5x5") == (3, 5, 5)
    assert window("sep3d_conv_3x5x5", 2) == (5, 5)
