"""Plain forms of the ends of units and of normalisation for maps in bf16.

Maps and the factors of products are bf16; products are accumulated and returned in single precision, and all
statistics are computed from those, never from what has been rounded.
"""

from __future__ import annotations

import torch
from torch import Tensor

EPSILON = 1e-5
"""As torch's batch normalisation adds to the variance."""


def product(left: Tensor, right: Tensor) -> Tensor:
    """Return the product of two bf16 matrices, accumulated and returned in single precision."""
    if left.is_cuda:
        return torch.mm(left, right, out_dtype=torch.float32)
    return left.float() @ right.float()


def moments(u: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and biased variance of each channel, in single precision.

    Args:
        u: shape (pixels, channels).
    """
    variance, mean = torch.var_mean(u.float(), dim=0, correction=0)
    return mean, variance


def normalise_add(out: Tensor, u: Tensor, factor: Tensor, mean: Tensor, variance: Tensor) -> None:
    r"""Add :math:`f (u - \mu) / \sqrt{\sigma^2 + \epsilon}` to ``out``, in place.

    Args:
        out, u: shape (pixels, channels).
        factor: one number, f.
        mean, variance: for each channel, in single precision.
    """
    out.add_((u - mean) * (factor * (variance + EPSILON).rsqrt()))


def normalise_backward(
    u: Tensor, upstream: Tensor, factor: Tensor, mean: Tensor, variance: Tensor, constant: bool
) -> tuple[Tensor, Tensor]:
    """Return the gradients of :func:`normalise_add`: that of ``u``, like u, and that of ``factor``.

    Args:
        u, factor, mean, variance: as they were.
        upstream: gradient of the sum.
        constant: whether the moments were given; else they are those of u, and pass gradient on.
    """
    scale = (variance + EPSILON).rsqrt()
    gradient, product_sum = _through_norm((u - mean) * scale, upstream.float(), constant)
    return (gradient * (factor * scale)).to(u.dtype), product_sum


def pointwise(features: Tensor, weight: Tensor, out: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return mean and biased variance of each channel of ``u = features @ weight.T``.

    Args:
        features: shape (pixels, channels).
        weight: shape (channels, channels).
        out: where u is written, rounded, if it is wanted.
    """
    u = product(features, weight.t())
    if out is not None:
        out.copy_(u)
    return moments(u)


def unit_end_forward(
    total: Tensor, features: Tensor, weight: Tensor, factor: Tensor, mean: Tensor, variance: Tensor
) -> None:
    r"""Add :math:`f (u - \mu) / \sqrt{\sigma^2 + \epsilon}` to ``total``, in place.

    Args:
        total: shape (pixels, channels); best in single precision, since many candidates are added up.
        features: shape (pixels, channels).
        weight: shape (channels, channels).
        factor: one number, f.
        mean, variance: of each channel of u, in single precision.
    """
    normalise_add(total, product(features, weight.t()), factor, mean, variance)


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
        weight_gradient: whether that of the weight is wanted; it is in single precision.
    """
    scale = (variance + EPSILON).rsqrt()
    normalised = (product(features, weight.t()) - mean) * scale
    gradient, product_sum = _through_norm(normalised, upstream.float(), constant)
    rounded = (gradient * (factor * scale)).to(features.dtype)
    feature_gradient.copy_(product(rounded, weight))
    if not weight_gradient:
        return None, product_sum
    found = product(rounded.t(), features)
    if not constant:
        # The gradient of u sums to zero before it is rounded: what rounding leaves would be multiplied with
        # the mean of the features, which may be far larger than what they vary by.
        found -= torch.outer(rounded.sum(0, dtype=torch.float32), features.mean(0, dtype=torch.float32))
    return found, product_sum


def _through_norm(normalised: Tensor, upstream: Tensor, constant: bool) -> tuple[Tensor, Tensor]:
    """Return the gradient that passes a normalisation, but for its scale, and the factor's gradient."""
    product = (upstream * normalised).sum(0)
    if constant:
        return upstream, product.sum()
    return upstream - upstream.mean(0) - normalised * (product / len(upstream)), product.sum()
