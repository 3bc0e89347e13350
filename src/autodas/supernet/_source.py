"""All candidates that leave one state, computed together, with a backward pass of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from autodas.errors import AutodasError
from autodas.kernels import (
    Stencil,
    moments,
    normalise_add,
    normalise_backward,
    pointwise,
    pools_backward,
    pools_forward,
    stencils_backward,
    stencils_forward,
    unit_end_backward,
    unit_end_forward,
)
from autodas.kernels._norms import EPSILON
from autodas.operations import Pool, SeparableConv, SeparableUnit
from autodas.supernet._cell import SupernetCell
from autodas.supernet._mixture import Alive

Norm = nn.BatchNorm2d | nn.BatchNorm3d


class Source:
    """What leaves one state under a mask: a plan that is made once and used in every pass.

    Args:
        cell: where the state is.
        mask: which candidates take part.
        state: its number.

    Attributes:
        edges: the edges that carry a candidate with a fused form; ``targets`` are the states they enter.
        separable, dilated: ``(place in edges, column, module)`` of the convolutions.
        pools: kind of pool to its candidates, likewise. Their input is the same, so they are computed once.
        identities: ``(place in edges, column)``.
        others: ``(edge, target, column, module)`` of candidates without a fused form.
    """

    def __init__(self, cell: SupernetCell, mask: Alive, state: int) -> None:
        self.stride = cell.edge_stride(state)
        self.edges: list[int] = []
        self.targets: list[int] = []
        self.separable: list[tuple[int, int, SeparableConv]] = []
        self.dilated: list[tuple[int, int, SeparableUnit]] = []
        self.pools: dict[str, list[tuple[int, int, Pool]]] = {}
        self.identities: list[tuple[int, int]] = []
        self.others: list[tuple[int, int, int, nn.Module]] = []
        for edge, (predecessor, target) in enumerate(cell.space.edges):
            if predecessor == state:
                self._add(edge, target, list(cell.active(edge, mask)))
        self.window = (3,) * len(self.stride)

    def _add(self, edge: int, target: int, candidates: list[tuple[int, nn.Module]]) -> None:
        place, before = len(self.edges), self._count()
        for column, module in candidates:
            # Exact types: a subclass may compute something else.
            if type(module) is SeparableConv:
                self.separable.append((place, column, module))
            elif type(module) is SeparableUnit:
                self.dilated.append((place, column, module))
            elif type(module) is Pool and hasattr(module, "norm") and not module.norm.affine:
                kind = "max" if isinstance(module.pool, nn.MaxPool2d | nn.MaxPool3d) else "avg"
                self.pools.setdefault(kind, []).append((place, column, module))
            elif type(module) is nn.Identity:
                self.identities.append((place, column))
            else:
                self.others.append((edge, target, column, module))
        if self._count() > before:
            self.edges.append(edge)
            self.targets.append(target)

    def _count(self) -> int:
        pools = sum(len(candidates) for candidates in self.pools.values())
        return len(self.separable) + len(self.dilated) + len(self.identities) + pools

    def parameters(self) -> list[Tensor]:
        """Return the weights of the convolutions, in the order in which gradients are returned."""
        found: list[Tensor] = []
        for unit in [*(u for _, _, conv in self.separable for u in conv), *(u for _, _, u in self.dilated)]:
            found += [unit.get_parameter("depthwise.weight"), unit.get_parameter("pointwise.weight")]
        return found

    def norms(self) -> list[Norm]:
        """Return the normalisation layers: first units, then what ends the convolutions, then pools."""
        found: list[Any] = [conv[0].norm for _, _, conv in self.separable]
        found += [conv[1].norm for _, _, conv in self.separable]
        found += [unit.norm for _, _, unit in self.dilated]
        return found + [pool.norm for pools in self.pools.values() for _, _, pool in pools]


class SourceFunction(torch.autograd.Function):
    r"""What a state contributes to each node that reads it.

    With :math:`B` for batch normalisation and :math:`w` for the mixing weights it is, edge by edge,

    .. math:: \sum_o w_o B(P_o D_o(r(x))) + \sum_p w_p B(p(x)) + w_s x

    over convolutions (depthwise D, pointwise P, r the ReLU; twice for separable ones), pools and the
    identity. For the backward pass it keeps x and the outputs of the depthwise convolutions; what follows
    them is computed again.
    """

    @staticmethod
    def forward(ctx: Any, plan: Source, x: Tensor, weights: Tensor, *parameters: Tensor) -> Any:
        """Return a tensor of shape (batch, *map, channels) for each edge of the plan.

        Args:
            ctx: for the backward pass.
            plan: what leaves the state.
            x: the state, shape (batch, *map, channels).
            weights: shape (edges of the cell, operations), the factors of equation 2.
            parameters: as :meth:`Source.parameters` gives them.
        """
        parts = _Parts(plan, x, parameters)
        norms = plan.norms()
        # In evaluation the running moments are used; while training those of the batch.
        constant = bool(norms) and not norms[0].training
        statistics = _Statistics(norms, constant)
        mixing = weights[plan.edges]
        out = x.new_zeros(len(plan.edges), parts.pixels, x.shape[-1])
        depthwise, second = torch.empty(0), None
        if parts.first:
            depthwise = stencils_forward(x, parts.first, plan.stride)
        count = len(plan.separable)
        if count:
            features = parts.flat(depthwise[:count])
            inner = torch.empty_like(features)
            if constant:
                torch.bmm(features, parts.inner.transpose(1, 2), out=inner)
            pairs = [
                statistics.next(partial(pointwise, features[g], parts.inner[g], inner[g]))
                for g in range(count)
            ]
            scale, shift = affine(pairs)
            second = stencils_forward(parts.maps(inner), parts.second, parts.ones, scale, shift)
        for g, (place, column) in enumerate(parts.places):
            features = parts.flat(second)[g] if g < count else parts.flat(depthwise)[g]
            mean, variance = statistics.next(partial(pointwise, features, parts.outer[g]))
            unit_end_forward(out[place], features, parts.outer[g], mixing[place, column], mean, variance)
        pooled = pools_forward(x, list(plan.pools), plan.window, plan.stride) if plan.pools else []
        for q, candidates in zip(pooled, plan.pools.values(), strict=True):
            flat = q.view(-1, x.shape[-1])
            shared = cache(partial(moments, flat))
            for place, column, _ in candidates:
                mean, variance = statistics.next(shared)
                normalise_add(out[place], flat, mixing[place, column], mean, variance)
        for place, column in plan.identities:
            out[place].addcmul_(x.view(-1, x.shape[-1]), mixing[place, column])
        statistics.update(parts.pixels)
        ctx.plan, ctx.constant, ctx.moments = plan, constant, statistics.found
        ctx.save_for_backward(x, weights, depthwise, second, *pooled, *parameters)
        ctx.pools = len(pooled)
        return tuple(parts.maps(out).unbind())

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Any:
        """Return the gradients of the state, the mixing weights and the parameters.

        Raises:
            AutodasError: if a gradient of the gradient will be asked for. It would lack a term.
        """
        if torch.is_grad_enabled():
            raise AutodasError(
                "the fused engine has no gradient of its gradient: use the reference engine for the exact "
                "second order, or finite differences"
            )
        return SourceFunction._backward(ctx, *upstream)

    @staticmethod
    @once_differentiable
    def _backward(ctx: Any, *upstream: Tensor) -> Any:
        x, weights, depthwise, second, *rest = ctx.saved_tensors
        pooled, parameters = rest[: ctx.pools], rest[ctx.pools :]
        plan: Source = ctx.plan
        parts = _Parts(plan, x, parameters)
        wanted = any(ctx.needs_input_grad[3:])
        mixing = weights[plan.edges]
        mixing_gradient = torch.zeros_like(mixing)
        arrived = [u.contiguous().view(parts.pixels, -1) for u in upstream]
        found: Iterator[tuple[Tensor, Tensor]] = iter(ctx.moments)
        count = len(plan.separable)
        inner_moments = [next(found) for _ in range(count)]
        # From the nodes back to the outputs of the last depthwise convolutions.
        outer_gradients = []
        first_upstream = torch.empty_like(depthwise)
        second_upstream = torch.empty_like(second) if count else None
        for g, (place, column) in enumerate(parts.places):
            features = parts.flat(second)[g] if g < count else parts.flat(depthwise)[g]
            mean, variance = next(found)
            weight_gradient, total = unit_end_backward(
                features,
                arrived[place],
                parts.outer[g],
                mixing[place, column],
                mean,
                variance,
                constant=ctx.constant,
                feature_gradient=parts.flat(second_upstream if g < count else first_upstream)[g],
                weight_gradient=wanted,
            )
            mixing_gradient[place, column] = total
            outer_gradients.append(weight_gradient)
        # Separable convolutions: back through their first units.
        inner_gradients: list[Tensor | None] = [None] * count
        second_gradients: list[Tensor | None] = [None] * count
        if count:
            features = parts.flat(depthwise[:count])
            inner = torch.bmm(features, parts.inner.transpose(1, 2))
            assert second_upstream is not None
            scale, shift = affine(inner_moments)
            upstream_inner, second_gradients = stencils_backward(
                parts.maps(inner),
                parts.second,
                parts.ones,
                second_upstream,
                scale,
                shift,
                weight_gradient=wanted,
            )
            one = mixing.new_ones(())
            for g, (mean, variance) in enumerate(inner_moments):
                inner_gradients[g], _ = unit_end_backward(
                    features[g],
                    parts.flat(upstream_inner)[g],
                    parts.inner[g],
                    one,
                    mean,
                    variance,
                    constant=ctx.constant,
                    feature_gradient=parts.flat(first_upstream)[g],
                    weight_gradient=wanted,
                )
        # Back to the state.
        gradient: Tensor | None = torch.zeros_like(x)
        first_gradients: list[Tensor | None] = []
        if parts.first:
            gradient, first_gradients = stencils_backward(
                x, parts.first, plan.stride, first_upstream, weight_gradient=wanted
            )
        assert gradient is not None
        _pools_backward(ctx, plan, x, pooled, mixing, arrived, found, mixing_gradient, gradient)
        flat_x, flat_gradient = x.view(-1, x.shape[-1]), gradient.view(-1, x.shape[-1])
        for place, column in plan.identities:
            flat_gradient.addcmul_(arrived[place], mixing[place, column])
            mixing_gradient[place, column] = torch.dot(arrived[place].flatten(), flat_x.flatten())
        weights_gradient = torch.zeros_like(weights)
        weights_gradient[plan.edges] = mixing_gradient
        returned = parts.order(first_gradients, inner_gradients, second_gradients, outer_gradients)
        return None, gradient, weights_gradient, *returned


def _pools_backward(
    ctx: Any,
    plan: Source,
    x: Tensor,
    pooled: list[Tensor],
    mixing: Tensor,
    arrived: list[Tensor],
    found: Iterator[tuple[Tensor, Tensor]],
    mixing_gradient: Tensor,
    gradient: Tensor,
) -> None:
    """Pools: gradients of the edges are added up before they go back through the one pool."""
    if not plan.pools:
        return
    upstream = []
    for q, candidates in zip(pooled, plan.pools.values(), strict=True):
        total = torch.zeros_like(q)
        for place, column, _ in candidates:
            flat = q.view(-1, x.shape[-1]).clone()
            mean, variance = next(found)
            changed, weight = normalise_backward(
                flat, arrived[place], mixing[place, column], mean, variance, ctx.constant
            )
            mixing_gradient[place, column] = weight
            total.view(-1, x.shape[-1]).add_(changed)
        upstream.append(total)
    pools_backward(x, list(plan.pools), plan.window, plan.stride, upstream, gradient)


class _Parts:
    """Weights and shapes of one pass."""

    def __init__(self, plan: Source, x: Tensor, parameters: Any) -> None:
        count = len(plan.separable)
        separable = [parameters[4 * g : 4 * g + 4] for g in range(count)]
        dilated = [parameters[4 * count + 2 * g : 4 * count + 2 * g + 2] for g in range(len(plan.dilated))]
        self.count = count
        self.first = [Stencil(weights[0], 1) for weights in separable]
        self.first += [Stencil(weights[0], 2) for weights in dilated]
        self.second = [Stencil(weights[2], 1) for weights in separable]
        self.inner = torch.stack([w[1].flatten(1) for w in separable]) if count else torch.empty(0)
        self.outer = [weights[3].flatten(1) for weights in separable]
        self.outer += [weights[1].flatten(1) for weights in dilated]
        self.places = [(place, column) for place, column, _ in plan.separable]
        self.places += [(place, column) for place, column, _ in plan.dilated]
        self.ones = (1,) * len(plan.stride)
        size = [-(-length // step) for length, step in zip(x.shape[1:-1], plan.stride, strict=True)]
        self.shape = (x.shape[0], *size, x.shape[-1])
        self.pixels = x.shape[0] * torch.Size(size).numel()

    def flat(self, maps: Any) -> Tensor:
        """From (groups, batch, *map, channels) to (groups, pixels, channels)."""
        flat: Tensor = maps.view(len(maps), self.pixels, -1)
        return flat

    def maps(self, flat: Tensor) -> Tensor:
        """From (groups, pixels, channels) to (groups, batch, *map, channels)."""
        return flat.view(len(flat), *self.shape)

    def order(
        self,
        first: list[Tensor | None],
        inner: list[Tensor | None],
        second: list[Tensor | None],
        outer: list[Tensor | None],
    ) -> list[Tensor | None]:
        """Return gradients as :meth:`Source.parameters` orders and shapes the parameters."""
        pointwise = (1,) * len(self.ones)

        def shaped(g: Tensor | None) -> Tensor | None:
            return None if g is None else g.view(*g.shape, *pointwise)

        if not first:
            first = [None] * len(self.places)
        found: list[Tensor | None] = []
        for g in range(self.count):
            found += [first[g], shaped(inner[g]), second[g], shaped(outer[g])]
        for g in range(self.count, len(self.places)):
            found += [first[g], shaped(outer[g])]
        return found


def affine(pairs: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Return scale and shift, stacked, that normalise with these means and variances."""
    mean, variance = (torch.stack(m) for m in zip(*pairs, strict=True))
    scale = (variance + EPSILON).rsqrt()
    return scale, -mean * scale


class _Statistics:
    """Moments for each normalisation layer, in order; and the running ones, where they are to follow."""

    def __init__(self, norms: list[Norm], constant: bool) -> None:
        self.norms, self.constant = norms, constant
        self.found: list[tuple[Tensor, Tensor]] = []

    def next(self, of_batch: Callable[[], tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """Return mean and variance that the next layer uses; those of its batch are computed if it does."""
        if self.constant:
            norm = self.norms[len(self.found)]
            pair = (norm.get_buffer("running_mean"), norm.get_buffer("running_var"))
        else:
            pair = of_batch()
        self.found.append(pair)
        return pair

    def update(self, pixels: int) -> None:
        """Let the running statistics follow, unless they are frozen."""
        if self.constant or not self.norms or not self.norms[0].track_running_stats:
            return
        correction = pixels / max(1, pixels - 1)
        means = [norm.get_buffer("running_mean") for norm in self.norms]
        variances = [norm.get_buffer("running_var") for norm in self.norms]
        momentum = self.norms[0].momentum
        assert momentum is not None
        torch._foreach_lerp_(means, [m for m, _ in self.found], momentum)
        unbiased = torch._foreach_mul([v for _, v in self.found], correction)
        torch._foreach_lerp_(variances, unbiased, momentum)
