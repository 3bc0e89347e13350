"""What the operations compute, against sums over explicit positions and taps in double precision."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import pytest
import torch
from torch import Tensor, nn

from autodas.operations import (
    SEARCH_NORMS,
    TRAIN_NORMS,
    DenseConv,
    FactorizedReduce,
    Norms,
    Pool,
    ReLUConvNorm,
    SeparableConv,
    SeparableUnit,
    build,
)

SIZES = [(6, 6), (5, 7), (5, 4)]
STRIDES = [(1, 1), (2, 2)]

Index = tuple[int, ...]


def windows(
    size: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: int
) -> Iterator[tuple[Index, list[tuple[Index, Index]]]]:
    """Yield every output position with the (tap, input position) pairs inside the map, centre on the grid."""
    outputs = [range((n + s - 1) // s) for n, s in zip(size, stride, strict=True)]
    for position in itertools.product(*outputs):
        pairs = []
        for tap in itertools.product(*(range(k) for k in kernel)):
            at = tuple(
                p * s + dilation * (t - k // 2)
                for p, s, t, k in zip(position, stride, tap, kernel, strict=True)
            )
            if all(0 <= a < n for a, n in zip(at, size, strict=True)):
                pairs.append((tap, at))
        yield position, pairs


def here(index: Index) -> tuple[slice | int, ...]:
    return (slice(None), slice(None), *index)


def empty_like(x: Tensor, channels: int, stride: Sequence[int]) -> Tensor:
    return x.new_zeros(
        len(x), channels, *((n + s - 1) // s for n, s in zip(x.shape[2:], stride, strict=True))
    )


def naive_depthwise(x: Tensor, weight: Tensor, stride: Sequence[int], dilation: int) -> Tensor:
    y = empty_like(x, x.shape[1], stride)
    for position, pairs in windows(x.shape[2:], weight.shape[2:], stride, dilation):
        for tap, at in pairs:
            y[here(position)] += x[here(at)] * weight[(slice(None), 0, *tap)]
    return y


def naive_dense(x: Tensor, weight: Tensor, stride: Sequence[int]) -> Tensor:
    y = empty_like(x, len(weight), stride)
    for position, pairs in windows(x.shape[2:], weight.shape[2:], stride, 1):
        for tap, at in pairs:
            y[here(position)] += x[here(at)] @ weight[here(tap)].T
    return y


def naive_pool(x: Tensor, kind: str, kernel: Sequence[int], stride: Sequence[int]) -> Tensor:
    y = empty_like(x, x.shape[1], stride)
    for position, pairs in windows(x.shape[2:], kernel, stride, 1):
        inside = torch.stack([x[here(at)] for _, at in pairs])
        y[here(position)] = inside.amax(0) if kind == "max" else inside.mean(0)
    return y


def naive_norm(x: Tensor, norm: nn.Module) -> Tensor:
    """Batch normalisation from its definition (Ioffe and Szegedy, 2015); it keeps no state."""
    axes = (0, *range(2, x.dim()))
    view = (1, -1) + (1,) * (x.dim() - 2)
    if norm.training:
        mean = x.mean(axes)
        variance = ((x - mean.view(view)) ** 2).mean(axes)
    else:
        mean, variance = norm.running_mean, norm.running_var
    y = (x - mean.view(view)) / (variance.view(view) + 1e-5) ** 0.5
    return y if norm.weight is None else y * norm.weight.view(view) + norm.bias.view(view)


def naive_unit(x: Tensor, unit: SeparableUnit, stride: Sequence[int], dilation: int) -> Tensor:
    x = naive_depthwise(x.clamp(min=0), unit.depthwise.weight, stride, dilation)
    return naive_norm(naive_dense(x, unit.pointwise.weight, (1,) * len(stride)), unit.norm)


def prepared(module: nn.Module, training: bool) -> nn.Module:
    """In double precision, with normalisations that are not the identity."""
    module.double().train(training)
    for m in module.modules():
        if isinstance(m, nn.BatchNorm2d | nn.BatchNorm3d):
            m.running_mean.uniform_(-1, 1)
            m.running_var.uniform_(0.5, 2)
            if m.affine:
                nn.init.uniform_(m.weight, 0.5, 2)
                nn.init.uniform_(m.bias, -1, 1)
    return module


def maps(channels: int, *size: int) -> Tensor:
    return torch.randn(2, channels, *size, dtype=torch.float64)


def same(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("norms", [TRAIN_NORMS, SEARCH_NORMS], ids=["affine", "plain"])
class TestConvolutions:
    @torch.no_grad()
    def test_separable(
        self, size: tuple[int, int], stride: tuple[int, int], training: bool, norms: Norms
    ) -> None:
        for k in (3, 5):
            operation = prepared(build(f"sep_conv_{k}x{k}", 3, stride, norms), training)
            assert isinstance(operation, SeparableConv)
            x = maps(3, *size)
            # DARTS: twice, the stride in the first.
            expected = naive_unit(naive_unit(x, operation[0], stride, 1), operation[1], (1, 1), 1)
            same(operation(x), expected)

    @torch.no_grad()
    def test_dilated(
        self, size: tuple[int, int], stride: tuple[int, int], training: bool, norms: Norms
    ) -> None:
        for k in (3, 5):
            operation = prepared(build(f"dil_conv_{k}x{k}", 3, stride, norms), training)
            assert isinstance(operation, SeparableUnit)
            x = maps(3, *size)
            same(operation(x), naive_unit(x, operation, stride, 2))

    @torch.no_grad()
    def test_factorized_convolution(
        self, size: tuple[int, int], stride: tuple[int, int], training: bool, norms: Norms
    ) -> None:
        operation = prepared(build("conv_7x1_1x7", 3, stride, norms), training)
        x = maps(3, *size)
        # The 1x7 window first, each with the stride of its own direction.
        y = naive_dense(x.clamp(min=0), operation.row.weight, (1, stride[1]))
        y = naive_dense(y, operation.column.weight, (stride[0], 1))
        assert operation.row.weight.shape == (3, 3, 1, 7)
        assert operation.column.weight.shape == (3, 3, 7, 1)
        same(operation(x), naive_norm(y, operation.norm))

    @pytest.mark.parametrize("k", [1, 3])
    @torch.no_grad()
    def test_dense_convolution(
        self, size: tuple[int, int], stride: tuple[int, int], training: bool, norms: Norms, k: int
    ) -> None:
        module = prepared(build(f"nor_conv_{k}x{k}", 3, stride, norms), training)
        x = maps(3, *size)
        assert module.conv.weight.shape == (3, 3, k, k)
        same(module(x), naive_norm(naive_dense(x.clamp(min=0), module.conv.weight, stride), module.norm))

    @torch.no_grad()
    def test_pointwise(
        self, size: tuple[int, int], stride: tuple[int, int], training: bool, norms: Norms
    ) -> None:
        module = prepared(ReLUConvNorm(3, 5, 2, norms.affine), training)
        x = maps(3, *size)
        same(module(x), naive_norm(naive_dense(x.clamp(min=0), module.conv.weight, (1, 1)), module.norm))


@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("norm", ["none", "plain", "affine"])
@torch.no_grad()
def test_pools(kind: str, size: tuple[int, int], stride: tuple[int, int], norm: str) -> None:
    operation = prepared(build(f"{kind}_pool_3x3", 3, stride, Norms(True, norm)), True)  # type: ignore[arg-type]
    x = maps(3, *size) - 3  # negative values: padding with zeros would win a maximum
    expected = naive_pool(x, kind, (3, 3), stride)
    same(operation(x), expected if norm == "none" else naive_norm(expected, operation.norm))


def test_average_of_ones_is_one_at_the_border() -> None:
    # DARTS: count_include_pad=False. With the padding counted the corner would be 4/9.
    x = torch.ones(1, 2, 5, 5)
    for stride in STRIDES:
        y = build("avg_pool_3x3", 2, stride, TRAIN_NORMS)(x)
        torch.testing.assert_close(y, torch.ones_like(y))


@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize(("kernel", "stride"), [((1, 3, 3), (1, 2, 2)), ((3, 3, 3), (2, 2, 2))])
def test_pools_in_three_dimensions(kind: str, kernel: tuple[int, ...], stride: tuple[int, ...]) -> None:
    x = maps(2, 5, 4, 5) - 3
    same(Pool(kind, 2, kernel, stride, "none")(x), naive_pool(x, kind, kernel, stride))


@pytest.mark.parametrize("kernel", [(1, 3, 3), (3, 3, 3), (1, 5, 5)])
@pytest.mark.parametrize("stride", [(1, 1, 1), (1, 2, 2), (2, 2, 2)])
@pytest.mark.parametrize("dilation", [1, 2])
@torch.no_grad()
def test_separable_units_in_three_dimensions(
    kernel: tuple[int, ...], stride: tuple[int, ...], dilation: int
) -> None:
    unit = prepared(SeparableUnit(2, kernel, stride, dilation, affine=True), True)
    x = maps(2, 4, 5, 4)
    assert isinstance(unit, SeparableUnit)
    same(unit(x), naive_unit(x, unit, stride, dilation))


@pytest.mark.parametrize("kernel", [(1, 3, 3), (3, 3, 3)])
@pytest.mark.parametrize("stride", [(1, 1, 1), (2, 2, 2)])
@torch.no_grad()
def test_dense_convolution_in_three_dimensions(kernel: tuple[int, ...], stride: tuple[int, ...]) -> None:
    module = prepared(DenseConv(2, 3, kernel, stride, affine=True), True)
    x = maps(2, 4, 5, 4)
    same(module(x), naive_norm(naive_dense(x.clamp(min=0), module.conv.weight, stride), module.norm))


def naive_reduction(x: Tensor, module: FactorizedReduce) -> Tensor:
    """Left half: pixels (2i, 2j); right half: pixels (2i + 1, 2j + 1), zero beyond the far edge."""
    x = x.clamp(min=0)
    halves = []
    for weight, shift in ((module.straight.weight, 0), (module.shifted.weight, 1)):
        half = empty_like(x, len(weight), module.stride)
        for position in itertools.product(*(range(n) for n in half.shape[2:])):
            at = [p * s for p, s in zip(position, module.stride, strict=True)]
            at[-2] += shift
            at[-1] += shift
            if at[-2] < x.shape[-2] and at[-1] < x.shape[-1]:
                half[here(position)] = x[here(tuple(at))] @ weight.flatten(1).T
        halves.append(half)
    return naive_norm(torch.cat(halves, 1), module.norm)


@pytest.mark.parametrize("size", [(6, 6), (4, 8), (5, 5), (5, 6), (6, 7), (1, 1), (1, 4)])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("affine", [True, False])
@torch.no_grad()
def test_factorized_reduce(size: tuple[int, int], training: bool, affine: bool) -> None:
    module = prepared(FactorizedReduce(3, 4, (2, 2), affine), training)
    assert isinstance(module, FactorizedReduce)
    x = maps(3, *size)
    same(module(x), naive_reduction(x, module))


@torch.no_grad()
def test_factorized_reduce_of_even_maps_is_that_of_darts() -> None:
    # DARTS' public code: torch.cat([conv_1(x), conv_2(x[:, :, 1:, 1:])], dim=1), no padding anywhere.
    module = FactorizedReduce(3, 4, (2, 2), affine=False).double()
    x = maps(3, 6, 8).clamp(min=0)
    parts = [
        nn.functional.conv2d(x, module.straight.weight, stride=2),
        nn.functional.conv2d(x[:, :, 1:, 1:], module.shifted.weight, stride=2),
    ]
    same(module(x), naive_norm(torch.cat(parts, 1), module.norm))


@torch.no_grad()
def test_a_strided_skip_is_a_factorized_reduce_and_a_plain_one_the_identity() -> None:
    x = maps(4, 5, 5)
    skip = build("skip_connect", 4, (1, 1), TRAIN_NORMS)
    assert skip(x) is x
    strided = prepared(build("skip_connect", 4, (2, 2), TRAIN_NORMS), True)
    assert isinstance(strided, FactorizedReduce)
    same(strided(x), naive_reduction(x, strided))


@pytest.mark.parametrize("stride", [(1, 2, 2), (2, 2, 2)])
@pytest.mark.parametrize("size", [(4, 6, 6), (5, 5, 7), (3, 4, 5)])
@torch.no_grad()
def test_factorized_reduce_in_three_dimensions(stride: tuple[int, ...], size: tuple[int, ...]) -> None:
    module = prepared(FactorizedReduce(3, 4, stride, affine=True), False)
    assert isinstance(module, FactorizedReduce)
    x = maps(3, *size)
    same(module(x), naive_reduction(x, module))


@pytest.mark.parametrize("training", [True, False])
@torch.no_grad()
def test_factorized_reduce_does_not_see_the_order_of_frames(training: bool) -> None:
    module = prepared(FactorizedReduce(3, 4, (1, 2, 2), affine=True), training)
    x = maps(3, 5, 5, 6)
    order = torch.tensor([3, 0, 4, 1, 2])
    same(module(x[:, :, order]), module(x)[:, :, order])


@torch.no_grad()
def test_both_halves_read_the_same_frames() -> None:
    module = prepared(FactorizedReduce(3, 4, (2, 2, 2), affine=True), False)
    x = maps(3, 6, 5, 5).abs()
    y = module(x)
    for frame in range(6):
        changed = x.clone()
        changed[:, :, frame] += 1
        differs = (module(changed) != y).any(0).flatten(2).any(-1)  # channels x frames
        expected = torch.zeros(4, 3, dtype=torch.bool)
        if frame % 2 == 0:
            expected[:, frame // 2] = True
        assert torch.equal(differs, expected)


def test_operations_leave_their_input_as_it_is() -> None:
    # States are shared by many edges: a ReLU in place would change what the other edges read.
    x = torch.randn(2, 4, 5, 5)
    before = x.clone()
    for name in ("sep_conv_3x3", "dil_conv_5x5", "skip_connect", "max_pool_3x3", "conv_7x1_1x7"):
        for stride in STRIDES:
            build(name, 4, stride, TRAIN_NORMS)(x)
            assert torch.equal(x, before)
