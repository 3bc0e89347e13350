"""Every operation: the shape of its output and the number of its parameters."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from autodas.operations import (
    SEARCH_NORMS,
    TRAIN_NORMS,
    FactorizedReduce,
    Norms,
    ReLUConvNorm,
    build,
    registered,
)
from autodas.spaces import OPERATION_SETS, OPERATIONS

STRIDES = [(1, 1), (2, 2)]


def separable(k: int) -> tuple[Callable[[int, bool], int], ...]:
    # DARTS (Liu et al., 2019, section 3.1): a separable convolution is always applied twice.
    def weights(c: int, reduces: bool) -> int:
        return 2 * (k * k * c + c * c)

    def norms(c: int, reduces: bool) -> int:
        return 4 * c

    return weights, norms


def dilated(k: int) -> tuple[Callable[[int, bool], int], ...]:
    # Depthwise k x k, pointwise, one normalisation: applied once.
    def weights(c: int, reduces: bool) -> int:
        return k * k * c + c * c

    def norms(c: int, reduces: bool) -> int:
        return 2 * c

    return weights, norms


def nothing(c: int, reduces: bool) -> int:
    return 0


# Name -> weights of convolutions and (where affine) of normalisations, of C channels.
FORMULAS: dict[str, tuple[Callable[[int, bool], int], ...]] = {
    "none": (nothing, nothing),
    "max_pool_3x3": (nothing, nothing),
    "avg_pool_3x3": (nothing, nothing),
    # The identity, or DARTS' FactorizedReduce: two C -> C/2 pointwise convolutions.
    "skip_connect": (lambda c, reduces: c * c * reduces, lambda c, reduces: 2 * c * reduces),
    "sep_conv_3x3": separable(3),
    "sep_conv_5x5": separable(5),
    "sep_conv_7x7": separable(7),
    "dil_conv_3x3": dilated(3),
    "dil_conv_5x5": dilated(5),
    # Two dense convolutions (the NASNet space of DARTS' public code).
    "conv_7x1_1x7": (lambda c, reduces: 14 * c * c, lambda c, reduces: 2 * c),
    # Dense k x k (NAS-Bench-201).
    "nor_conv_1x1": (lambda c, reduces: c * c, lambda c, reduces: 2 * c),
    "nor_conv_3x3": (lambda c, reduces: 9 * c * c, lambda c, reduces: 2 * c),
}


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_genotypes_and_builders_know_the_same_names() -> None:
    assert set(registered()) == set(OPERATIONS)
    assert set().union(*OPERATION_SETS.values()) <= set(registered())
    assert set().union(*(OPERATION_SETS[s] for s in ("o2d", "darts", "nasnet", "nasbench201"))) == set(
        FORMULAS
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("size", [(8, 8), (7, 7), (8, 5), (1, 1), (2, 3)])
@pytest.mark.parametrize("norms", [TRAIN_NORMS, SEARCH_NORMS], ids=["train", "search"])
def test_the_output_is_the_map_divided_by_the_stride_rounded_up(
    name: str, stride: tuple[int, int], size: tuple[int, int], norms: Norms
) -> None:
    operation = build(name, 6, stride, norms)
    y = operation(torch.randn(2, 6, *size))
    assert y.shape == (2, 6, *((n + s - 1) // s for n, s in zip(size, stride, strict=True)))
    assert y.isfinite().all()


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("channels", [4, 10])
def test_parameters_by_formula(name: str, stride: tuple[int, int], affine: bool, channels: int) -> None:
    weights, norms = FORMULAS[name]
    reduces = stride == (2, 2)
    expected = weights(channels, reduces) + affine * norms(channels, reduces)
    assert parameters(build(name, channels, stride, Norms(affine=affine, pool="none"))) == expected


@pytest.mark.parametrize("name", ["max_pool_3x3", "avg_pool_3x3"])
@pytest.mark.parametrize(("norm", "count"), [("none", 0), ("plain", 0), ("affine", 2 * 10)])
def test_pools_learn_only_in_an_affine_normalisation(name: str, norm: str, count: int) -> None:
    # SNAS and H-DAS: BatchNorm after every pool, which adds 2C where affine; DARTS has none at retraining.
    for affine in (True, False):
        operation = build(name, 10, (1, 1), Norms(affine=affine, pool=norm))  # type: ignore[arg-type]
        assert parameters(operation) == count
        assert any(isinstance(m, nn.BatchNorm2d) for m in operation.modules()) == (norm != "none")


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("make", ["reduce", "convolution"])
def test_preprocessing_from_other_widths(make: str, affine: bool) -> None:
    # Both bring c_in to c_out channels with c_in * c_out weights (DARTS, FactorizedReduce and ReLUConvBN).
    if make == "reduce":
        module: nn.Module = FactorizedReduce(10, 6, (2, 2), affine)
    else:
        module = ReLUConvNorm(10, 6, 2, affine)
    assert parameters(module) == 10 * 6 + affine * 2 * 6
    side = 3 if make == "reduce" else 5
    assert module(torch.randn(2, 10, 5, 5)).shape == (2, 6, side, side)


@pytest.mark.parametrize("name", FORMULAS)
def test_all_convolutions_are_without_bias(name: str) -> None:
    convolutions = [m for m in build(name, 4, (2, 2), TRAIN_NORMS).modules() if isinstance(m, nn.Conv2d)]
    assert all(m.bias is None for m in convolutions)
    assert bool(convolutions) == (FORMULAS[name][0](4, True) > 0)


@pytest.mark.parametrize("name", ["skip_connect", "none"])
@pytest.mark.parametrize("stride", [(1, 1, 1), (1, 2, 2), (2, 2, 2)])
@pytest.mark.parametrize("size", [(4, 6, 6), (3, 5, 7)])
def test_shapes_in_three_dimensions(
    name: str, stride: tuple[int, int, int], size: tuple[int, int, int]
) -> None:
    y = build(name, 4, stride, SEARCH_NORMS)(torch.randn(2, 4, *size))
    assert y.shape == (2, 4, *((n + s - 1) // s for n, s in zip(size, stride, strict=True)))


@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (1, 2, 2), (2, 2, 2)])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 3.0])
def test_none_gives_zeros_whatever_it_is_given(stride: tuple[int, ...], value: float) -> None:
    # DARTS multiplies by zero, which would pass on nan and inf; no connection passes on nothing.
    x = torch.full((2, 4, *(7,) * len(stride)), value, dtype=torch.float64)
    y = build("none", 4, stride, TRAIN_NORMS)(x)
    assert y.shape == (2, 4, *(-(-7 // s) for s in stride))
    assert y.dtype == torch.float64
    assert (y == 0).all()
