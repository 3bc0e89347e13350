"""The Triton kernels against the plain forms in double precision, on Triton's interpreter.

``test_triton.py`` runs this in a process of its own: Triton looks for its interpreter when kernels are made.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autodas.kernels import (
    Given,
    Layout,
    Maps,
    PoolShape,
    Slope,
    Stencil,
    Units,
    UnitShape,
    _gpu,
    combine,
    follow_moments,
    gpu,
    gradient_of,
    mix_backward,
    mix_forward,
    moments,
    normalisation,
    pools_backward,
    pools_forward,
    stencils_backward,
    stencils_forward,
    units_backward,
    units_forward,
)
from autodas.kernels.gpu import _launch

FP32, BF16 = torch.float32, torch.bfloat16
CASES = [
    # stencils (window, dilation); channels, height, width; a map for each stencil; stride
    ([(3, 1), (5, 2)], (6, 7, 5), False, 1, FP32),
    ([(5, 1), (3, 2)], (6, 5, 6), False, 2, FP32),
    ([(3, 1), (5, 1)], (6, 5, 6), True, 1, FP32),
    ([(3, 1), (3, 2)], (3, 6, 5), True, 2, FP32),
    ([(3, 1), (7, 1)], (3, 4, 9), False, 1, BF16),
    ([(1, 1), (3, 1)], (70, 3, 2), True, 1, BF16),
]


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several blocks of pixels, several parts of their sum, and several blocks of channels."""
    monkeypatch.setattr(_launch, "TILE", 256)
    monkeypatch.setattr(_launch, "FEW", 0)
    monkeypatch.setattr(_launch, "BLOCKS", 2)


def draw(*size: int, seed: int) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


def rounding_of(dtype: torch.dtype) -> float:
    # The interpreter cuts digits off where a GPU rounds.
    return 2.0**-7 if dtype == BF16 else 2e-6


def near(found: Tensor, expected: Tensor, tolerance: float) -> bool:
    assert found.shape == expected.shape
    return bool((found.double() - expected).abs().max() <= tolerance * expected.abs().max())


@pytest.mark.parametrize(("shapes", "size", "own", "step", "dtype"), CASES)
def test_against_the_plain_forms(
    shapes: list[tuple[int, int]], size: tuple[int, int, int], own: bool, step: int, dtype: torch.dtype
) -> None:
    count, stride, (channels, height, width) = len(shapes), (step, step), size
    x = draw(*([count] if own else []), 2, height, width, channels, seed=0).to(dtype)
    scale, shift = (draw(count, channels, seed=s) if own else None for s in (1, 2))
    weights = [draw(channels, 1, k, k, seed=3 + i) for i, (k, _) in enumerate(shapes)]
    stencils = [Stencil(w, d) for w, (_, d) in zip(weights, shapes, strict=True)]
    exact = [Stencil(w.double(), d) for w, (_, d) in zip(weights, shapes, strict=True)]
    wide = [None if t is None else t.double() for t in (scale, shift)]
    rounding = rounding_of(dtype)

    expected = stencils_forward(x.double(), exact, stride, *wide)
    found = gpu.stencils_forward(x, stencils, stride, scale, shift)
    assert found.dtype == dtype
    assert near(found, expected, rounding)

    upstream = draw(*expected.shape, seed=9).to(dtype)
    gradient, by_weight = stencils_backward(x.double(), exact, stride, upstream.double(), *wide)
    found, weight_gradients = gpu.stencils_backward(x, stencils, stride, upstream, scale, shift)
    assert found.dtype == dtype
    assert near(found, gradient, rounding)
    for wanted, weight_gradient in zip(by_weight, weight_gradients, strict=True):
        assert wanted is not None
        assert weight_gradient is not None
        assert weight_gradient.dtype == torch.float32
        assert near(weight_gradient, wanted, 1e-5)


def test_only_what_is_wanted() -> None:
    x, stencils = draw(2, 4, 4, 2, seed=0), [Stencil(draw(2, 1, 3, 3, seed=1), 1)]
    upstream = draw(1, 2, 4, 4, 2, seed=2)
    whole, _ = gpu.stencils_backward(x, stencils, (1, 1), upstream)
    gradient, weights = gpu.stencils_backward(x, stencils, (1, 1), upstream, weight_gradient=False)
    assert torch.equal(gradient, whole)
    assert weights == [None]


def test_what_is_not_a_number_is_not_hidden() -> None:
    x = draw(1, 5, 5, 4, seed=0)
    x[0, 2, 2, 1] = torch.nan
    found = gpu.stencils_forward(x, [Stencil(torch.ones(4, 1, 3, 3), 1)], (1, 1))
    expected = torch.zeros(5, 5, dtype=torch.bool)
    expected[1:4, 1:4] = True
    assert torch.equal(found[0, 0, :, :, 1].isnan(), expected)
    assert not found[0, 0, :, :, [0, 2, 3]].isnan().any()


def test_the_trial_succeeds() -> None:
    """The kernels are used only after it."""
    _gpu._try(gpu, torch.device("cpu"))


