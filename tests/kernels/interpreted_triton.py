"""The Triton kernels against the plain forms in double precision, on Triton's interpreter.

``test_triton.py`` runs this in a process of its own: Triton looks for its interpreter when kernels are made.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autodas.kernels import Stencil, _gpu, _triton, stencils_backward, stencils_forward

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
    monkeypatch.setattr(_triton, "TILE", 256)
    monkeypatch.setattr(_triton, "BLOCKS", 2)


def draw(*size: int, seed: int) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("shapes", "size", "own", "step", "dtype"), CASES)
def test_against_the_plain_forms(
    shapes: list[tuple[int, int]], size: tuple[int, int, int], own: bool, step: int, dtype: torch.dtype
) -> None:
    count, stride, (channels, height, width) = len(shapes), (step, step), size
    x = draw(*([count] if own else []), 2, height, width, channels, seed=0).to(dtype)
    scale, shift = (draw(count, channels, seed=s) if own else None for s in (1, 2))
    weights = [draw(channels, 1, k, k, seed=3 + i).to(dtype) for i, (k, _) in enumerate(shapes)]
    stencils = [Stencil(w, d) for w, (_, d) in zip(weights, shapes, strict=True)]
    exact = [Stencil(w.double(), d) for w, (_, d) in zip(weights, shapes, strict=True)]
    wide = [None if t is None else t.double() for t in (scale, shift)]
    # The interpreter cuts digits off where a GPU rounds.
    rounding = 2.0**-7 if dtype == BF16 else 2e-6

    def near(found: Tensor, expected: Tensor, tolerance: float) -> bool:
        assert found.shape == expected.shape
        return bool((found.double() - expected).abs().max() <= tolerance * expected.abs().max())

    expected = stencils_forward(x.double(), exact, stride, *wide)
    found = _triton.stencils_forward(x, stencils, stride, scale, shift)
    assert found.dtype == dtype
    assert near(found, expected, rounding)

    upstream = draw(*expected.shape, seed=9).to(dtype)
    gradient, by_weight = stencils_backward(x.double(), exact, stride, upstream.double(), *wide)
    found, weight_gradients = _triton.stencils_backward(x, stencils, stride, upstream, scale, shift)
    assert found.dtype == dtype
    assert near(found, gradient, rounding)
    for wanted, weight_gradient in zip(by_weight, weight_gradients, strict=True):
        assert wanted is not None
        assert weight_gradient is not None
        assert weight_gradient.dtype == dtype
        assert near(weight_gradient, wanted, rounding)


def test_only_what_is_wanted() -> None:
    x, stencils = draw(2, 4, 4, 2, seed=0), [Stencil(draw(2, 1, 3, 3, seed=1), 1)]
    upstream = draw(1, 2, 4, 4, 2, seed=2)
    whole, _ = _triton.stencils_backward(x, stencils, (1, 1), upstream)
    gradient, weights = _triton.stencils_backward(x, stencils, (1, 1), upstream, weight_gradient=False)
    assert torch.equal(gradient, whole)
    assert weights == [None]


def test_what_is_not_a_number_is_not_hidden() -> None:
    x = draw(1, 5, 5, 4, seed=0)
    x[0, 2, 2, 1] = torch.nan
    found = _triton.stencils_forward(x, [Stencil(torch.ones(4, 1, 3, 3), 1)], (1, 1))
    expected = torch.zeros(5, 5, dtype=torch.bool)
    expected[1:4, 1:4] = True
    assert torch.equal(found[0, 0, :, :, 1].isnan(), expected)
    assert not found[0, 0, :, :, [0, 2, 3]].isnan().any()


def test_the_trial_succeeds() -> None:
    """The kernels are used only after it."""
    _gpu._try(_triton, torch.device("cpu"))
