"""Pools over channels-last maps: maximum and average in one pass."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from autodas.kernels._calls import address, library_for
from autodas.kernels._gpu import gpu_form
from autodas.kernels._ordered_pools import needs_order, ordered_pool


class PoolShape(NamedTuple):
    """Pool, which only takes pixels inside the map into account.

    Args:
        kind: ``"max"`` or ``"avg"``.
        window: window along each dimension of the map, odd.
    """

    kind: str
    window: tuple[int, ...]


def pools_forward(x: Tensor, pools: Sequence[PoolShape], stride: Sequence[int], out: Tensor) -> None:
    """Write the outputs of the given pools, all different.

    Args:
        x: shape (batch, *map, channels).
        pools: the pools.
        stride: stride along each dimension of the map.
        out: the outputs, shape (pools, batch, *map, channels).
    """
    library, accelerated = _library(x, pools, stride), _accelerated(x, pools, stride)
    if accelerated is not None:
        most, mean = _of_kinds(pools, out)
        accelerated.pools_forward(_as_images(x), stride[-1], most, mean)
        return
    if library is None:
        for own, pool in zip(out, pools, strict=True):
            own.copy_(_plain(x, pool, stride))
        return
    pooled = dict(zip(pools, out, strict=True))
    for window in dict.fromkeys(pool.window for pool in pools):
        both = [address(pooled.get(PoolShape(kind, window))) for kind in ("max", "avg")]
        library.autodas_pools_forward(*_arguments(x, window, stride), *both)


def pools_backward(
    x: Tensor,
    pools: Sequence[PoolShape],
    stride: Sequence[int],
    upstream: Tensor | Sequence[Tensor],
    gradient: Tensor,
) -> None:
    """Add the gradients of :func:`pools_forward` with respect to ``x`` to ``gradient``, in place."""
    library, accelerated = _library(x, pools, stride), _accelerated(x, pools, stride)
    if accelerated is not None:
        most, mean = _of_kinds(pools, upstream)
        accelerated.pools_backward(_as_images(x), stride[-1], most, mean, _as_images(gradient))
        return
    if library is None:
        with torch.enable_grad():
            source = x.detach().requires_grad_()
            pooled = [_plain(source, pool, stride) for pool in pools]
            gradient += torch.autograd.grad(pooled, source, list(upstream))[0]
        return
    given = dict(zip(pools, upstream, strict=True))
    for window in dict.fromkeys(pool.window for pool in pools):
        both = [address(given.get(PoolShape(kind, window))) for kind in ("max", "avg")]
        library.autodas_pools_backward(*_arguments(x, window, stride), *both, address(gradient))


def _plain(x: Tensor, pool: PoolShape, stride: Sequence[int]) -> Tensor:
    kind, window = pool
    if needs_order(x):
        return ordered_pool(x.movedim(-1, 1), kind, window, stride).movedim(1, -1).contiguous()
    if len(window) == 3 and window[0] == 1:
        # As images: torch rejects averages over frames that are smaller than the window.
        frames = x[:, :: stride[0]]
        flat = _plain(frames.flatten(0, 1), PoolShape(kind, window[1:]), stride[1:])
        return flat.view(*frames.shape[:2], *flat.shape[1:])
    pooled = _POOLS[kind, len(window)](x.movedim(-1, 1), window, tuple(stride), tuple(k // 2 for k in window))
    return pooled.movedim(1, -1).contiguous()


_POOLS: dict[tuple[str, int], Callable[..., Tensor]] = {
    ("max", 2): F.max_pool2d,
    ("max", 3): F.max_pool3d,
    ("avg", 2): partial(F.avg_pool2d, count_include_pad=False),
    ("avg", 3): partial(F.avg_pool3d, count_include_pad=False),
}


def _library(x: Tensor, pools: Sequence[PoolShape], stride: Sequence[int]) -> ctypes.CDLL | None:
    windows = all(pool.window[-2:] == (3, 3) for pool in pools)
    return library_for(x) if windows and stride[-1] == stride[-2] else None


def _accelerated(x: Tensor, pools: Sequence[PoolShape], stride: Sequence[int]) -> ModuleType | None:
    """Return the kernels for GPUs if they support these pools: over planes, each of which is read."""
    planes = all(pool.window[-2:] == (3, 3) and set(pool.window[:-2]) <= {1} for pool in pools)
    fits = planes and set(stride[:-2]) <= {1} and stride[-1] == stride[-2] in (1, 2)
    return gpu_form(x) if fits else None


def _of_kinds(pools: Sequence[PoolShape], maps: Tensor | Sequence[Tensor]) -> list[Tensor | None]:
    """Return the map of the maximum and that of the mean, as images; ``None`` for a missing kind."""
    of_kind = {pool.kind: _as_images(own) for pool, own in zip(pools, maps, strict=True)}
    return [of_kind.get(kind) for kind in ("max", "avg")]


def _as_images(x: Tensor) -> Tensor:
    """Return clips with their frames as images."""
    return x.flatten(0, -4)


def _arguments(x: Tensor, window: Sequence[int], stride: Sequence[int]) -> list[object]:
    time = len(stride) == 3
    frames, reach, step = (x.shape[1], window[0], stride[0]) if time else (1, 1, 1)
    return [address(x), x.shape[0], frames, *x.shape[-3:], reach, step, stride[-1]]
