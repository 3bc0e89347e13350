"""Mixing of maps that are normalised and weighted, and its gradient; the maps are left unchanged."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from autodas.kernels._calls import address, addresses, integers, library_for, places, pointers
from autodas.kernels._constants import constant
from autodas.kernels._gpu import gpu_form
from autodas.kernels._layout import EPSILON, Layout
from autodas.kernels._maps import Maps, Stack
from autodas.kernels._sums import combine


def inverse_deviation(variance: Tensor) -> Tensor:
    """Return the factor of normalisation."""
    return (variance + EPSILON).rsqrt()


def normalisation(mean: Tensor, variance: Tensor, factor: Tensor, summand: Tensor) -> None:
    r"""Write factor and summand of normalisation, s and :math:`-s \mu`, of :func:`mix_forward`.

    Args:
        mean, variance: of each map and channel, contiguous.
        factor, summand: written, of their shape.
    """
    accelerated = gpu_form(mean)
    if accelerated is not None:
        accelerated.normalisation(mean, variance, factor, summand)
        return
    factor.copy_(inverse_deviation(variance))
    torch.mul(mean, factor, out=summand).neg_()


def mix_forward(
    out: Stack,
    scale: Tensor,
    layout: Layout,
    maps: Maps,
    mean: Tensor,
    variance: Tensor,
    weights: Tensor | None = None,
    before: Sequence[Tensor | None] = (),
) -> None:
    r"""Write :math:`b + \sum_t w_t \hat m_t` to each output, with :math:`\hat m = s (m - \mu)`.

    Args:
        out: the outputs; on a GPU as one tensor.
        scale: :math:`s = 1 / \sqrt{\sigma^2 + \epsilon}`, written here; shape (rows, channels).
        layout: layout of the sums.
        maps: the map m of each term, each of shape (pixels, channels).
        mean, variance: :math:`\mu` and :math:`\sigma^2`, shape (rows, channels).
        weights: w, of any shape; ``None`` for 1.
        before: b of each output, laid out like it; ``None`` for 0. Empty if there is none for any.
    """
    library, accelerated = library_for(out[0]), gpu_form(out[0])
    if accelerated is not None:
        assert isinstance(out, Tensor)
        accelerated.mix_forward(out, scale, layout, maps, mean, variance, weights)
        _add(out, before)
        return
    if library is None:
        scale.copy_(inverse_deviation(variance))
        factors, means = _factors(layout, scale, weights), _of_terms(layout, mean, 0)
        shift = -_belongs(layout.counts, mean) @ (factors * means)
        combine(out, layout.counts, maps, factors, shift)
        _add(out, before)
        return
    library.autodas_mix_forward(
        len(layout.counts),
        integers(layout.counts),
        pointers(maps.addresses()),
        integers(layout.row),
        integers(layout.factor) if layout.factor else None,
        address(weights),
        mean.shape[0],
        address(mean),
        address(variance),
        pointers([0 if each is None else each.data_ptr() for each in before]) if before else None,
        *out[0].shape,
        address(scale),
        addresses(out),
    )


def _add(out: Stack, before: Sequence[Tensor | None]) -> None:
    for own, other in zip(out, before, strict=False):
        if other is not None:
            own += other.view_as(own)


def mix_backward(
    slopes: Tensor,
    layout: Layout,
    maps: Maps,
    upstream: Stack,
    mean: Tensor,
    scale: Tensor,
    weights: Tensor | None = None,
    *,
    running: bool = False,
) -> Tensor | None:
    r"""Write the gradients of the maps in the form :math:`a\,g + b\,m + d`; return that of the weights.

    With the incoming gradient g of a term's sum over n pixels, the gradient of its map is
    :math:`w s (g - \sum g / n - \hat m \sum g \hat m / n)`, or :math:`w s g` if its moments are running
    ones or it is not normalised; that of its weight is :math:`\sum g \hat m` over pixels and channels.

    Args:
        slopes: a, b and d of each term, written to its slot: shape (3, slots, channels).
        layout, maps, mean, scale, weights: as in the forward pass, ``scale`` as it was written.
        upstream: g of each output, shape (pixels, channels).
        running: whether the moments are running ones, which do not depend on the maps.
    """
    library, accelerated = library_for(upstream[0]), gpu_form(upstream[0])
    if accelerated is not None:
        given = (slopes, layout, maps, upstream, mean, scale, weights)
        return accelerated.mix_backward(*given, running=running)  # type: ignore[no-any-return]
    if library is None:
        return _plain_backward(slopes, layout, maps, upstream, mean, scale, weights, running)
    gradient = None if weights is None else torch.empty_like(weights)
    library.autodas_mix_backward(
        len(layout.counts),
        integers(layout.counts),
        pointers(maps.addresses()),
        integers(layout.row),
        integers(layout.factor) if layout.factor else None,
        integers(layout.slot),
        addresses(upstream),
        address(weights),
        address(mean),
        address(scale),
        int(running),
        *upstream[0].shape,
        *places(slopes),
        address(gradient),
        0 if weights is None else weights.numel(),
    )
    return gradient


def _plain_backward(
    slopes: Tensor,
    layout: Layout,
    maps: Maps,
    upstream: Stack,
    mean: Tensor,
    scale: Tensor,
    weights: Tensor | None,
    running: bool,
) -> Tensor | None:
    means, scales = _of_terms(layout, mean, 0), _of_terms(layout, scale, 1)
    sums = torch.stack([u.sum(0, dtype=mean.dtype) for u in upstream])
    plain = sums[constant(layout.place, mean.device)]
    product = torch.stack(
        [
            (torch.addcmul(shift, own.to(factor.dtype), factor) * upstream[o]).sum(0)
            for own, o, factor, shift in zip(maps.each(), layout.place, scales, -means * scales, strict=True)
        ]
    )
    a = _factors(layout, scale, weights)
    share = a / len(upstream[0])
    if running:
        share = torch.zeros_like(share)
    elif -1 in layout.row:
        share = share * constant(tuple(int(row >= 0) for row in layout.row), mean.device)[:, None]
    b = -share * scales * product
    d = -share * plain - b * means
    slopes.index_copy_(1, constant(layout.slot, mean.device), torch.stack([a, b, d]))
    if weights is None:
        return None
    gradient = torch.zeros_like(weights).flatten()
    gradient.index_copy_(0, constant(layout.factor, mean.device), product.sum(1))
    return gradient.view_as(weights)


def _factors(layout: Layout, scale: Tensor, weights: Tensor | None) -> Tensor:
    """Return the factor of each term and channel: its weight times that of the normalisation."""
    scales = _of_terms(layout, scale, 1)
    if weights is None:
        return scales
    return scales * weights.flatten()[constant(layout.factor, weights.device)][:, None]


def _of_terms(layout: Layout, rows: Tensor, otherwise: float) -> Tensor:
    """Return the row of each term, and a number for terms that are not normalised."""
    if -1 in layout.row:
        rows = torch.cat([rows, rows.new_full((1, rows.shape[1]), otherwise)])
    return rows[constant(layout.row, rows.device)]


def _belongs(counts: tuple[int, ...], like: Tensor) -> Tensor:
    """Return a matrix (sums, terms) of ones where a term enters a sum, for sums in a fixed order."""
    terms = [own for own, count in enumerate(counts) for _ in range(count)]
    rows = tuple(tuple(float(own == o) for own in terms) for o in range(len(counts)))
    return constant(rows, like.device, like.dtype)
