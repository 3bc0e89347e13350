"""Registry of operations: from a name to layers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from torch import nn

from autodas.errors import AutodasError, nearest
from autodas.operations._channels import ChannelBias, ChannelScale
from autodas.operations._convolutions import (
    DenseConv,
    FactorizedConv,
    FactorizedReduce,
    SeparableConv,
    SeparableUnit,
)
from autodas.operations._norm import Norms
from autodas.operations._separable_3d import Separable3dConv, Separable3dUnit
from autodas.operations._simple import Pool, Zero
from autodas.spaces import OPERATIONS
from autodas.user_code import import_allowed, is_user_code, place_of, what_failed

Builder = Callable[[int, tuple[int, ...], Norms], nn.Module]
WindowBuilder = Callable[[int, tuple[int, ...], tuple[int, ...], Norms], nn.Module]
"""Function of channels, window, stride and norms."""

_BUILDERS: dict[str, Builder] = {}
_FOR_IMAGES_ONLY = {name for name, facts in OPERATIONS.items() if facts.images_only}


def register(name: str, *, for_images_only: bool = False) -> Callable[[Builder], Builder]:
    """Register an operation under a name, for spaces and both engines, in this process.

    If other commands and later processes must build it, too, name it by its path instead:
    ``python:package.module:name`` (see ``docs/extending.md``).

    The decorated function receives the channels (the output has the same number), the stride along each
    dimension and the :class:`Norms`, and returns the module.

    Args:
        name: name of the operation.
        for_images_only: whether it cannot be built for maps of three dimensions; networks for video then
            reject it by name.

    Raises:
        AutodasError: if the name is already registered.

    Examples:
        >>> import autodas
        >>> from autodas.operations import convolution, registered
        >>> @autodas.register_operation("conv_1x1")
        ... def conv_1x1(channels, stride, norms):
        ...     return convolution(channels, channels, (1, 1), stride=stride)
        >>> "conv_1x1" in registered()
        True
    """

    def add(builder: Builder) -> Builder:
        if name in _BUILDERS:
            raise AutodasError(f"an operation '{name}' is already registered")
        _BUILDERS[name] = builder
        if for_images_only:
            _FOR_IMAGES_ONLY.add(name)
        return builder

    return add


def registered() -> list[str]:
    """Return the names of all operations that can be built."""
    return sorted(_BUILDERS)


def build(name: str, channels: int, stride: Sequence[int], norms: Norms) -> nn.Module:
    """Build an operation.

    Args:
        name: a registered name, or ``python:package.module:name``.
        channels: channels of input and output.
        stride: stride along each dimension; its length is the number of dimensions.
        norms: how its layers are normalised.

    Raises:
        AutodasError: if no operation has that name, or it is for images and there are three dimensions; for a
            user-defined one, if its module is not allowed, cannot be imported, or fails.
    """
    if is_user_code(name):
        return _build_users(name, channels, tuple(stride), norms)
    if name not in _BUILDERS:
        raise AutodasError(f"unknown operation '{name}'{nearest(name, registered())}")
    check_dimensions(name, len(stride))
    return _BUILDERS[name](channels, tuple(stride), norms)


def _build_users(name: str, channels: int, stride: tuple[int, ...], norms: Norms) -> nn.Module:
    """Build a user-defined operation, named by its path."""
    where = f"operation '{name}'"
    builder = import_allowed(name, where)
    if not callable(builder) or (isinstance(builder, type) and not issubclass(builder, nn.Module)):
        raise AutodasError(
            f"{where} ({place_of(builder)}): a function of channels, stride and norms that returns a module, "
            "or a class of such modules, is expected"
        )
    try:
        operation = builder(channels, stride, norms)
    except Exception as error:  # whatever the user's code does
        raise AutodasError(f"{where} cannot be built: {what_failed(error)}") from error
    if not isinstance(operation, nn.Module):
        raise AutodasError(
            f"{where} ({place_of(builder)}): a module is expected, {type(operation).__name__} was returned"
        )
    return operation


def check_dimensions(name: str, dimensions: int) -> None:
    """Check that an operation can be built for maps of the given number of dimensions.

    Those for video can be built for images, too, without their window in time, but not vice versa.

    Raises:
        AutodasError: if it cannot; the message suggests the nearest ones for video.
    """
    if dimensions == 3 and name in _FOR_IMAGES_ONLY:
        others = [other for other in registered() if other not in _FOR_IMAGES_ONLY]
        raise AutodasError(f"operation '{name}' is for images, not for video{nearest(name, others)}")


def window(name: str, dimensions: int | None = None) -> tuple[int, ...]:
    """Return the window at the end of an operation's name: ``(3, 3)`` for ``sep_conv_3x3``.

    Args:
        name: name of the operation.
        dimensions: dimensions of the maps, by default those of the window; for 2 a window in time is dropped,
            so that a genotype for video has a twin for images: ``(3, 3)`` for ``sep_conv_1x3x3``.
    """
    match = re.search(r"_(\d+(?:x\d+)+)$", name)
    if match is None:
        raise AutodasError(f"the name of operation '{name}' contains no window")
    sides = tuple(int(k) for k in match[1].split("x"))
    return sides[-dimensions:] if dimensions else sides


def _register_window(name: str, make: WindowBuilder) -> None:
    @register(name)
    def build_window(channels: int, stride: tuple[int, ...], norms: Norms) -> nn.Module:
        return make(channels, window(name, len(stride)), stride, norms)


def _separable(channels: int, kernel: tuple[int, ...], stride: tuple[int, ...], norms: Norms) -> nn.Module:
    return SeparableConv(channels, kernel, stride, norms.affine)


def _dilated(channels: int, kernel: tuple[int, ...], stride: tuple[int, ...], norms: Norms) -> nn.Module:
    return SeparableUnit(channels, kernel, stride, 2, norms.affine)


def _separable_3d(channels: int, kernel: tuple[int, ...], stride: tuple[int, ...], norms: Norms) -> nn.Module:
    if len(stride) == 2:
        return _separable(channels, kernel, stride, norms)
    return Separable3dConv(channels, kernel, stride, norms.affine)


def _dilated_3d(channels: int, kernel: tuple[int, ...], stride: tuple[int, ...], norms: Norms) -> nn.Module:
    if len(stride) == 2:
        return _dilated(channels, kernel, stride, norms)
    # A single unit, as for dilated convolutions of images.
    return Separable3dUnit(channels, kernel, stride, 2, norms.affine)


def _dense(channels: int, kernel: tuple[int, ...], stride: tuple[int, ...], norms: Norms) -> nn.Module:
    return DenseConv(channels, channels, kernel, stride, norms.affine)


def _max_pool(channels: int, kernel: tuple[int, ...], stride: tuple[int, ...], norms: Norms) -> nn.Module:
    return Pool("max", channels, kernel, stride, norms.pool)


def _avg_pool(channels: int, kernel: tuple[int, ...], stride: tuple[int, ...], norms: Norms) -> nn.Module:
    return Pool("avg", channels, kernel, stride, norms.pool)


for _make, _names in (
    (_separable, ("sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7", "sep_conv_1x3x3", "sep_conv_1x5x5")),
    (_dilated, ("dil_conv_3x3", "dil_conv_5x5", "dil_conv_1x3x3", "dil_conv_1x5x5")),
    (_separable_3d, ("sep3d_conv_3x3x3", "sep3d_conv_3x5x5")),
    (_dilated_3d, ("dil3d_conv_3x3x3",)),
    (_dense, ("nor_conv_1x1", "nor_conv_3x3")),
    (_max_pool, ("max_pool_3x3", "max_pool_1x3x3", "max_pool_3x3x3")),
    (_avg_pool, ("avg_pool_3x3", "avg_pool_1x3x3")),
):
    for _name in _names:
        _register_window(_name, _make)


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


@register("channel_scale")
def _channel_scale(channels: int, stride: tuple[int, ...], norms: Norms) -> nn.Module:
    return ChannelScale(channels, stride, norms.affine)


@register("channel_bias")
def _channel_bias(channels: int, stride: tuple[int, ...], norms: Norms) -> nn.Module:
    return ChannelBias(channels, stride, norms.affine)
