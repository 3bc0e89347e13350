"""Depthwise convolutions stay in single precision on CPUs, where some have wrong gradients in bf16."""

import pytest
import torch
from torch import Tensor, nn

from autodas.errors import AutodasError
from autodas.loop import check_reduced_gradients
from autodas.operations import TRAIN_NORMS, build

SIDES = (12, 16, 20, 24, 28, 32, 48, 64)
IMAGES = ("dil_conv_3x3", "dil_conv_5x5", "sep_conv_3x3", "sep_conv_5x5")
CLIPS = ("dil3d_conv_3x3x3", "sep3d_conv_3x3x3", "sep_conv_1x3x3")


def gradients(module: nn.Module, x: Tensor, upstream: Tensor, reduced: bool) -> list[Tensor]:
    module.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
        y = module(x)
    (y.float() * upstream).sum().backward()
    return [p.grad.clone() for name, p in module.named_parameters() if "depthwise" in name]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", IMAGES)
def test_gradients_in_bf16_agree_with_single_precision(name: str, side: int) -> None:
    torch.manual_seed(side)
    module = build(name, 16, (1, 1), TRAIN_NORMS).to(memory_format=torch.channels_last)
    x, upstream = (torch.randn(4, side, side, 16).movedim(-1, 1) for _ in range(2))
    single, reduced = (gradients(module, x, upstream, r) for r in (False, True))
    for exact, found in zip(single, reduced, strict=True):
        # One rounding to 8 bits after the other; the gradients that were wrong were off by 130 % and more.
        assert (found - exact).norm() / exact.norm() < 0.1


@pytest.mark.parametrize("name", [*IMAGES, *CLIPS])
def test_depthwise_convolutions_compute_in_single_precision(name: str) -> None:
    ones = (1, 1) if name in IMAGES else (1, 1, 1)
    module = build(name, 4, ones, TRAIN_NORMS)
    depthwise = [m for m in module.modules() if isinstance(m, nn.Conv2d | nn.Conv3d) and m.groups == 4]
    pointwise = [m for m in module.modules() if isinstance(m, nn.Conv2d | nn.Conv3d) and m.groups == 1]
    found: dict[nn.Module, torch.dtype] = {}
    for layer in (*depthwise, *pointwise):
        layer.register_forward_hook(lambda layer, _, y: found.update({layer: y.dtype}))
    with torch.autocast("cpu", torch.bfloat16):
        module(torch.randn(2, 4, *(8,) * len(ones)))
    assert depthwise
    assert {found[layer] for layer in depthwise} == {torch.float32}
    assert {found[layer] for layer in pointwise} == {torch.bfloat16}


class _GarbageGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: object, upstream: Tensor) -> Tensor:
        return upstream * 2.5


class _FaultyConv(nn.Conv2d):
    """What the library does on such processors: right forwards, wrong backwards, in bf16 only."""

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        return _GarbageGradient.apply(y) if y.dtype == torch.bfloat16 and x.shape[-1] >= 32 else y


def test_wrong_gradients_are_found_and_the_layer_named() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), _FaultyConv(4, 4, 3, padding=1))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    check_reduced_gradients(network, torch.zeros(2, 3, 16, 16))
    with pytest.raises(AutodasError, match=r"layer 2, .*compute\.precision fp32"):
        check_reduced_gradients(network, torch.zeros(2, 3, 32, 32))
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