LAYOUT = Layout(counts=(2, 0, 3), row=(2, -1, 0, 1, -1), factor=(7, 1, 0, 5, 4), slot=(3, 0, 1, 4, 2))
INDEX = (2, ~0, 0, 1, ~0)
SIZES = [(170, 6, FP32), (37, 70, BF16)]


@pytest.mark.parametrize(("pixels", "channels", "dtype"), SIZES)
@pytest.mark.parametrize("add", [False, True])
def test_weighted_sums(pixels: int, channels: int, dtype: torch.dtype, add: bool) -> None:
    maps, state = draw(3, pixels, channels, seed=0).to(dtype), draw(1, pixels, channels, seed=1).to(dtype)
    scale, shift = draw(5, channels, seed=2), draw(3, channels, seed=3) if add else None
    out = draw(3, pixels, channels, seed=4).to(dtype)
    expected = out.double()
    wide = None if shift is None else shift.double()
    combine(
        expected, LAYOUT.counts, Maps(INDEX, maps.double(), state.double()), scale.double(), wide, add=add
    )
    gpu.combine(out, LAYOUT.counts, Maps(INDEX, maps, list(state)), scale, shift, add=add)
    assert near(out, expected, rounding_of(dtype))


@pytest.mark.parametrize(("pixels", "channels", "dtype"), SIZES)
@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_moments(pixels: int, channels: int, dtype: torch.dtype, offset: float) -> None:
    """A large mean takes no digits of the variance away."""
    maps = (draw(2, 1, pixels, channels, seed=0) + offset).to(dtype)
    mean, variance = torch.empty(2, 2, channels).unbind()
    expected = torch.empty(2, 2, channels, dtype=torch.float64)
    moments(maps.double(), *expected.unbind())
    gpu.moments(maps, mean, variance)
    assert near(mean, expected[0], 1e-6)
    assert near(variance, expected[1], 1e-5)


@pytest.mark.parametrize(("pixels", "channels", "dtype"), SIZES)
@pytest.mark.parametrize(("weighted", "running"), [(True, False), (True, True), (False, False)])
def test_mixing(pixels: int, channels: int, dtype: torch.dtype, weighted: bool, running: bool) -> None:
    layout = LAYOUT if weighted else Layout(LAYOUT.counts, LAYOUT.row, (), LAYOUT.slot)
    maps, state = draw(3, pixels, channels, seed=0).to(dtype), draw(1, pixels, channels, seed=1).to(dtype)
    mean, variance = draw(3, channels, seed=2), draw(3, channels, seed=3).square() + 0.1
    weights = draw(2, 4, seed=4) if weighted else None
    wide_mean, wide_variance = mean.double(), variance.double()
    wide_weights = None if weights is None else weights.double()
    out, scale = torch.empty(3, pixels, channels, dtype=dtype), torch.empty_like(mean)
    wide_out, wide_scale = out.double(), scale.double()
    read, wide_read = Maps(INDEX, maps, state), Maps(INDEX, maps.double(), state.double())
    mix_forward(wide_out, wide_scale, layout, wide_read, wide_mean, wide_variance, wide_weights)
    gpu.mix_forward(out, scale, layout, read, mean, variance, weights)
    assert near(out, wide_out, rounding_of(dtype))
    assert near(scale, wide_scale, 1e-6)

    upstream = draw(3, pixels, channels, seed=5).to(dtype)
    slopes, wide_slopes = torch.zeros(3, 6, channels), torch.zeros(3, 6, channels, dtype=torch.float64)
    expected = mix_backward(
        wide_slopes,
        layout,
        wide_read,
        upstream.double(),
        wide_mean,
        wide_scale,
        wide_weights,
        running=running,
    )
    found = gpu.mix_backward(slopes, layout, read, list(upstream), mean, scale, weights, running=running)
    assert near(slopes, wide_slopes, 1e-5)
    assert slopes[:, 5].abs().max() == 0, "a slot that no term has"
    assert (found is None) is (weights is None)
    if found is not None and expected is not None:
        assert near(found, expected, 1e-5)


@pytest.mark.parametrize(("pixels", "channels", "dtype"), SIZES)
def test_slope(pixels: int, channels: int, dtype: torch.dtype) -> None:
    one, other = draw(1, pixels, channels, seed=0).to(dtype), draw(2, pixels, channels, seed=1).to(dtype)
    out = draw(3, pixels, channels, seed=2).to(dtype)
    a, b, d = (draw(3, channels, seed=3 + s) for s in range(3))
    index = (~1, 0, ~0)
    upstream = Maps(index, one.double(), other.double())
    expected = gradient_of(out.double(), Slope(upstream, a.double(), b.double(), d.double()))
    found = gpu.gradient_of(out, Slope(Maps(index, one, other), a, b, d))
    assert found.dtype == dtype
    assert near(found, expected, rounding_of(dtype))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(7, 6), (1, 2), (5, 1)])
