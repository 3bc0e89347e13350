"""Convolutions of clips in the forms for GPUs, against torch's own in three dimensions, on a CPU."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autodas.kernels import Stencil, _clips, _stencils, stencils_backward, stencils_forward
from autodas.operations import _convolutions
from autodas.operations._convolutions import convolution

SPACE = [((1, 3, 3), 1), ((1, 5, 5), 2)]
TIME = [((3, 1, 1), 1), ((5, 1, 1), 1)]


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (_clips, _convolutions):
        monkeypatch.setattr(module, "on_gpu", lambda x: True)


def near(found: Tensor | None, expected: Tensor | None) -> None:
    assert found is not None
    assert expected is not None
    assert found.dtype == expected.dtype
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.usefixtures("as_on_a_gpu")
@pytest.mark.parametrize("shapes", [SPACE, TIME])
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("stride", [(1, 1, 1), (1, 2, 2), (2, 2, 2), (2, 1, 1)])
def test_stencils(shapes: list, own: bool, stride: tuple[int, ...], tape: type) -> None:
    torch.manual_seed(0)
    count, channels = len(shapes), 3

    def draw(*size: int) -> Tensor:
        return torch.randn(size, dtype=torch.float64)

    x = draw(*([count] if own else []), 2, 5, 6, 7, channels)
    scale, shift = (draw(count, channels) if own else None for _ in range(2))
    stencils = [Stencil(draw(channels, 1, *window), dilation) for window, dilation in shapes]
    expected = _stencils.stencils_forward(x, stencils, stride, scale, shift)
    with tape() as noted:
        found = stencils_forward(x, stencils, stride, scale, shift)
    convolved = [args[0] for function, args, *_ in noted.operations if "convolution" in str(function)]
    assert all(maps.dim() == 4 for maps in convolved)
    assert bool(convolved) == (shapes is SPACE)
    near(found, expected)
    upstream = torch.randn_like(expected)
    wanted, of_weights = _stencils.stencils_backward(x, stencils, stride, upstream, scale, shift)
    gradient, weights = stencils_backward(x, stencils, stride, upstream, scale, shift)
    near(gradient, wanted)
    for one, other in zip(weights, of_weights, strict=True):
        near(one, other)
    alone, none = stencils_backward(x, stencils, stride, upstream, scale, shift, weight_gradient=False)
    near(alone, wanted)
    assert none == [None] * count


@pytest.mark.parametrize(
    ("window", "stride", "dilation", "depthwise"),
    [
        ((1, 3, 3), (1, 1, 1), 1, True),
        ((1, 5, 5), (2, 2, 2), 2, True),
        ((3, 1, 1), (2, 2, 2), 1, True),
        ((1, 1, 1), (2, 2, 2), 1, False),
        ((1, 1, 1), (1, 1, 1), 1, False),
        ((1, 3, 3), (1, 2, 2), 1, False),
        ((3, 3, 3), (1, 2, 2), 1, False),  # has no other form
    ],
)
def test_layers(
    window: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: int,
    depthwise: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    layer = convolution(4, 4, window, stride, dilation, 4 if depthwise else 1).double()
    x = torch.randn(2, 4, 5, 6, 7, dtype=torch.float64).to(memory_format=torch.channels_last_3d)
    found = []
    for on_gpu in (False, True):
        monkeypatch.setattr(_convolutions, "on_gpu", lambda x, on_gpu=on_gpu: on_gpu)
        source = x.clone().requires_grad_()
        y = layer(source)
        found.append([y, *torch.autograd.grad(y.square().sum(), (source, layer.weight))])
    for one, other in zip(*found, strict=True):
        near(one, other)


def test_sums_along_time_keep_the_precision_of_the_map() -> None:
    x, weight = torch.randn(1, 4, 2, 2, 3).bfloat16(), torch.randn(3, 1, 3, 1, 1)
    found = _clips.over_time(x, weight, 1)
    assert found.dtype == torch.bfloat16
    near(found, _clips.over_time(x.float(), weight, 1).bfloat16())
