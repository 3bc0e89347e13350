"""The end of a unit: pointwise convolution, batch normalisation and mixing weight, over (pixels, channels).

The result of the convolution, ``u = features @ weight.T``, is not kept: it is computed again where needed,
block by block in the cache.
"""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from autodas.kernels._norms import EPSILON, address, library_for, number, size_of


def pointwise(features: Tensor, weight: Tensor, out: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return mean and biased variance of each channel of u.

    Args:
        features: shape (pixels, channels).
        weight: shape (channels, channels).
        out: where u is written, if it is wanted.
    """
    library = library_for(features)
    if library is None:
        u = torch.mm(features, weight.t(), out=out) if out is not None else features @ weight.t()
        variance, mean = torch.var_mean(u, dim=0, correction=0)
        return mean, variance
    mean, variance = features.new_empty(len(weight)), features.new_empty(len(weight))
    library.autodas_pointwise(
        address(features), *size_of(features), address(weight), address(mean), address(variance), address(out)
    )
    return mean, variance


def unit_end_forward(
    total: Tensor, features: Tensor, weight: Tensor, factor: Tensor, mean: Tensor, variance: Tensor
) -> None:
    r"""Add :math:`f (u - \mu) / \sqrt{\sigma^2 + \epsilon}` to ``total``, in place.

    Args:
        total, features: shape (pixels, channels).
        weight: shape (channels, channels).
        factor: one number, f.
        mean, variance: of each channel of u.
    """
    library = library_for(features)
    if library is None:
        scale = factor * (variance + EPSILON).rsqrt()
        total.add_(torch.addmm(-mean * scale, features, (weight * scale[:, None]).t()))
        return
    library.autodas_unit_end_forward(
        address(features),
        *size_of(features),
        address(weight),
        number(factor),
        number(EPSILON),
        address(mean),
        address(variance),
        address(total),
    )


def unit_end_backward(
    features: Tensor,
    upstream: Tensor,
    weight: Tensor,
    factor: Tensor,
    mean: Tensor,
    variance: Tensor,
    *,
    constant: bool,
    feature_gradient: Tensor,
    weight_gradient: bool,
) -> tuple[Tensor | None, Tensor]:
    """Return the gradients of :func:`unit_end_forward` with respect to weight and factor.

    Args:
        features, weight, factor, mean, variance: as they were.
        upstream: gradient of the total.
        constant: whether the moments were given; else they are those of u, and pass gradient on.
        feature_gradient: where the gradient of the features is written.
        weight_gradient: whether that of the weight is wanted.
    """
    library = library_for(features)
    if library is None:
        scale = (variance + EPSILON).rsqrt()
        normalised = (features @ weight.t() - mean) * scale
        product = (upstream * normalised).sum(0)
        gradient = upstream
        if not constant:
            gradient = upstream - upstream.mean(0) - normalised * (product / len(features))
        gradient = gradient * (factor * scale)
        torch.mm(gradient, weight, out=feature_gradient)
        return gradient.t() @ features if weight_gradient else None, product.sum()
    found = torch.empty_like(weight) if weight_gradient else None
    total = ctypes.c_float()
    library.autodas_unit_end_backward(
        address(features),
        address(upstream),
        *size_of(features),
        address(weight),
        number(factor),
        number(EPSILON),
        int(constant),
        address(mean),
        address(variance),
        address(feature_gradient),
        address(found),
        ctypes.byref(total),
    )
    return found, features.new_tensor(total.value)