@pytest.mark.parametrize("kinds", [("max",), ("avg",), ("max", "avg")])
def test_pools(size: tuple[int, int], stride: int, kinds: tuple[str, ...]) -> None:
    """Of equal maxima the first takes the gradient."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(-3, 4, (3, *size, 6), generator=generator).float()
    shapes = [PoolShape(kind, (3, 3)) for kind in kinds]
    out = torch.empty(len(kinds), 3, *(-(-n // stride) for n in size), 6)
    expected = out.double()
    pools_forward(x.double(), shapes, (stride, stride), expected)
    of_kind = dict(zip(kinds, out, strict=True))
    gpu.pools_forward(x, stride, of_kind.get("max"), of_kind.get("avg"))
    assert near(out, expected, 1e-6)

    upstream, gradient = draw(*out.shape, seed=1), draw(*x.shape, seed=2)
    wanted = gradient.double()
    pools_backward(x.double(), shapes, (stride, stride), upstream.double(), wanted)
    of_kind = dict(zip(kinds, upstream, strict=True))
    gpu.pools_backward(x, stride, of_kind.get("max"), of_kind.get("avg"), gradient)
    assert near(gradient, wanted, 1e-6)


@pytest.mark.parametrize(
    ("shapes", "size", "own", "step", "dtype"),
    [
        ([(3, 1), (5, 2)], (6, 4, 5), False, 1, FP32),
        ([(3, 1), (3, 2)], (20, 5, 4), False, 2, FP32),
        ([(3, 1), (5, 1)], (3, 4, 3), True, 1, BF16),
    ],
)
def test_units(
    shapes: list[tuple[int, int]],
    size: tuple[int, int, int],
    own: bool,
    step: int,
    dtype: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_launch, "TILE", 512)
    count, (channels, height, width) = len(shapes), size
    x = draw(*([count] if own else []), 2, height, width, channels, seed=0).to(dtype)
    scale, shift = (draw(count, channels, seed=s) if own else None for s in (1, 2))
    units = Units(
        tuple(UnitShape((k, k), d) for k, d in shapes),
        [draw(channels, 1, k, k, seed=3 + i) for i, (k, _) in enumerate(shapes)],
        [draw(channels, channels, 1, 1, seed=6 + i) for i in range(count)],
    )
    given = Given(x, (step, step), scale, shift)
    wide = Given(x.double(), (step, step), *(None if a is None else a.double() for a in (scale, shift)))
    exact = Units(units.shapes, *([w.double() for w in part] for part in units[1:]))
    rounding = 2 * rounding_of(dtype)

    expected = torch.empty(count, *given.out_shape(), dtype=torch.float64)
    wanted = torch.empty(2, count, channels, dtype=torch.float64)
    units_forward(wide, exact, expected, (wanted[0], wanted[1]))
    out, rows = torch.empty(expected.shape, dtype=dtype), torch.empty(2, count, channels)
    gpu.units_forward(given, units, out, (rows[0], rows[1]))
    assert near(out, expected, rounding)
    assert near(rows[0], wanted[0], rounding)
    assert near(rows[1], wanted[1], rounding)

    upstream = draw(3, expected[0, ..., 0].numel(), channels, seed=9).to(dtype)
    index = (2, ~0)
    a, b, d = (draw(count, channels, seed=10 + s) for s in range(3))
    slope = Slope(Maps(index, upstream, upstream[1:2]), a, b, d)
    doubled = Slope(
        Maps(index, upstream.double(), upstream[1:2].double()), a.double(), b.double(), d.double()
    )
    gradient, by_weight = units_backward(wide, exact, out.double(), doubled, weights=True)
    found, of_weights = gpu.units_backward(given, units, out, slope, weights=True)
    only, none = gpu.units_backward(given, units, out, slope, weights=False)
    assert torch.equal(found, only)
    assert none == [None] * 2 * count
    assert near(found, gradient, rounding)
    for own_gradient, expected_gradient in zip(of_weights, by_weight, strict=True):
        assert own_gradient is not None
        assert expected_gradient is not None
        assert near(own_gradient, expected_gradient, 2 * rounding)


def test_normalisation_and_running_statistics() -> None:
    mean, variance = draw(3, 70, seed=0), draw(3, 70, seed=1).square()
    scale, shift = torch.empty_like(mean), torch.empty_like(mean)
    gpu.normalisation(mean, variance, scale, shift)
    expected = torch.empty_like(mean).double(), torch.empty_like(mean).double()
    normalisation(mean.double(), variance.double(), *expected)
    assert near(scale, expected[0], 1e-6)
    assert near(shift, expected[1], 1e-6)

    row = (1, 0, 1)
    running = [[draw(70, seed=s + i) for i in range(3)] for s in (2, 5)]
    wanted = [[tensor.double() for tensor in part] for part in running]
    follow_moments(wanted[0], wanted[1], mean.double(), variance.double(), row, 0.3, 15)
    gpu.follow_moments(running[0], running[1], mean, variance, row, 0.3, 15)
    for part, expected_part in zip(running, wanted, strict=True):
        for own, other in zip(part, expected_part, strict=True):
            assert near(own, other, 1e-6)
