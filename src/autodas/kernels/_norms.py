"""Batch normalisation over (pixels, channels) with the mixing weight in it, each way in one go."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from autodas.kernels._build import compiled_library

EPSILON = 1e-5
"""As torch's batch normalisation adds to the variance."""


def moments(u: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and biased variance of each channel.

    Args:
        u: shape (pixels, channels).
    """
    library = _library(u)
    if library is None:
        variance, mean = torch.var_mean(u, dim=0, correction=0)
        return mean, variance
    mean, variance = u.new_empty(u.shape[1]), u.new_empty(u.shape[1])
    library.autodas_moments(_at(u), *_size(u), _at(mean), _at(variance))
    return mean, variance


def normalise_add(out: Tensor, u: Tensor, factor: Tensor, mean: Tensor, variance: Tensor) -> None:
    r"""Add :math:`f (u - \mu) / \sqrt{\sigma^2 + \epsilon}` to ``out``, in place.

    Args:
        out, u: shape (pixels, channels).
        factor: one number, f.
        mean, variance: for each channel.
    """
    library = _library(u)
    if library is None:
        scale = factor * (variance + EPSILON).rsqrt()
        out.add_(u * scale - mean * scale)
        return
    library.autodas_normalise_add(
        _at(u), *_size(u), _number(factor), _EPSILON, 1, _at(mean), _at(variance), _at(out)
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
    library = _library(u)
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
        _at(u),
        _at(upstream),
        *_size(u),
        _number(factor),
        _EPSILON,
        int(constant),
        _at(mean),
        _at(variance),
        ctypes.byref(total),
    )
    return u, u.new_tensor(total.value)


_EPSILON = ctypes.c_float(EPSILON)


def _library(u: Tensor) -> ctypes.CDLL | None:
    if u.device.type == "cpu" and u.dtype == torch.float32 and u.shape[1] % 2 == 0:
        return compiled_library()
    return None


def _number(factor: Tensor) -> ctypes.c_float:
    return ctypes.c_float(float(factor))


def _size(u: Tensor) -> tuple[ctypes.c_long, ctypes.c_long]:
    return ctypes.c_long(u.shape[0]), ctypes.c_long(u.shape[1])


def _at(tensor: Tensor) -> ctypes.c_void_p:
    assert tensor.is_contiguous()
    return ctypes.c_void_p(tensor.data_ptr())
