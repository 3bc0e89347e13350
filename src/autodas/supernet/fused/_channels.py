"""Operations on whole channels in the fused engine: a factor and a summand per channel of each sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from autodas.kernels import inverse_deviation
from autodas.operations import ChannelBias, ChannelOperation, ChannelScale, FactorizedReduce
from autodas.supernet.fused._normalisation import follow, running_moments


class ChannelCandidate(NamedTuple):
    """Operation on whole channels that can be computed in this form.

    Args:
        edge: its edge.
        target: state that the edge enters.
        column: its column among the operations.
        module: its module.
    """

    edge: int
    target: int
    column: int
    module: ChannelOperation


def has_channel_form(module: nn.Module) -> bool:
    """Return whether a module is an operation on channels that does not reduce, normalised without affine."""
    # Exact types: a subclass may compute something else.
    return type(module) in (ChannelScale, ChannelBias) and not getattr(module.norm, "affine", True)


def reduces_channels(module: nn.Module) -> bool:
    """Return whether a module is an operation on channels followed by a reduction."""
    return type(module) in (ChannelScale, ChannelBias) and type(module.norm) is FactorizedReduce


def channel_terms(
    candidates: Sequence[ChannelCandidate], x: Tensor, weights: Tensor
) -> list[tuple[int, int, Tensor]]:
    r"""Return the contributions of operations on channels, each edge's sum with the edge and its target.

    An operation gives :math:`y = f x + s` with f and s for each channel of each sample b. The moments of y
    over a batch follow from those of x in each sample, :math:`m_b` and :math:`v_b`:

    .. math:: \mu = \overline{f_b m_b + s_b}, \quad \sigma^2 = \overline{f_b^2 v_b + (f_b m_b + s_b - \mu)^2}.

    So neither y nor its normalisation is ever computed as a map: an edge needs one factor and one summand.
    All of this is small except x, and differentiated by autograd.

    Args:
        candidates: the operations.
        x: the state, shape (batch, *map, channels).
        weights: shape (edges, operations), the factors of the mixture.
    """
    candidates = sorted(candidates, key=lambda c: isinstance(c.module, ChannelBias))
    modules = [candidate.module for candidate in candidates]
    scales = sum(isinstance(module, ChannelScale) for module in modules)
    norms = [module.norm for module in modules]
    flat = x.flatten(1, -2)
    variance, mean = torch.var_mean(flat.to(weights.dtype), dim=1, correction=0)
    squeezed = _squeezed(modules, mean)
    zeros, ones = torch.zeros_like(squeezed), torch.ones_like(squeezed)
    factor = torch.cat([squeezed[:scales].sigmoid(), ones[scales:]])
    summand = torch.cat([zeros[:scales], squeezed[scales:]])
    if norms[0].training:
        means = factor * mean + summand
        centre = means.mean(1)
        spread = (factor.square() * variance + (means - centre[:, None]).square()).mean(1)
        batch, count = (centre.detach(), spread.detach()), flat.shape[0] * flat.shape[1]
        follow(norms, batch, tuple(range(len(norms))), count)  # type: ignore[arg-type]
    else:
        centre, spread = running_moments(norms)  # type: ignore[arg-type]
    mixed = torch.stack([weights[c.edge, c.column] for c in candidates])[:, None] * inverse_deviation(spread)
    factor, summand = mixed[:, None] * factor, mixed[:, None] * (summand - centre[:, None])
    places: dict[tuple[int, int], list[int]] = {}
    for place, candidate in enumerate(candidates):
        places.setdefault((candidate.edge, candidate.target), []).append(place)
    return [
        (edge, target, _affine(flat, _sum(factor, own), _sum(summand, own)).view(x.shape))
        for (edge, target), own in places.items()
    ]


def _squeezed(modules: Sequence[ChannelOperation], mean: Tensor) -> Tensor:
    """Return the outputs of the hidden layers of all modules at once: shape (modules, batch, channels)."""
    values = mean.expand(len(modules), *mean.shape)
    for number in (0, 2):
        layers = [module.squeeze[number] for module in modules]
        weight, bias = (
            torch.stack([layer.get_parameter(name) for layer in layers]) for name in ("weight", "bias")
        )
        values = torch.baddbmm(bias[:, None], values, weight.transpose(1, 2))
        values = values.relu() if number == 0 else values
    return values


def _sum(rows: Tensor, places: Sequence[int]) -> Tensor:
    total = rows[places[0]]
    for place in places[1:]:
        total = total + rows[place]
    return total


def _affine(flat: Tensor, factor: Tensor, summand: Tensor) -> Tensor:
    return torch.addcmul(summand[:, None].to(flat.dtype), flat, factor[:, None].to(flat.dtype))
