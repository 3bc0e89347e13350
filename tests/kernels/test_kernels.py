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
    Layout,
    Maps,
    Pointwise,
    PoolShape,
    Slope,
    Units,
    UnitShape,
    built_kernels,
    combine,
    compiled_library,
    follow_moments,
    mix_backward,
    mix_forward,
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


def some_units(channels: int, dimensions: int = 2, reach: Sequence[int] = (0,) * len(WINDOWS)) -> Units:
    space = (1,) * (dimensions - 2)
    shapes = tuple(UnitShape((*space, k, k), d, t) for (k, d), t in zip(WINDOWS, reach, strict=True))
    return Units(
        shapes,
        [torch.randn(channels, 1, *shape.window) for shape in shapes],
        [torch.randn(channels, channels, *(1,) * dimensions) for _ in shapes],
        [torch.randn(channels, 1, t, 1, 1) for t in reach if t],
    )


def double(units: Units) -> Units:
    return Units(units.shapes, *([weight.double() for weight in part] for part in units[1:]))


def units_of(given: Given, units: Units) -> tuple[Tensor, Tensor, Tensor]:
    """Return outputs, mean and variance of units."""
    shape = given.out_shape()
    out = given.x.new_empty(len(units.shapes), *shape)
    mean, variance = given.x.new_empty(2, len(out), shape[-1]).unbind()
    units_forward(given, units, out, (mean, variance))
    return out, mean, variance


def all_of(maps: Sequence[Tensor]) -> Maps:
    return Maps(tuple(range(len(maps))), maps)


def some_slope(out: Tensor) -> Slope:
    flat = list(torch.randn_like(out).view(len(out), -1, out.shape[-1]).unbind())
    return Slope(all_of(flat), *(torch.randn(len(out), out.shape[-1]) for _ in range(3)))


def doubled(slope: Slope) -> Slope:
    return Slope(all_of([u.double() for u in slope.upstream.each()]), *(s.double() for s in slope[1:]))


