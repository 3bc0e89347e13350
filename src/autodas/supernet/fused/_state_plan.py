"""Plan of the candidates that read one state: their maps, their terms, their parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from autodas.kernels import Layout, Pointwise, Units, UnitShape
from autodas.operations import Separable3dUnit, SeparableUnit
from autodas.supernet.fused._candidates import Candidate, Candidates, is_normalised

AnyUnit = SeparableUnit | Separable3dUnit


class Taken(NamedTuple):
    """Numbers that are taken by the states before: of maps, slots of slopes, and normalisation layers."""

    maps: int = 0
    slots: int = 0
    norms: int = 0


class Term(NamedTuple):
    """One candidate, as a term of the sum that enters a node.

    Args:
        edge, target: its edge, and the state that this enters.
        column: its operation.
        map: number of its map; ~s if that is state s itself.
        slot: row of its slope.
        norm: number of its normalisation layer; -1 if it is not normalised.
    """

    edge: int
    target: int
    column: int
    map: int
    slot: int
    norm: int


class Span(NamedTuple):
    """Candidates of one kind: their maps and slots are consecutive.

    Args:
        maps: numbers of their maps.
        slots: rows of their slopes.
        terms: those that are terms.
    """

    maps: slice
    slots: slice
    terms: tuple[Term, ...]


class StatePlan:
    """Plan of the candidates that read one state, made once for a mask and used in every pass.

    Maps are in this order: the outputs of the units that read the state (the first ones of separable
    convolutions, then the dilated ones), of the second units of separable convolutions, of strided pointwise
    convolutions, of dense convolutions by window, and of pools. A pool's input is the same on all edges, so
    each is computed once. Identities have no map but the state.

    Args:
        candidates: the candidates.
        state: number of the state.
        stride: stride of its edges.
        taken: numbers that are taken.

    Attributes:
        taken: numbers that are taken with this state.
        first_map, maps: number of the first map, and number of maps.
        inner: number of separable convolutions, whose first units are not terms themselves.
        inner_norms: their normalisation layers; ``inner_layout`` is the layout of that normalisation.
        first, second: shapes of the units that read the state, and of those that read the former.
        reductions: number of strided pointwise convolutions.
        windows: number of dense convolutions of each window.
        pools: the pools; ``pools_normalised`` is whether anything reads their moments.
        norms: the normalisation layers; ``norm_maps`` is the number of the map of each.
        terms: all terms.
        of_first, of_second, of_reduced, of_dense, of_pools, of_identities: the candidates by kind.
    """

    def __init__(self, candidates: Candidates, state: int, stride: tuple[int, ...], taken: Taken) -> None:
        self.state, self.stride, self.ones = state, stride, (1,) * len(stride)
        self._describe(candidates)
        self._number(candidates, taken)

    def _describe(self, found: Candidates) -> None:
        """Describe the convolutions and the pools, and where their parameters are."""
        first: list[AnyUnit] = [conv.module[0] for conv in found.separable]
        first += [conv.module for conv in found.dilated]
        second: list[AnyUnit] = [conv.module[1] for conv in found.separable]
        self.inner = len(second)
        self.first, self.second = _shapes(first), _shapes(second)
        self.reductions = len(found.reductions)
        self.windows = [len(convolutions) for convolutions in found.dense.values()]
        self.pools = list(found.pools)
        self.pools_normalised = any(is_normalised(pool.module) for pool in found.pooled())

        layers = [*_layers(first), *_layers(second)]
        layers += [layer for r in found.reductions for layer in (r.module.straight, r.module.shifted)]
        layers += [conv.module.conv for conv in found.of_dense()]
        # The dictionaries of parameters: a hundred times faster than the modules' attributes, and parameters
        # may be exchanged there.
        self._owners = [layer._parameters for layer in layers]
        self.norms: list[Any] = [unit.norm for unit in (*first, *second)]
        self.norms += [each.module.norm for each in (*found.reductions, *found.of_dense())]
        self.norms += [pool.module.norm for pool in found.pooled() if is_normalised(pool.module)]

    def _number(self, found: Candidates, taken: Taken) -> None:
        """Number maps, slots and layers."""
        maps, slots, norms = taken
        self.inner_norms = slice(norms, norms + self.inner)
        self.inner_maps, self.first_map = slice(maps, maps + self.inner), maps
        self.norm_maps = list(range(maps, maps + self.inner))
        own_rows = tuple(range(self.inner))
        self.inner_layout = Layout((1,) * self.inner, own_rows, (), tuple(range(slots, slots + self.inner)))
        # The first units of separable convolutions have maps, layers and slopes, and are not terms.
        maps, slots, norms = maps + self.inner, slots + self.inner, norms + self.inner

        def span(candidates: Sequence[Candidate], count: int) -> Span:
            """Add terms with a number of maps: one each, one for all, or none but the state."""
            nonlocal maps, slots, norms
            first, slot, terms = maps, slots, []
            for i, (edge, target, column, module) in enumerate(candidates):
                normalised = count > 0 and is_normalised(module)
                own = first + min(i, count - 1) if count else ~self.state
                terms.append(Term(edge, target, column, own, slot + i, norms if normalised else -1))
                if normalised:
                    self.norm_maps.append(own)
                    norms += 1
            maps, slots = maps + count, slots + len(candidates)
            return Span(slice(first, maps), slice(slot, slots), tuple(terms))

        dilated = span(found.dilated, len(found.dilated))
        self.of_first = Span(slice(taken.maps, maps), slice(taken.slots, slots), dilated.terms)
        self.of_second = span(found.separable, self.inner)
        self.of_reduced = span(found.reductions, self.reductions)
        self.of_dense = [span(convolutions, len(convolutions)) for convolutions in found.dense.values()]
        self.of_pools = [span(candidates, 1) for candidates in found.pools.values()]
        self.of_identities = span(found.identities, 0)
        kinds = [self.of_first, self.of_second, self.of_reduced, *self.of_dense, *self.of_pools]
        self.terms = [term for kind in (*kinds, self.of_identities) for term in kind.terms]
        self.taken, self.maps = Taken(maps, slots, norms), maps - taken.maps

    @property
    def pooled(self) -> slice:
        """The numbers of the maps of all pools."""
        return slice(self.of_pools[0].maps.start, self.of_pools[-1].maps.stop)

    def parameters(self) -> list[Tensor]:
        """Return the weights of the convolutions, in the order of the gradients."""
        return [owner["weight"] for owner in self._owners]  # type: ignore[misc]

    def weights(self, parameters: Iterator[Tensor]) -> Weights:
        """Return the weights by the convolutions that use them."""
        first, second = _units(self.first, parameters), _units(self.second, parameters)
        reduced = [Pointwise((next(parameters), next(parameters))) for _ in range(self.reductions)]
        return Weights(first, second, reduced, [_take(parameters, count) for count in self.windows])


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
