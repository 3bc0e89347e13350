"""Plan of the candidates that read one state: their order, their maps, and the layout of their sums."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from autodas.kernels import (
    Candidates,
    Layout,
    Pointwise,
    PoolShape,
    StateKernel,
    Units,
    UnitShape,
    has_one_call,
    whole_library_for,
)
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

AnyUnit = SeparableUnit | Separable3dUnit


class Candidate(NamedTuple):
    """Candidate of the plan.

    Args:
        place: index of its edge in the plan.
        column: its operation.
        module: its module; an identity has none to be called.
    """

    place: int
    column: int
    module: Any


class Span(NamedTuple):
    """Candidates of one kind: their maps and slots are consecutive.

    Args:
        maps: numbers of their maps.
        slots: rows of their slopes.
        places: index of the edge of each that is a term.
    """

    maps: slice
    slots: slice
    places: tuple[int, ...]


class _Term(NamedTuple):
    """One candidate, as a term of the sum that enters a node.

    Args:
        place, column: index of its edge in the plan, and its operation.
        map: number of its map; ~0 for the state itself.
        slot: row of its slope.
        norm: index of its normalisation in :attr:`Plan.norms`; -1 if it is not normalised.
    """

    place: int
    column: int
    map: int
    slot: int
    norm: int


class Plan:
    """Plan of the candidates that read one state under a mask, made once and used in every pass.

    All maps are parts of one tensor, in this order: the outputs of the units that read the state (the first
    ones of separable convolutions, then the dilated ones), of the second units of separable convolutions, of
    strided pointwise convolutions, of dense convolutions by window, and of pools. A pool's input is the same
    on all edges, so each is computed once. Identities have no map but the state.

    Args:
        cell: cell of the state.
        mask: active candidates.
        state: number of the state.
        plain_skips: whether identities are left to their modules, because dropout follows them.

    Attributes:
        edges: edges with at least one candidate in fused form; ``targets`` are the states they enter.
        inner: number of separable convolutions, whose first units are not terms themselves.
        first, second: shapes of the units that read the state, and of those that read the former.
        reductions: number of strided pointwise convolutions.
        windows: number of dense convolutions of each window; ``sides`` are those of the windows.
        pools: the pools, and ``pools_normalised``: whether anything reads their moments.
        channels: operations on whole channels.
        others: ``(edge, target, column, module)`` of candidates without a fused form.
        norms: the normalisation layers, in the order of their maps.
        rows: number of rows of the moments of a batch; ``norm_rows`` is the row of each layer.
        maps, slots: number of maps and of slopes; ``kept`` are the maps but those of pools.
        index: for each term, edge by edge, the number of its map; ~0 for the state.
        layout_inner: layout of the normalisation between the units of separable convolutions.
    """

    def __init__(self, cell: SupernetCell, mask: Alive, state: int, plain_skips: bool = False) -> None:
        self.plain_skips = plain_skips
        self.stride = cell.edge_stride(state)
        self.ones = (1,) * len(self.stride)
        self.edges: list[int] = []
        self.targets: list[int] = []
        self.channels: list[ChannelCandidate] = []
        self.others: list[tuple[int, int, int, nn.Module]] = []
        found = _Found()
        for edge, (predecessor, target) in enumerate(cell.space.edges):
            if predecessor == state:
                self._add(found, edge, target, list(cell.active(edge, mask)))
        self._describe(found)
        self._lay_out(found, len(cell.space.operations))

    def _add(self, found: _Found, edge: int, target: int, candidates: list[tuple[int, nn.Module]]) -> None:
        place, before = len(self.edges), found.count()
        for column, module in candidates:
            own = Candidate(place, column, module)
            # Exact types: a subclass may compute something else.
            if type(module) is DenseConv and (window := _window(module)):
                found.dense.setdefault(window, []).append(own)
            elif not all(weight.is_contiguous() for weight in module.parameters()):
                self.others.append((edge, target, column, module))
            elif type(module) in (SeparableConv, Separable3dConv):
                found.separable.append(own)
            elif type(module) in (SeparableUnit, Separable3dUnit):
                found.dilated.append(own)
            elif type(module) is FactorizedReduce:
                found.reductions.append(own)
            elif type(module) is Pool and not (hasattr(module, "norm") and module.norm.affine):
                kind = "max" if isinstance(module.pool, nn.MaxPool2d | nn.MaxPool3d) else "avg"
                shape = PoolShape(kind, tuple(module.pool.kernel_size))  # type: ignore[arg-type]
                found.pools.setdefault(shape, []).append(own)
            elif has_channel_form(module):
                self.channels.append(ChannelCandidate(edge, target, column, module))  # type: ignore[arg-type]
            elif is_plain_skip(module) and not self.plain_skips:
                found.identities.append(own)
            else:
                self.others.append((edge, target, column, module))
        if found.count() > before:
            self.edges.append(edge)
            self.targets.append(target)

    def _describe(self, found: _Found) -> None:
        """Describe the convolutions and the pools, and where their parameters are."""
        found.sort()
        first: list[AnyUnit] = [conv.module[0] for conv in found.separable]
        first += [conv.module for conv in found.dilated]
        second: list[AnyUnit] = [conv.module[1] for conv in found.separable]
        self.inner = len(second)
        self.first, self.second = _shapes(first), _shapes(second)
        self.reductions = len(found.reductions)
        self.windows = [len(convolutions) for convolutions in found.dense.values()]
        self.sides = list(found.dense)
        self.pools = list(found.pools)
        self.pools_normalised = any(_normalised(pool.module) for pool in found.pooled())

        layers = [*_layers(first), *_layers(second)]
        layers += [layer for r in found.reductions for layer in (r.module.straight, r.module.shifted)]
        layers += [conv.module.conv for conv in found.of_dense()]
        # The dictionaries of parameters: a hundred times faster than the modules' attributes, and parameters
        # may be exchanged there.
        self._owners = [layer._parameters for layer in layers]
        self.norms: list[Any] = [unit.norm for unit in (*first, *second)]
        self.norms += [each.module.norm for each in (*found.reductions, *found.of_dense())]
        self.norms += [pool.module.norm for pool in found.pooled() if _normalised(pool.module)]

    def _lay_out(self, found: _Found, operations: int) -> None:
        """Number maps, slots and moments, and lay out the sums."""
        terms: list[_Term] = []
        # The first units of separable convolutions have maps and moments, and are not terms.
        self.maps = self.slots = norm = self.inner

        def span(candidates: Sequence[Candidate], maps: int) -> Span:
            """Add terms; if there are fewer maps, all read the same one, without any the state."""
            nonlocal norm
            first, slot = self.maps, self.slots
            for i, (place, column, module) in enumerate(candidates):
                normalised = maps > 0 and _normalised(module)
                index = first + min(i, maps - 1) if maps else ~0
                terms.append(_Term(place, column, index, slot + i, norm if normalised else -1))
                norm += normalised
            self.maps += maps
            self.slots += len(candidates)
            places = tuple(each.place for each in candidates)
            return Span(slice(first, self.maps), slice(slot, self.slots), places)

        dilated = span(found.dilated, len(found.dilated))
        whole = slice(0, self.maps)
        self.of_first = Span(whole, whole, dilated.places)
        self.of_second = span(found.separable, self.inner)
        self.of_reduced = span(found.reductions, self.reductions)
        self.of_dense = [span(convolutions, len(convolutions)) for convolutions in found.dense.values()]
        self.kept, own = self.maps, norm
        self.of_pools = [span(candidates, 1) for candidates in found.pools.values()]
        self.of_identities = span(found.identities, 0)

        # The moments of a batch have a row for each map; running ones have one for each layer, and all edges
        # of a pool have their own.
        self.norm_rows = (*range(own), *(term.map for term in terms if term.norm >= own))
        self.rows = max(self.norm_rows, default=-1) + 1
        terms.sort()
        counts = tuple(sum(term.place == place for term in terms) for place in range(len(self.edges)))
        factors = tuple(self.edges[term.place] * operations + term.column for term in terms)
        slots = tuple(term.slot for term in terms)
        self.index = tuple(term.map for term in terms)
        running = tuple(term.norm for term in terms)
        batch = tuple(-1 if n < 0 else self.norm_rows[n] for n in running)
        self._layouts = [Layout(counts, row, factors, slots) for row in (batch, running)]
        own_row = tuple(range(self.inner))
        self.layout_inner = Layout((1,) * self.inner, own_row, (), own_row)
        self._kernels: dict[torch.Size, StateKernel | None] = {}

    def layout(self, constant: bool) -> Layout:
        """Return the layout of the sums of all edges.

        Args:
            constant: whether moments are the running ones, one row for each layer.
        """
        return self._layouts[constant]

    def kernel(self, x: Tensor, parameters: Sequence[Tensor]) -> StateKernel | None:
        """Return the kernel that computes everything in one call; ``None`` if there is none."""
        if whole_library_for(x) is None:
            return None
        if x.shape not in self._kernels:
            candidates = self._candidates()
            known = has_one_call(candidates, x, parameters)
            self._kernels[x.shape] = StateKernel(candidates, x.shape) if known else None
        return self._kernels[x.shape]

    def _candidates(self) -> Candidates:
        spans = [*self.of_dense, *self.of_pools, self.of_identities]
        spans = [self.of_first, self.of_second, self.of_reduced, *spans]
        return Candidates(
            self.stride,
            self.first,
            self.second,
            self.reductions,
            tuple(zip(self.sides, self.windows, strict=True)),
            tuple(self.pools),
            tuple(len(span.places) for span in self.of_pools),
            self.pools_normalised,
            len(self.of_identities.places),
            tuple(place for span in spans for place in span.places),
            self.index,
            self.layout(False),
            self.layout(True),
            self.norm_rows,
            self.rows,
        )

    def parameters(self) -> list[Tensor]:
        """Return the weights of the convolutions, in the order of the gradients."""
        return [owner["weight"] for owner in self._owners]  # type: ignore[misc]

    def weights(self, parameters: Sequence[Tensor]) -> Weights:
        """Return the weights by the convolutions that use them."""
        rest = iter(parameters)
        first, second = _units(self.first, rest), _units(self.second, rest)
        reduced = [Pointwise((next(rest), next(rest))) for _ in range(self.reductions)]
        return Weights(first, second, reduced, [_take(rest, count) for count in self.windows])


class Weights(NamedTuple):
    """Weights of the convolutions of a plan.

    Args:
        first, second: those of the units.
        reduced: those of the strided pointwise convolutions.
        dense: those of the dense convolutions of each window.
    """

    first: Units
    second: Units
    reduced: list[Pointwise]
    dense: list[list[Tensor]]


class _Found:
    """Candidates of a state in fused form, by kind."""

    def __init__(self) -> None:
        self.separable: list[Candidate] = []
        self.dilated: list[Candidate] = []
        self.reductions: list[Candidate] = []
        self.dense: dict[int, list[Candidate]] = {}
        self.pools: dict[PoolShape, list[Candidate]] = {}
        self.identities: list[Candidate] = []

    def of_dense(self) -> list[Candidate]:
        """Return the dense convolutions, window by window."""
        return [each for convolutions in self.dense.values() for each in convolutions]

    def pooled(self) -> list[Candidate]:
        """Return the candidates that pool, pool by pool."""
        return [each for candidates in self.pools.values() for each in candidates]

    def count(self) -> int:
        """Return the number of candidates."""
        convolutions = len(self.separable) + len(self.dilated) + len(self.reductions) + len(self.of_dense())
        return convolutions + len(self.identities) + len(self.pooled())

    def sort(self) -> None:
        """Let units with a temporal window be consecutive, also where both kinds of units meet."""
        self.separable.sort(key=lambda conv: isinstance(conv.module, Separable3dConv))
        self.dilated.sort(key=lambda conv: not isinstance(conv.module, Separable3dUnit))


def _shapes(units: Sequence[AnyUnit]) -> tuple[UnitShape, ...]:
    return tuple(
        UnitShape(
            tuple(unit.depthwise.kernel_size),
            max(unit.depthwise.dilation),
            unit.temporal.kernel_size[0] if isinstance(unit, Separable3dUnit) else 0,
        )
        for unit in units
    )


def _layers(units: Sequence[AnyUnit]) -> Iterator[nn.Module]:
    """Yield the convolutions of units in the order of their gradients."""
    yield from (unit.depthwise for unit in units)
    yield from (unit.pointwise for unit in units)
    yield from (unit.temporal for unit in units if isinstance(unit, Separable3dUnit))


def _units(shapes: tuple[UnitShape, ...], weights: Iterator[Tensor]) -> Units:
    count, in_time = len(shapes), sum(shape.reach > 0 for shape in shapes)
    return Units(shapes, _take(weights, count), _take(weights, count), _take(weights, in_time))


def _take(weights: Iterator[Tensor], count: int) -> list[Tensor]:
    return [next(weights) for _ in range(count)]


def _normalised(module: nn.Module) -> bool:
    """Return whether a candidate with a map is normalised: only a pool may not be."""
    return not isinstance(module, Pool) or hasattr(module, "norm")


def _window(module: DenseConv) -> int:
    """Return the side of a dense convolution's window; 0 if it has no fused form."""
    conv: Any = module.conv
    plain = conv.weight.dim() == 4 and conv.groups == 1 and set(conv.stride) == {1} == set(conv.dilation)
    height, width = conv.kernel_size[-2:]
    return height if plain and height == width and not module.norm.affine else 0
