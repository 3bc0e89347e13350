"""Batch normalisation over (pixels, channels) with the mixing weight in it, each way in one go."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from autodas.kernels._build import compiled_library
from autodas.kernels._rehearsal import rehearsed_library

EPSILON = 1e-5
"""As torch's batch normalisation adds to the variance."""


def moments(u: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and biased variance of each channel.

    Args:
        u: shape (pixels, channels).
    """
    library = library_for(u)
    if library is None:
        variance, mean = torch.var_mean(u, dim=0, correction=0)
        return mean, variance
    mean, variance = u.new_empty(u.shape[1]), u.new_empty(u.shape[1])
    library.autodas_moments(address(u), *size_of(u), address(mean), address(variance))
    return mean, variance


def normalise_add(out: Tensor, u: Tensor, factor: Tensor, mean: Tensor, variance: Tensor) -> None:
    r"""Add :math:`f (u - \mu) / \sqrt{\sigma^2 + \epsilon}` to ``out``, in place.

    Args:
        out, u: shape (pixels, channels).
        factor: one number, f.
        mean, variance: for each channel.
    """
    library = library_for(u)
    if library is None:
        scale = factor * (variance + EPSILON).rsqrt()
        out.add_(u * scale - mean * scale)
        return
    library.autodas_normalise_add(
        address(u),
        *size_of(u),
        number(factor),
        number(EPSILON),
        1,
        address(mean),
        address(variance),
        address(out),
    )


def normalise_backward(
    u: Tensor, upstream: Tensor, factor: Tensor, mean: Tensor, variance: Tensor, constant: bool
) -> tuple[Tensor, Tensor]:
    """Return the gradients of :func:`normalise_add` with respect to ``u`` and ``factor``.

    Args:
        u: is written over.
        upstream: gradient of the sum.
        factor, mean, variance: as they were.
        constant: whether the moments were given; else they are those of u, and pass gradient on.
    """
    library = library_for(u)
    if library is None:
        scale = (variance + EPSILON).rsqrt()
        normalised = (u - mean) * scale
        product = (upstream * normalised).sum(0)
        gradient = upstream
        if not constant:
            gradient = upstream - upstream.mean(0) - normalised * (product / len(u))
        return gradient * (factor * scale), product.sum()
    total = ctypes.c_float()
    library.autodas_normalise_backward(
        address(u),
        address(upstream),
        *size_of(u),
        number(factor),
        number(EPSILON),
        int(constant),
        address(mean),
        address(variance),
        ctypes.byref(total),
    )
    return u, u.new_tensor(total.value)


def library_for(u: Tensor) -> ctypes.CDLL | None:
    """Return the compiled kernels, if they can compute with this tensor."""
    if u.dtype != torch.float32 or u.shape[-1] % 2:
        return None
    if u.is_meta:
        return rehearsed_library()  # type: ignore[no-any-return]
    return compiled_library() if u.device.type == "cpu" else None


def number(factor: Tensor | float) -> ctypes.c_float:
    """Return a number as the kernels take it."""
    return ctypes.c_float(float(factor))


def size_of(u: Tensor) -> tuple[ctypes.c_long, ctypes.c_long]:
    """Return pixels and channels as the kernels take them."""
    return ctypes.c_long(u.shape[0]), ctypes.c_long(u.shape[1])


def address(tensor: Tensor | None) -> ctypes.c_void_p:
    """Return where a tensor lies, null for none."""
    if tensor is None:
        return ctypes.c_void_p(None)
    assert tensor.is_contiguous()
    return ctypes.c_void_p(tensor.data_ptr())
