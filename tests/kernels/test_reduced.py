"""The plain forms for bf16 maps, against autograd in double precision on the same rounded numbers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from autodas.kernels import _reduced as reduced

PIXELS, CHANNELS = 500, 12
HALF = 2.0**-8
"""The largest relative error of rounding to bf16, twice over."""


@pytest.fixture
def maps() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)

    def draw(*size: int) -> Tensor:
        return torch.randn(size, generator=generator)

    features = (draw(PIXELS, CHANNELS) + 3 * draw(CHANNELS)).bfloat16()
    weight = (draw(CHANNELS, CHANNELS) / CHANNELS**0.5).bfloat16()
    return {"features": features, "weight": weight, "upstream": draw(PIXELS, CHANNELS).bfloat16()}


def normalised(u: Tensor, mean: Tensor | None, variance: Tensor | None) -> Tensor:
    return F.batch_norm(u, mean, variance, training=mean is None, eps=reduced.EPSILON)


def assert_near(found: Tensor, expected: Tensor, tolerance: float) -> None:
    error = (found.double() - expected).abs().max()
    assert error <= tolerance * expected.abs().max()


def test_statistics_are_not_those_of_rounded_maps(maps: dict[str, Tensor]) -> None:
    out = torch.empty_like(maps["features"])
    mean, variance = reduced.pointwise(maps["features"], maps["weight"], out)
    u = maps["features"].double() @ maps["weight"].double().t()
    assert mean.dtype == variance.dtype == torch.float32
    assert_near(mean, u.mean(0), 1e-5)
    assert_near(variance, u.var(0, correction=0), 1e-5)
    assert_near(out, u, HALF)
    assert_near(reduced.moments(maps["features"])[1], maps["features"].double().var(0, correction=0), 1e-5)


@pytest.mark.parametrize("constant", [True, False])
def test_unit_ends(maps: dict[str, Tensor], constant: bool) -> None:
    features, weight = (maps[name].double().requires_grad_() for name in ("features", "weight"))
    factor = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    u = features @ weight.t()
    given = (torch.rand(CHANNELS), torch.rand(CHANNELS) + 0.5) if constant else None
    start = torch.randn(PIXELS, CHANNELS)
    moments = [None, None] if given is None else [m.double() for m in given]
    total = start.double() + factor * normalised(u, *moments)
    total.backward(maps["upstream"].double())

    mean, variance = given or reduced.pointwise(maps["features"], maps["weight"])
    found = start.clone()
    arguments = (maps["weight"], torch.tensor(0.3), mean, variance)
    reduced.unit_end_forward(found, maps["features"], *arguments)
    assert_near(found, total.detach(), 1e-5)
    gradient = torch.empty_like(maps["features"])
    weights, factors = reduced.unit_end_backward(
        maps["features"],
        maps["upstream"],
        *arguments,
        constant=constant,
        feature_gradient=gradient,
        weight_gradient=True,
    )
    assert weights is not None
    assert weights.dtype == torch.float32
    assert_near(gradient, features.grad, 2 * HALF)
    assert_near(weights, weight.grad, 2 * HALF)
    assert_near(factors, factor.grad, 1e-4)


@pytest.mark.parametrize("constant", [True, False])
def test_normalisation(maps: dict[str, Tensor], constant: bool) -> None:
    u = maps["features"].double().requires_grad_()
    factor = torch.tensor(-0.7, dtype=torch.float64, requires_grad=True)
    given = (torch.rand(CHANNELS), torch.rand(CHANNELS) + 0.5) if constant else None
    total = factor * normalised(u, *([None, None] if given is None else [m.double() for m in given]))
    total.backward(maps["upstream"].double())

    mean, variance = given or reduced.moments(maps["features"])
    arguments = (torch.tensor(-0.7), mean, variance)
    found = torch.zeros(PIXELS, CHANNELS)
    reduced.normalise_add(found, maps["features"], *arguments)
    assert_near(found, total.detach(), 1e-5)
    gradient, factors = reduced.normalise_backward(
        maps["features"], maps["upstream"], *arguments, constant=constant
    )
    assert gradient.dtype == torch.bfloat16
    assert_near(gradient, u.grad, HALF)
    assert_near(factors, factor.grad, 1e-4)
