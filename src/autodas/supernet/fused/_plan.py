"""Plan of the candidates that read one state: their order and their maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from autodas.kernels import Pointwise, PoolShape, Unit, held
from autodas.operations import (
    DenseConv,
    FactorizedReduce,
    Pool,
    Separable3dConv,
    Separable3dUnit,
    SeparableConv,
    SeparableUnit,
)
from autodas.spaces import Alive
from autodas.supernet._cell import SupernetCell
from autodas.supernet._noise import is_plain_skip
from autodas.supernet.fused._channels import ChannelCandidate, has_channel_form
from autodas.supernet.fused._normalisation import Norm

FIRST, SECOND, REDUCED, DENSE, POOLED, STATE = range(6)
"""Origin of a term's map: units that read the state, units that read those, strided pointwise convolutions,
dense convolutions, pools, the state itself."""


class Term(NamedTuple):
    """One candidate, as a term of the sum that enters a node.

    Args:
        place: index of its edge in the plan.
        column: its operation.
        origin: origin of its map.
        number: index of the map among those of that origin.
        norm: index of its normalisation in :meth:`Plan.norms`; ``None`` if it is not normalised.
    """

    place: int
    column: int
    origin: int
    number: int
    norm: int | None


class Tables(NamedTuple):
    """Numbers of a plan as tensors, one entry for each term.

    Args:
        edge, column: position of its factor among the mixing weights.
        place: index of its edge in the plan.
        row: row of its moments; the last one if it is not normalised.
        normalised: 1 if it is normalised, else 0; shape (terms, 1).
        of_origin: for each origin (and pool, or window of dense convolutions) the terms that come from it, in
            the order of their maps, on the host and as a tensor.
    """

    edge: Tensor
    column: Tensor
    place: Tensor
    row: Tensor
    normalised: Tensor
    of_origin: dict[tuple[int, int], tuple[list[int], Tensor]]


class Plan:
    """Plan of the candidates that read one state under a mask, made once and used in every pass.

    Args:
        cell: cell of the state.
        mask: active candidates.
        state: number of the state.
        plain_skips: whether identities are left to their modules, because dropout follows them.

    Attributes:
        edges: edges with at least one candidate in fused form; ``targets`` are the states they enter.
        separable, dilated, reductions: ``(place in edges, column, module)`` of the convolutions.
        dense: for each window its dense convolutions, likewise: one convolution with all their outputs.
        pools: for each pool its candidates, likewise. Their input is the same, so each is computed once.
        identities: ``(place in edges, column)``.
        channels: operations on whole channels.
        others: ``(edge, target, column, module)`` of candidates without a fused form.
        terms: all other candidates, edge by edge.
    """

    def __init__(self, cell: SupernetCell, mask: Alive, state: int, plain_skips: bool = False) -> None:
        self.plain_skips = plain_skips
        self.stride = cell.edge_stride(state)
        self.ones = (1,) * len(self.stride)
        self.edges: list[int] = []
        self.targets: list[int] = []
        self.separable: list[tuple[int, int, SeparableConv | Separable3dConv]] = []
        self.dilated: list[tuple[int, int, SeparableUnit | Separable3dUnit]] = []
        self.reductions: list[tuple[int, int, FactorizedReduce]] = []
        self.dense: dict[int, list[tuple[int, int, DenseConv]]] = {}
        self.pools: dict[PoolShape, list[tuple[int, int, Pool]]] = {}
        self.identities: list[tuple[int, int]] = []
        self.channels: list[ChannelCandidate] = []
        self.others: list[tuple[int, int, int, nn.Module]] = []
        for edge, (predecessor, target) in enumerate(cell.space.edges):
            if predecessor == state:
                self._add(edge, target, list(cell.active(edge, mask)))
        self.terms = sorted(self._terms())
        self._tables: Tables | None = None

    def _add(self, edge: int, target: int, candidates: list[tuple[int, nn.Module]]) -> None:
        place, before = len(self.edges), self._count()
        for column, module in candidates:
            # Exact types: a subclass may compute something else.
            if type(module) is DenseConv and (window := _window(module)):
                self.dense.setdefault(window, []).append((place, column, module))
            elif not all(weight.is_contiguous() for weight in module.parameters()):
                self.others.append((edge, target, column, module))
            elif type(module) in (SeparableConv, Separable3dConv):
                self.separable.append((place, column, module))  # type: ignore[arg-type]
            elif type(module) in (SeparableUnit, Separable3dUnit):
                self.dilated.append((place, column, module))  # type: ignore[arg-type]
            elif type(module) is FactorizedReduce:
                self.reductions.append((place, column, module))
            elif type(module) is Pool and not (hasattr(module, "norm") and module.norm.affine):
                kind = "max" if isinstance(module.pool, nn.MaxPool2d | nn.MaxPool3d) else "avg"
                shape = PoolShape(kind, tuple(module.pool.kernel_size))  # type: ignore[arg-type]
                self.pools.setdefault(shape, []).append((place, column, module))
            elif has_channel_form(module):
                self.channels.append(ChannelCandidate(edge, target, column, module))  # type: ignore[arg-type]
            elif is_plain_skip(module) and not self.plain_skips:
                self.identities.append((place, column))
            else:
                self.others.append((edge, target, column, module))
        if self._count() > before:
            self.edges.append(edge)
            self.targets.append(target)

    def _count(self) -> int:
        pools = sum(len(candidates) for candidates in self.pools.values())
        convolutions = len(self.separable) + len(self.dilated) + len(self.reductions) + len(self._all_dense())
        return convolutions + len(self.identities) + pools

    def _all_dense(self) -> list[tuple[int, int, DenseConv]]:
        """Return the dense convolutions, window by window."""
        return [each for convolutions in self.dense.values() for each in convolutions]

    def _terms(self) -> list[Term]:
        inner, first = len(self.separable), len(self.separable) + len(self.dilated)
        terms = [
            Term(place, column, SECOND, g, first + g) for g, (place, column, _) in enumerate(self.separable)
        ]
        terms += [
            Term(place, column, FIRST, inner + g, inner + g)
            for g, (place, column, _) in enumerate(self.dilated)
        ]
        norm = first + inner
        for number, (place, column, _) in enumerate(self.reductions):
            terms.append(Term(place, column, REDUCED, number, norm))
            norm += 1
        for number, (place, column, _) in enumerate(self._all_dense()):
            terms.append(Term(place, column, DENSE, number, norm))
            norm += 1
        for number, candidates in enumerate(self.pools.values()):
            for place, column, pool in candidates:
                normalised = hasattr(pool, "norm")
                terms.append(Term(place, column, POOLED, number, norm if normalised else None))
                norm += normalised
        return terms + [Term(place, column, STATE, 0, None) for place, column in self.identities]

    def counts(self) -> list[int]:
        """Return the number of terms of each edge."""
        counts = [0] * len(self.edges)
        for term in self.terms:
            counts[term.place] += 1
        return counts

    def first(self, parameters: Sequence[Tensor]) -> list[Unit]:
        """Return the units that read the state: of the separable convolutions, then the dilated ones."""
        units = self._units(parameters)
        return units[: 2 * len(self.separable) : 2] + units[2 * len(self.separable) :]

    def second(self, parameters: Sequence[Tensor]) -> list[Unit]:
        """Return the second units of the separable convolutions."""
        return self._units(parameters)[1 : 2 * len(self.separable) : 2]

    def reduced(self, parameters: Sequence[Tensor]) -> list[Pointwise]:
        """Return the strided pointwise convolutions, each of two parts."""
        end = len(parameters) - len(self._all_dense())
        weights = parameters[end - 2 * len(self.reductions) : end]
        return [Pointwise((one, other)) for one, other in zip(weights[::2], weights[1::2], strict=True)]

    def stacked(self, parameters: Sequence[Tensor]) -> list[Sequence[Tensor]]:
        """Return the weights of the dense convolutions of each window."""
        rest = iter(parameters[len(parameters) - len(self._all_dense()) :])
        return [[next(rest) for _ in convolutions] for convolutions in self.dense.values()]

    def _modules(self) -> list[SeparableUnit | Separable3dUnit]:
        """Return all units: both of each separable convolution, then the dilated ones."""
        units: list[Any] = [unit for _, _, conv in self.separable for unit in conv]
        return units + [unit for _, _, unit in self.dilated]

    def _units(self, parameters: Sequence[Tensor]) -> list[Unit]:
        """Return the weights of all units, from the parameters in their order."""
        rest, units = iter(parameters), []
        for module in self._modules():
            in_time = isinstance(module, Separable3dUnit)
            weights = [next(rest) for _ in range(3 if in_time else 2)]
            dilation = max(module.depthwise.dilation)
            units.append(Unit(weights[0], weights[1], dilation, weights[2] if in_time else None))
        return units

    def parameters(self) -> list[Tensor]:
        """Return the weights of the convolutions: of each unit, two of each reduction, the dense ones."""
        weights: list[Any] = []
        for unit in self._modules():
            weights += [unit.depthwise.weight, unit.pointwise.weight]
            if isinstance(unit, Separable3dUnit):
                weights.append(unit.temporal.weight)
        for _, _, reduction in self.reductions:
            weights += [reduction.straight.weight, reduction.shifted.weight]
        return weights + [conv.conv.weight for _, _, conv in self._all_dense()]

    def norms(self) -> list[Norm]:
        """Return the normalisation layers: of the first units, the second, reductions, dense ones, pools."""
        norms: list[Any] = [conv[0].norm for _, _, conv in self.separable]
        norms += [unit.norm for _, _, unit in self.dilated]
        norms += [conv[1].norm for _, _, conv in self.separable]
        norms += [reduction.norm for _, _, reduction in self.reductions]
        norms += [conv.norm for _, _, conv in self._all_dense()]
        pools = [pool for candidates in self.pools.values() for _, _, pool in candidates]
        return norms + [pool.norm for pool in pools if hasattr(pool, "norm")]

    def _apart(self, term: Term) -> int:
        """Return the number of a term's pool or window, as these are needed separately, else 0."""
        if term.origin == DENSE:
            windows = [number for number, stack in enumerate(self.dense.values()) for _ in stack]
            return windows[term.number]
        return term.number if term.origin == POOLED else 0

    def tables(self, device: torch.device) -> Tables:
        """Return the plan's numbers as tensors; cached for the device, kept as long as recordings."""
        if self._tables is None or self._tables.row.device != device:
            last = len(self.norms())
            rows = [last if term.norm is None else term.norm for term in self.terms]
            chosen: dict[tuple[int, int], list[int]] = {}
            for i in sorted(range(len(self.terms)), key=lambda i: self.terms[i].number):
                term = self.terms[i]
                chosen.setdefault((term.origin, self._apart(term)), []).append(i)

            def tensor(numbers: list[int]) -> Tensor:
                return torch.tensor(numbers, dtype=torch.int64, device=device)

            self._tables = Tables(
                edge=tensor([self.edges[term.place] for term in self.terms]),
                column=tensor([term.column for term in self.terms]),
                place=tensor([term.place for term in self.terms]),
                row=tensor(rows),
                normalised=tensor([row != last for row in rows])[:, None],
                of_origin={key: (numbers, tensor(numbers)) for key, numbers in chosen.items()},
            )
        return held(self._tables)


def _window(module: DenseConv) -> int:
    """Return the side of a dense convolution's window; 0 if it has no fused form."""
    conv: Any = module.conv
    plain = conv.weight.dim() == 4 and conv.groups == 1 and set(conv.stride) == {1} == set(conv.dilation)
    height, width = conv.kernel_size[-2:]
    return height if plain and height == width and not module.norm.affine else 0
