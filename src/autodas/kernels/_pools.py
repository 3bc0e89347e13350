"""3x3 pools over channels-last maps: maximum and average in one pass."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from autodas.kernels._calls import address, library_for


def pools_forward(
    x: Tensor, kinds: Sequence[str], window: Sequence[int], stride: Sequence[int]
) -> list[Tensor]:
    """Return pools, each of which divides by or looks at the pixels inside the map only.

    Args:
        x: shape (batch, *map, channels).
        kinds: some of ``"max"`` and ``"avg"``.
        window, stride: along each dimension of the map.
    """
    library = _library(x, window, stride)
    if library is None:
        return [_plain(x, kind, window, stride) for kind in kinds]
    size = [-(-length // step) for length, step in zip(x.shape[1:-1], stride, strict=True)]
    found = {kind: x.new_empty(x.shape[0], *size, x.shape[-1]) for kind in kinds}
    library.autodas_pools_forward(
        *_arguments(x, stride), address(found.get("max")), address(found.get("avg"))
    )
    return [found[kind] for kind in kinds]


def pools_backward(
    x: Tensor,
    kinds: Sequence[str],
    window: Sequence[int],
    stride: Sequence[int],
    upstream: Sequence[Tensor],
    gradient: Tensor,
) -> None:
    """Add the gradients of :func:`pools_forward` with respect to ``x`` to ``gradient``, in place."""
    library = _library(x, window, stride)
    if library is None:
        with torch.enable_grad():
            source = x.detach().requires_grad_()
            pooled = [_plain(source, kind, window, stride) for kind in kinds]
            gradient += torch.autograd.grad(pooled, source, list(upstream))[0]
        return
    given = dict(zip(kinds, upstream, strict=True))
    library.autodas_pools_backward(
        *_arguments(x, stride), address(given.get("max")), address(given.get("avg")), address(gradient)
    )


def _plain(x: Tensor, kind: str, window: Sequence[int], stride: Sequence[int]) -> Tensor:
    maps = x.movedim(-1, 1)
    padding = [k // 2 for k in window]
    pools: dict[tuple[str, int], Callable[..., Tensor]] = {
        ("max", 2): F.max_pool2d,
        ("max", 3): F.max_pool3d,
        ("avg", 2): partial(F.avg_pool2d, count_include_pad=False),
        ("avg", 3): partial(F.avg_pool3d, count_include_pad=False),
    }
    pooled = pools[kind, len(stride)](maps, window, stride, padding)
    return pooled.movedim(1, -1).contiguous()


def _library(x: Tensor, window: Sequence[int], stride: Sequence[int]) -> ctypes.CDLL | None:
    # Windows that do not look along time are planes, one frame after the other.
    planes = set(window[:-2]) <= {1} and set(stride[:-2]) <= {1}
    fits = planes and tuple(window[-2:]) == (3, 3) and stride[-1] == stride[-2]
    return library_for(x) if fits else None


def _arguments(x: Tensor, stride: Sequence[int]) -> list[object]:
    return [address(x), math.prod(x.shape[:-3]), *x.shape[-3:], stride[-1]]
