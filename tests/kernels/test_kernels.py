"""Compiled loops against their plain forms, which are torch's own operations in double precision."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from autodas.kernels import (
    Given,
    Pointwise,
    PoolShape,
    Slope,
    Unit,
    built_kernels,
    combine,
    compiled_library,
    gradient_sums,
    moments,
    pointwise_backward,
    pointwise_forward,
    pools_backward,
    pools_forward,
    units_backward,
    units_forward,
)

WINDOWS = [(3, 1), (5, 1), (7, 1), (3, 2), (5, 2)]


@pytest.fixture(autouse=True)
def _compiled() -> None:
    if compiled_library() is None:
        pytest.skip("no C compiler")


def close(found: Tensor, expected: Tensor, tolerance: float = 1e-5) -> None:
    assert found.dtype == torch.float32
    largest = expected.abs().max().item()
    assert (found.double() - expected).abs().max().item() <= tolerance * max(largest, 1.0)


def some_units(channels: int, dimensions: int = 2) -> list[Unit]:
    along_time = (1,) * (dimensions - 2)
    return [
        Unit(
            torch.randn(channels, 1, *along_time, k, k),
            torch.randn(channels, channels, *(1,) * dimensions),
            d,
        )
        for k, d in WINDOWS
    ]


def double(units: Sequence[Unit]) -> list[Unit]:
    return [
        Unit(
            u.depthwise.double(),
            u.pointwise.double(),
            u.dilation,
            None if u.temporal is None else u.temporal.double(),
        )
        for u in units
    ]


def some_slope(out: Tensor) -> Slope:
    flat = list(torch.randn_like(out).view(len(out), -1, out.shape[-1]).unbind())
    return Slope(flat, *(torch.randn(len(out), out.shape[-1]) for _ in range(3)))


def doubled(slope: Slope) -> Slope:
    return Slope([u.double() for u in slope.upstream], *(s.double() for s in slope[1:]))


@pytest.mark.slow
@pytest.mark.parametrize(("channels", "threads"), [(2, 1), (6, 2), (8, 1), (16, 2), (24, 1), (38, 1)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("shared", [True, False])
def test_units(channels: int, stride: int, shared: bool, threads: int) -> None:
    torch.manual_seed(channels)
    torch.set_num_threads(threads)
    units = some_units(channels)
    groups = () if shared else (len(units),)
    x = torch.randn(*groups, 3, 11, 9, channels)
    affine = (None, None) if shared else (torch.rand(*groups, channels), torch.randn(*groups, channels))
    given = Given(x, (stride, stride), *affine)
    exact = Given(x.double(), (stride, stride), *(None if a is None else a.double() for a in affine))
    out, mean, variance = units_forward(given, units)
    for found, expected in zip((out, mean, variance), units_forward(exact, double(units)), strict=True):
        close(found, expected)
    slope = some_slope(out)
    gradient, weights = units_backward(given, units, out, slope, weights=True)
    only, none = units_backward(given, units, out, slope, weights=False)
    assert torch.equal(gradient, only)
    assert none == [(None, None)] * len(units)
    expected, expected_weights = units_backward(
        exact, double(units), out.double(), doubled(slope), weights=True
    )
    close(gradient, expected)
    for found, wanted in zip(chain(*weights), chain(*expected_weights), strict=True):
        close(found, wanted)


def close_units(given: Given, units: Sequence[Unit]) -> None:
    exact = Given(*(a.double() if isinstance(a, Tensor) else a for a in given))
    out, mean, variance = units_forward(given, units)
    for found, expected in zip((out, mean, variance), units_forward(exact, double(units)), strict=True):
        close(found, expected)
    slope = some_slope(out)
    gradient, weights = units_backward(given, units, out, slope, weights=True)
    only, none = units_backward(given, units, out, slope, weights=False)
    assert torch.equal(gradient, only)
    assert none == [(None,) * len(unit.weights) for unit in units]
    wanted, wanted_weights = units_backward(exact, double(units), out.double(), doubled(slope), weights=True)
    close(gradient, wanted)
    for a, b in zip(chain(*weights), chain(*wanted_weights), strict=True):
        close(a, b)


@pytest.mark.slow
@pytest.mark.parametrize("rows", [1, 2, 8, 64])
def test_units_on_maps_of_any_size(rows: int) -> None:
    # The loops take several pixels and several rows at a time; what is left over takes other paths.
    torch.manual_seed(rows)
    units = some_units(16)
    for columns in (1, 3, 8, 13, 40):
        given = Given(torch.randn(2, rows, columns, 16), (1, 1))
        close_units(given, units)


@pytest.mark.slow
@pytest.mark.parametrize("stride", [(1, 1, 1), (1, 2, 2), (2, 2, 2)])
@pytest.mark.parametrize("windows", [(0, 0, 0, 0, 0), (3, 0, 5, 3, 0), (3, 3, 3, 3, 3)])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(("frames", "channels", "threads"), [(4, 8, 1), (5, 22, 2), (1, 6, 1), (2, 16, 1)])
def test_units_over_frames(
    stride: tuple[int, int, int],
    windows: tuple[int, ...],
    shared: bool,
    frames: int,
    channels: int,
    threads: int,
) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    units = [
        unit._replace(temporal=torch.randn(channels, 1, k, 1, 1) if k else None)
        for unit, k in zip(some_units(channels, dimensions=3), windows, strict=True)
    ]
    groups = () if shared else (len(units),)
    x = torch.randn(*groups, 3, frames, 6, 7, channels)
    affine = (None, None) if shared else (torch.rand(*groups, channels), torch.randn(*groups, channels))
    close_units(Given(x, stride, *affine), units)


def test_plain_units_against_autograd() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 5, 5, 4, dtype=torch.float64, requires_grad=True)
    depthwise = torch.randn(4, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    mixer = torch.randn(4, 4, 1, 1, dtype=torch.float64, requires_grad=True)
    maps = x.movedim(-1, 1).relu()
    out = F.conv2d(F.conv2d(maps, depthwise, None, 2, 2, 2, 4), mixer).movedim(1, -1)
    given = Given(x.detach(), (2, 2))
    units = [Unit(depthwise.detach(), mixer.detach(), 2)]
    found, mean, variance = units_forward(given, units)
    assert torch.allclose(found[0], out)
    assert torch.allclose(mean[0], out.mean((0, 1, 2)))
    assert torch.allclose(variance[0], out.var((0, 1, 2), correction=0))
    # The gradient of sum(g u + b u^2 / 2 + d u) is a g + b u + d with a = 1.
    g, b, d = torch.randn_like(out), *torch.randn(2, 4, dtype=torch.float64)
    wanted = torch.autograd.grad((g * out + b * out**2 / 2 + d * out).sum(), [x, depthwise, mixer])
    slope = Slope([g.reshape(-1, 4)], torch.ones(1, 4).double(), b[None], d[None])
    gradient, weights = units_backward(given, units, found, slope, weights=True)
    for a, e in zip((gradient, *weights[0]), wanted, strict=True):
        assert torch.allclose(a, e)


@pytest.mark.parametrize("stride", [(1, 1, 1), (1, 2, 2), (2, 2, 2)])
def test_plain_units_along_time_against_autograd(stride: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    leaves = [
        torch.randn(*shape, dtype=torch.float64, requires_grad=True)
        for shape in ((2, 4, 5, 5, 4), (4, 1, 1, 3, 3), (4, 4, 1, 1, 1), (4, 1, 3, 1, 1))
    ]
    x, depthwise, mixer, temporal = leaves
    maps = x.movedim(-1, 1).relu()
    both = F.conv3d(maps, depthwise, None, stride, (0, 1, 1), groups=4)
    both = both + F.conv3d(maps, temporal, None, stride, (1, 0, 0), groups=4)
    out = F.conv3d(both, mixer).movedim(1, -1)
    given = Given(x.detach(), stride)
    units = [Unit(depthwise.detach(), mixer.detach(), 1, temporal.detach())]
    found, *_ = units_forward(given, units)
    assert torch.allclose(found[0], out)
    upstream = torch.randn_like(out)
    zeros, ones = torch.zeros(1, 4).double(), torch.ones(1, 4).double()
    slope = Slope([upstream.reshape(-1, 4)], ones, zeros, zeros)
    gradient, weights = units_backward(given, units, found, slope, weights=True)
    for a, e in zip((gradient, *weights[0]), torch.autograd.grad(out, leaves, upstream), strict=True):
        assert torch.allclose(a, e)


@pytest.mark.parametrize(("inputs", "threads"), [(2, 1), (6, 2), (16, 1), (44, 1)])
@pytest.mark.parametrize("width", [2, 8, 22])
@pytest.mark.parametrize(
    ("parts", "stride"), [(1, (1, 1)), (2, (2, 2)), (1, (1, 1, 1)), (2, (1, 2, 2)), (2, (2, 2, 2))]
)
def test_pointwise(inputs: int, width: int, parts: int, stride: tuple[int, ...], threads: int) -> None:
    torch.manual_seed(inputs)
    torch.set_num_threads(threads)
    time = (3,) * (len(stride) - 2)
    x = torch.randn(3, *time, 7, 6, inputs)
    ones = (1,) * len(stride)
    convolutions = [
        Pointwise(tuple(torch.randn(width, inputs, *ones) for _ in range(parts))) for _ in range(3)
    ]
    exact = [Pointwise(tuple(w.double() for w in c.weights)) for c in convolutions]
    out = pointwise_forward(x, convolutions, stride)
    close(out, pointwise_forward(x.double(), exact, stride))
    slope = some_slope(out)
    gradient, weights = pointwise_backward(x, convolutions, stride, out, slope, weights=True)
    only, none = pointwise_backward(x, convolutions, stride, out, slope, weights=False)
    assert torch.equal(gradient, only)
    assert none == [(None,) * parts] * 3
    wanted, wanted_weights = pointwise_backward(
        x.double(), exact, stride, out.double(), doubled(slope), weights=True
    )
    close(gradient, wanted)
    for found, expected in zip(chain(*weights), chain(*wanted_weights), strict=True):
        close(found, expected)


@pytest.mark.parametrize("size", [(6, 6), (7, 6), (7, 7), (1, 5)])
def test_plain_pointwise_against_convolutions(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, *size, 4, dtype=torch.float64, requires_grad=True)
    parts = [torch.randn(3, 4, 1, 1, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    maps = x.movedim(-1, 1).relu()
    shifted = F.pad(maps, (0, 1, 0, 1))[..., 1:, 1:]
    out = torch.cat([F.conv2d(maps, parts[0], stride=2), F.conv2d(shifted, parts[1], stride=2)], 1)
    out = out.movedim(1, -1)
    convolution = Pointwise(tuple(p.detach() for p in parts))
    found = pointwise_forward(x.detach(), [convolution], (2, 2))
    assert torch.allclose(found[0], out)
    g, b, d = torch.randn_like(out), *torch.randn(2, 6, dtype=torch.float64)
    wanted = torch.autograd.grad((g * out + b * out**2 / 2 + d * out).sum(), [x, *parts])
    slope = Slope([g.reshape(-1, 6)], torch.ones(1, 6).double(), b[None], d[None])
    gradient, weights = pointwise_backward(x.detach(), [convolution], (2, 2), found, slope, weights=True)
    for a, e in zip((gradient, *weights[0]), wanted, strict=True):
        assert torch.allclose(a, e)


@pytest.mark.parametrize(("channels", "threads"), [(2, 1), (8, 2), (16, 1), (22, 1)])
@pytest.mark.parametrize("add", [True, False])
def test_weighted_sums(channels: int, add: bool, threads: int) -> None:
    torch.manual_seed(channels)
    torch.set_num_threads(threads)
    counts = [2, 0, 3]
    maps = [torch.randn(1003, channels) for _ in range(5)]
    scale, shift, out = torch.randn(5, channels), torch.randn(3, channels), torch.randn(3, 1003, channels)
    expected = out.double() * add + shift.double()[:, None]
    for o, t in ((0, 0), (0, 1), (2, 2), (2, 3), (2, 4)):
        expected[o] += scale[t].double() * maps[t].double()
    combine(out, counts, maps, scale, shift, add=add)
    close(out, expected)
    plain = torch.zeros(3, 1003, channels, dtype=torch.float64)
    combine(plain, counts, [m.double() for m in maps], scale.double())
    assert torch.equal(plain[1], torch.zeros_like(plain[1]))
    assert torch.allclose(plain[0], (scale.double()[:2, None] * torch.stack(maps[:2]).double()).sum(0))


@pytest.mark.parametrize(("channels", "threads"), [(2, 1), (8, 2), (16, 1), (22, 1)])
@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_moments_and_gradient_sums(channels: int, offset: float, threads: int) -> None:
    torch.manual_seed(channels)
    torch.set_num_threads(threads)
    u, upstream = torch.randn(17, 59, channels) + offset, torch.randn(1003, channels)
    mean, variance = moments(u)
    flat = u.double().view(-1, channels)
    close(mean, flat.mean(0))
    close(variance, flat.var(0, correction=0))
    scale = variance.rsqrt()
    found = gradient_sums(
        [u.view(-1, channels)] * 2,
        [upstream, -upstream],
        *(torch.stack([s, s]) for s in (scale, -mean * scale)),
    )
    normalised = (flat - flat.mean(0)) / flat.std(0, correction=0)
    for sums, expected in zip(found, (upstream.double(), upstream.double() * normalised), strict=True):
        close(sums[0], expected.sum(0), 1e-4)
        assert torch.equal(sums[1], -sums[0])


def test_the_number_of_threads_does_not_change_moments() -> None:
    torch.manual_seed(0)
    u = torch.randn(7, 100, 16)
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(torch.stack(moments(u)))
    assert torch.equal(*found)


FRAMES, CUBE = ("max", (1, 3, 3)), ("max", (3, 3, 3))


@pytest.mark.parametrize("channels", [2, 8, 16, 22])
@pytest.mark.parametrize(
    ("size", "stride", "pools"),
    [
        *(
            ((7, 6), (stride, stride), [(kind, (3, 3)) for kind in kinds])
            for stride in (1, 2)
            for kinds in (("max",), ("avg",), ("max", "avg"), ("avg", "max"))
        ),
        *(
            (size, stride, pools)
            for size in ((4, 7, 6), (1, 2, 2))
            for stride in ((1, 1, 1), (1, 2, 2), (2, 2, 2))
            for pools in ([FRAMES, ("avg", (1, 3, 3))], [("avg", (1, 3, 3))], [CUBE], [FRAMES, CUBE])
        ),
        ((5, 4, 4), (2, 1, 1), [("avg", (3, 3, 3)), ("max", (5, 3, 3))]),
    ],
)
def test_pools(channels: int, size: tuple[int, ...], stride: tuple[int, ...], pools: list) -> None:
    torch.manual_seed(channels)
    shapes = [PoolShape(*pool) for pool in pools]
    # Small whole numbers, so that maxima are shared: the first of them takes the gradient.
    x = torch.randint(-3, 4, (3, *size, channels)).float()
    found = pools_forward(x, shapes, stride)
    upstream = [torch.randn_like(p) for p in found]
    gradient = torch.randn_like(x)
    exact = gradient.double()
    expected = pools_forward(x.double(), shapes, stride)
    for a, b in zip(found, expected, strict=True):
        close(a, b)
    pools_backward(x, shapes, stride, upstream, gradient)
    doubles = [u.double() for u in upstream]
    pools_backward(x.double(), shapes, stride, doubles, exact)
    close(gradient, exact)


@pytest.mark.parametrize(
    ("name", "value"), [("AUTODAS_KERNELS", "plain"), ("CC", "no-such-compiler"), ("CC", "false")]
)
def test_without_a_compiler_the_plain_forms_compute(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    built_kernels.cache_clear()
    try:
        assert compiled_library() is None
        unit = Unit(torch.ones(2, 1, 3, 3), torch.ones(2, 2, 1, 1), 1)
        out, *_ = units_forward(Given(torch.ones(1, 3, 3, 2), (1, 1)), [unit])
        assert out[0, 0, 1, 1, 0] == 18
    finally:
        monkeypatch.undo()
        built_kernels.cache_clear()
