"""From the name of an operation to its layers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from torch import nn

from autodas.errors import AutodasError, nearest
from autodas.genotype import OPERATIONS
from autodas.operations._convolutions import (
    DenseConv,
    FactorizedConv,
    FactorizedReduce,
    SeparableConv,
    SeparableUnit,
)
from autodas.operations._norm import Norms
from autodas.operations._simple import Pool, Zero

Builder = Callable[[int, tuple[int, ...], Norms], nn.Module]

_BUILDERS: dict[str, Builder] = {}


def register(name: str) -> Callable[[Builder], Builder]:
    """Make an operation known under a name, to spaces, genotypes and both engines.

    The decorated function gets the channels (the output has as many), the stride along each dimension
    and the :class:`Norms`, and returns the module.

    .. code-block:: python

        @register("conv_1x1")
        def conv_1x1(channels, stride, norms):
            return nn.Conv2d(channels, channels, 1, stride=stride, bias=False)

    Raises:
        AutodasError: if the name is taken.
    """

    def add(builder: Builder) -> Builder:
        if name in _BUILDERS:
            raise AutodasError(f"an operation '{name}' is already registered")
        _BUILDERS[name] = builder
        OPERATIONS.add(name)
        return builder

    return add


def registered() -> list[str]:
    """Return the names of all operations that can be built."""
    return sorted(_BUILDERS)


def build(name: str, channels: int, stride: Sequence[int], norms: Norms) -> nn.Module:
    """Build an operation.

    Args:
        name: a registered name.
        channels: channels of input and output.
        stride: stride along each dimension; its length is the number of dimensions.
        norms: how its layers are normalised.

    Raises:
        AutodasError: if no operation has that name.
    """
    if name not in _BUILDERS:
        raise AutodasError(f"unknown operation '{name}'{nearest(name, registered())}")
    return _BUILDERS[name](channels, tuple(stride), norms)


def window(name: str) -> tuple[int, ...]:
    """Return the window that ends the name of an operation: ``(3, 3)`` for ``sep_conv_3x3``."""
    match = re.search(r"_(\d+(?:x\d+)+)$", name)
    if match is None:
        raise AutodasError(f"operation '{name}' names no window")
    return tuple(int(k) for k in match[1].split("x"))


def _register_separable(name: str) -> None:
    @register(name)
    def build_separable(channels: int, stride: tuple[int, ...], norms: Norms) -> nn.Module:
        return SeparableConv(channels, window(name), stride, norms.affine)


def _register_dilated(name: str) -> None:
    @register(name)
    def build_dilated(channels: int, stride: tuple[int, ...], norms: Norms) -> nn.Module:
        return SeparableUnit(channels, window(name), stride, 2, norms.affine)


def _register_dense(name: str) -> None:
    @register(name)
    def build_dense(channels: int, stride: tuple[int, ...], norms: Norms) -> nn.Module:
        return DenseConv(channels, channels, window(name), stride, norms.affine)


def _register_pool(name: str, kind: str) -> None:
    @register(name)
    def build_pool(channels: int, stride: tuple[int, ...], norms: Norms) -> nn.Module:
        return Pool(kind, channels, window(name), stride, norms.pool)


for _name in ("sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7"):
    _register_separable(_name)
for _name in ("dil_conv_3x3", "dil_conv_5x5"):
    _register_dilated(_name)
for _name in ("nor_conv_1x1", "nor_conv_3x3"):
    _register_dense(_name)
_register_pool("max_pool_3x3", "max")
_register_pool("avg_pool_3x3", "avg")


@register("skip_connect")
def _skip(channels: int, stride: tuple[int, ...], norms: Norms) -> nn.Module:
    if max(stride) == 1:
        return nn.Identity()
    return FactorizedReduce(channels, channels, stride, norms.affine)


@register("none")
def _none(channels: int, stride: tuple[int, ...], norms: Norms) -> nn.Module:
    return Zero(stride)


@register("conv_7x1_1x7")
def _factorized_conv(channels: int, stride: tuple[int, ...], norms: Norms) -> nn.Module:
    return FactorizedConv(channels, 7, stride, norms.affine)