@pytest.mark.slow
@pytest.mark.parametrize(("channels", "threads"), [(2, 1), (6, 2), (8, 1), (16, 2), (24, 1), (38, 1)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("shared", [True, False])
def test_units(channels: int, stride: int, shared: bool, threads: int) -> None:
    torch.manual_seed(channels)
    torch.set_num_threads(threads)
    units = some_units(channels)
    groups = () if shared else (len(WINDOWS),)
    x = torch.randn(*groups, 3, 11, 9, channels)
    affine = (None, None) if shared else (torch.rand(*groups, channels), torch.randn(*groups, channels))
    close_units(Given(x, (stride, stride), *affine), units)


def close_units(given: Given, units: Units) -> None:
    exact = Given(*(a.double() if isinstance(a, Tensor) else a for a in given))
    out, mean, variance = units_of(given, units)
    for found, expected in zip((out, mean, variance), units_of(exact, double(units)), strict=True):
        close(found, expected)
    slope = some_slope(out)
    gradient, weights = units_backward(given, units, out, slope, weights=True)
    only, none = units_backward(given, units, out, slope, weights=False)
    assert torch.equal(gradient, only)
    assert none == [None] * len(units.weights)
    wanted, wanted_weights = units_backward(exact, double(units), out.double(), doubled(slope), weights=True)
    close(gradient, wanted)
    for own, expected in zip(weights, wanted_weights, strict=True):
        close(own, expected)


@pytest.mark.slow
@pytest.mark.parametrize("rows", [1, 2, 8, 31])
def test_units_on_maps_of_any_size(rows: int) -> None:
    # The loops take several pixels and several rows at a time; what is left over takes other paths.
    torch.manual_seed(rows)
    units = some_units(16)
    for columns in (1, 2, 3, 4, 8, 13, 40):
        for stride in (1, 2):
            close_units(Given(torch.randn(2, rows, columns, 16), (stride, stride)), units)


@pytest.mark.slow
@pytest.mark.parametrize("stride", [(1, 1, 1), (1, 2, 2), (2, 2, 2)])
@pytest.mark.parametrize("windows", [(0, 0, 0, 0, 0), (0, 3, 5, 3, 0), (3, 3, 3, 3, 3)])
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
    units = some_units(channels, dimensions=3, reach=windows)
    groups = () if shared else (len(windows),)
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
    units = Units((UnitShape((3, 3), 2),), [depthwise.detach()], [mixer.detach()])
    found, mean, variance = units_of(given, units)
    assert torch.allclose(found[0], out)
    assert torch.allclose(mean[0], out.mean((0, 1, 2)))
    assert torch.allclose(variance[0], out.var((0, 1, 2), correction=0))
    # The gradient of sum(g u + b u^2 / 2 + d u) is a g + b u + d with a = 1.
    g, b, d = torch.randn_like(out), *torch.randn(2, 4, dtype=torch.float64)
    wanted = torch.autograd.grad((g * out + b * out**2 / 2 + d * out).sum(), [x, depthwise, mixer])
    slope = Slope(all_of([g.reshape(-1, 4)]), torch.ones(1, 4).double(), b[None], d[None])
    gradient, weights = units_backward(given, units, found, slope, weights=True)
    for a, e in zip((gradient, *weights), wanted, strict=True):
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
    shapes = (UnitShape((1, 3, 3), 1, 3),)
    units = Units(shapes, [depthwise.detach()], [mixer.detach()], [temporal.detach()])
    found, *_ = units_of(given, units)
    assert torch.allclose(found[0], out)
    upstream = torch.randn_like(out)
    zeros, ones = torch.zeros(1, 4).double(), torch.ones(1, 4).double()
    slope = Slope(all_of([upstream.reshape(-1, 4)]), ones, zeros, zeros)
    gradient, weights = units_backward(given, units, found, slope, weights=True)
    for a, e in zip((gradient, *weights), torch.autograd.grad(out, leaves, upstream), strict=True):
        assert torch.allclose(a, e)


def pointwise_of(x: Tensor, convolutions: Sequence[Pointwise], stride: Sequence[int]) -> Tensor:
    """Return the outputs of pointwise convolutions."""
    size = [-(-length // step) for length, step in zip(x.shape[1:-1], stride, strict=True)]
    width = sum(map(len, convolutions[0].weights))
    out = x.new_empty(len(convolutions), len(x), *size, width)
    pointwise_forward(x, convolutions, stride, out)
    return out


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
    out = pointwise_of(x, convolutions, stride)
    close(out, pointwise_of(x.double(), exact, stride))
    slope = some_slope(out)
    gradient, only = torch.empty_like(x), torch.empty_like(x)
    weights = pointwise_backward(x, convolutions, stride, out, slope, gradient, weights=True, add=False)
    none = pointwise_backward(x, convolutions, stride, out, slope, only, weights=False, add=False)
    assert torch.equal(gradient, only)
    assert none == [(None,) * parts] * 3
    before = torch.randn_like(x)
    added = before.clone()
    pointwise_backward(x, convolutions, stride, out, slope, added, weights=False)
    close(added - before, gradient.double())
    wanted = torch.empty_like(x, dtype=torch.float64)
    precise = (x.double(), exact, stride, out.double(), doubled(slope), wanted)
    wanted_weights = pointwise_backward(*precise, weights=True, add=False)
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
    found = pointwise_of(x.detach(), [convolution], (2, 2))
    assert torch.allclose(found[0], out)
    g, b, d = torch.randn_like(out), *torch.randn(2, 6, dtype=torch.float64)
    wanted = torch.autograd.grad((g * out + b * out**2 / 2 + d * out).sum(), [x, *parts])
    slope = Slope(all_of([g.reshape(-1, 6)]), torch.ones(1, 6).double(), b[None], d[None])
    gradient = torch.empty_like(x)
    weights = pointwise_backward(
        x.detach(), [convolution], (2, 2), found, slope, gradient, weights=True, add=False
    )
    for a, e in zip((gradient, *weights[0]), wanted, strict=True):
        assert torch.allclose(a, e)


@pytest.mark.parametrize(("channels", "threads"), [(2, 1), (8, 2), (16, 1), (22, 1)])
@pytest.mark.parametrize("add", [True, False])
def test_weighted_sums(channels: int, add: bool, threads: int) -> None:
    torch.manual_seed(channels)
    torch.set_num_threads(threads)
    counts, index = [2, 0, 3], (1, ~0, 0, ~1, 1)
    one, other = torch.randn(2, 1003, channels), [torch.randn(1003, channels) for _ in range(2)]
    scale, shift, out = torch.randn(5, channels), torch.randn(3, channels), torch.randn(3, 1003, channels)
    expected = out.double() * add + shift.double()[:, None]
    maps = [one[1], other[0], one[0], other[1], one[1]]
    for o, t in ((0, 0), (0, 1), (2, 2), (2, 3), (2, 4)):
        expected[o] += scale[t].double() * maps[t].double()
    combine(out, counts, Maps(index, one, other), scale, shift, add=add)
    close(out, expected)
    plain = torch.zeros(3, 1003, channels, dtype=torch.float64)
    doubles = Maps(index, one.double(), [m.double() for m in other])
    combine(plain, counts, doubles, scale.double())
    assert torch.equal(plain[1], torch.zeros_like(plain[1]))
    assert torch.allclose(plain[0], (scale.double()[:2, None] * torch.stack(maps[:2]).double()).sum(0))


@pytest.mark.parametrize(("channels", "threads"), [(2, 1), (8, 2), (16, 1), (22, 1)])
def test_moments(channels: int, threads: int) -> None:
    torch.manual_seed(channels)
    torch.set_num_threads(threads)
    maps = torch.randn(2, 17, 59, channels) + torch.tensor([0.0, 30.0])[:, None, None, None]
    mean, variance = torch.empty(2, 2, channels).unbind()
    moments(maps, mean, variance)
    flat = maps.double().view(2, -1, channels)
    close(mean, flat.mean(1))
    close(variance, flat.var(1, correction=0))


LAYOUT = Layout(counts=(2, 0, 3), row=(2, -1, 0, 1, -1), factor=(7, 1, 0, 5, 4), slot=(3, 0, 1, 4, 2))
"""Three sums of four maps; one map enters two of them, and one is not normalised."""

INDEX = (2, ~0, 0, 1, ~0)


def mixed(maps: Tensor, state: Tensor, weights: Tensor, constant: tuple[Tensor, Tensor] | None) -> Tensor:
    """Return the sums of LAYOUT as autograd computes them."""
    terms = [maps[2], state, maps[0], maps[1], state]
    factors = weights.flatten()
    outs = [torch.zeros_like(state) for _ in range(3)]
    for t, (o, row) in enumerate(zip(LAYOUT.place, LAYOUT.row, strict=True)):
        term = terms[t]
        if row >= 0:
            mean, variance = (term.mean(0), term.var(0, correction=0)) if constant is None else constant
            if constant is not None:
                mean, variance = mean[row], variance[row]
            term = (term - mean) / (variance + 1e-5).sqrt()
        outs[o] = outs[o] + factors[LAYOUT.factor[t]] * term
    return torch.stack(outs)


@pytest.mark.parametrize(("channels", "threads"), [(2, 1), (8, 2), (16, 1), (22, 1)])
@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_mixing_against_autograd(channels: int, constant: bool, offset: float, threads: int) -> None:
    """Both forms, with the moments of the batch and with given ones."""
    torch.manual_seed(channels)
    torch.set_num_threads(threads)
    maps = (torch.randn(3, 1003, channels) + offset).double().requires_grad_()
    state = torch.randn(1003, channels).double().requires_grad_()
    weights = torch.rand(2, 4).double().requires_grad_()
    given = (torch.randn(3, channels).double(), torch.rand(3, channels).double()) if constant else None
    expected = mixed(maps, state, weights, given)
    upstream = torch.randn_like(expected)
    wanted = torch.autograd.grad(expected, [maps, state, weights], upstream)
    for dtype in (torch.float64, torch.float32):
        own, x, w = (t.detach().to(dtype) for t in (maps, state, weights))
        mean, variance = torch.empty(2, 3, channels, dtype=dtype).unbind()
        if given is None:
            moments(own[:, None], mean, variance)
        else:
            mean, variance = (g.to(dtype) for g in given)
        out, scale = torch.empty(3, 1003, channels, dtype=dtype), torch.empty_like(mean)
        read = Maps(INDEX, own, [x])
        mix_forward(out, scale, LAYOUT, read, mean, variance, w)
        slopes, arrived = mean.new_zeros(3, 5, channels), list(upstream.to(dtype).unbind())
        by_weight = mix_backward(slopes, LAYOUT, read, arrived, mean, scale, w, running=constant)
        assert by_weight is not None
        found = [torch.zeros_like(own), torch.zeros_like(x)]
        for o, index, slot in zip(LAYOUT.place, INDEX, LAYOUT.slot, strict=True):
            a, b, d = slopes[:, slot]
            if index >= 0:
                found[0][index] += a * arrived[o] + b * own[index] + d
            else:
                found[1] += a * arrived[o] + b * x + d
        bound = 1e-10 if dtype == torch.float64 else 1e-4
        for one, other in zip((out, *found, by_weight), (expected, *wanted), strict=True):
            assert one.dtype == dtype
            assert (one.double() - other).abs().max() <= bound * max(1.0, other.abs().max().item())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_mixing_adds_to_what_was_there(dtype: torch.dtype) -> None:
    """To two of three sums, with the bits of an addition afterwards."""
    torch.manual_seed(0)
    maps, state = torch.randn(3, 1003, 22, dtype=dtype), torch.randn(1003, 22, dtype=dtype)
    weights, others = torch.rand(2, 4, dtype=dtype), torch.randn(2, 1003, 22, dtype=dtype)
    mean, variance = torch.randn(3, 22, dtype=dtype), torch.rand(3, 22, dtype=dtype)

    def sums(before: tuple[Tensor | None, ...]) -> Tensor:
        out = torch.empty(3, 1003, 22, dtype=dtype)
        read = Maps(INDEX, maps, [state])
        mix_forward(out, torch.empty_like(mean), LAYOUT, read, mean, variance, weights, before)
        return out

    plain, found = sums(()), sums((others[0], None, others[1]))
    assert torch.equal(found[0], plain[0] + others[0])
    assert torch.equal(found[1], plain[1])
    assert torch.equal(found[2], plain[2] + others[1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_running_statistics_follow_a_batch(dtype: torch.dtype) -> None:
    """As torch's own layer: the running variance is the unbiased one. Two layers share a row."""
    torch.manual_seed(0)
    maps, row = torch.randn(2, 3, 5, 4, dtype=dtype), (1, 0, 1)
    layers = [torch.nn.BatchNorm1d(4, momentum=0.3, dtype=dtype) for _ in row]
    means = [torch.full((4,), 0.5, dtype=dtype) for _ in row]
    variances = [torch.full((4,), 2.0, dtype=dtype) for _ in row]
    for layer, from_row in zip(layers, row, strict=True):
        layer.running_mean.fill_(0.5)
        layer.running_var.fill_(2.0)
        layer(maps[from_row].flatten(0, 1))
    mean, variance = torch.empty(2, 2, 4, dtype=dtype).unbind()
    moments(maps, mean, variance)
    follow_moments(means, variances, mean, variance, row, 0.3, 15)
    for layer, own_mean, own_variance in zip(layers, means, variances, strict=True):
        assert torch.allclose(own_mean, layer.running_mean)
        assert torch.allclose(own_variance, layer.running_var)


def test_the_number_of_threads_does_not_change_moments() -> None:
    torch.manual_seed(0)
    u = torch.randn(1, 7, 100, 16)
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(torch.empty(2, 1, 16))
        moments(u, *found[-1].unbind())
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
    found = torch.empty(len(shapes), *Given(x, stride).out_shape())
    expected, upstream = found.double(), torch.randn_like(found)
    pools_forward(x, shapes, stride, found)
    pools_forward(x.double(), shapes, stride, expected)
    close(found, expected)
    gradient = torch.randn_like(x)
    exact = gradient.double()
    pools_backward(x, shapes, stride, upstream, gradient)
    pools_backward(x.double(), shapes, stride, upstream.double(), exact)
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
        unit = Units((UnitShape((3, 3), 1),), [torch.ones(2, 1, 3, 3)], [torch.ones(2, 2, 1, 1)])
        out, *_ = units_of(Given(torch.ones(1, 3, 3, 2), (1, 1)), unit)
        assert out[0, 0, 1, 1, 0] == 18
    finally:
        monkeypatch.undo()
        built_kernels.cache_clear()
