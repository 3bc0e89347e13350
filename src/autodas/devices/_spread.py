"""Random architectures that are spread over what a space allows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import sqrt
from random import Random
from statistics import NormalDist
from typing import TypeVar

from autodas.errors import AutodasError
from autodas.genotype import CellGenotype, Genotype
from autodas.spaces import CellSpace, Space, cell_of
from autodas.strategies._resources import operation_cost

TILT = 0.5
"""Correlation of the ranks of two edges of a cell.

Our choice: in ``cifar-o2d`` costs are then spread twice as far as those of uniform draws, and half of the
variation of an edge is still its own, so that a fit can tell edges apart."""
_MOST_DRAWS = 2000
_MAP = 16

T = TypeVar("T")


def spread_architectures(space: Space, count: int, seed: int) -> list[Genotype]:
    r"""Draw distinct architectures, cheap and expensive ones alike, with every choice about equally often.

    The cost of a cell of many edges is a sum, so that of uniform draws is nearly always close to the mean,
    and a table fitted to them has to extrapolate to what a search with a limit looks for. Here each cell has
    a tilt z, and tilts are spread evenly over the quantiles of a normal distribution. On an edge e, cells are
    ranked by

    .. math:: \sqrt{\rho} z + \sqrt{1 - \rho} \varepsilon_e, \quad \varepsilon_e \sim N(0, 1), \rho = 0.5

    and the ranking is cut into as many equal parts as there are operations: the first part has the operation
    with fewest multiply-adds on that edge, the last the one with most. Each operation is so on each edge
    equally often (a Gaussian copula; a Latin hypercube in its margins), and edges of a cell are
    correlated. Which edges a node keeps is balanced in the same way. Kinds of cells have tilts of their own,
    so that their costs can be told apart.

    Args:
        space: the search space.
        count: number of architectures.
        seed: seed of the draw.

    Raises:
        AutodasError: if the space has fewer architectures, or so few that too many draws repeat.
    """
    if not 1 <= count <= space.architectures:
        raise AutodasError(
            f"networks={count:,} must lie between 1 and the number of architectures of space '{space.name}', "
            f"{space.architectures:,}"
        )
    generator = Random(seed)
    cells = {kind: _cells(space, kind, count, generator) for kind in space.kinds}
    drawn: dict[Genotype, None] = {}
    for number in range(count):
        drawn[_genotype(space, {kind: each[number] for kind, each in cells.items()})] = None
    for _ in range(_MOST_DRAWS * count):  # in place of repeated ones, which only small spaces have
        if len(drawn) == count:
            return list(drawn)
        drawn[space.random_genotype(generator)] = None
    raise AutodasError(f"only {len(drawn):,} distinct architectures were found: ask for fewer `networks`")


def _genotype(space: Space, cells: dict[str, CellGenotype]) -> Genotype:
    return Genotype(cells, space=space.cell.genotype_space)


def _cells(space: Space, kind: str, count: int, generator: Random) -> list[CellGenotype]:
    """Return cells of a kind with evenly spread tilts, in a random order."""
    cell = space.cell
    stride = next(slot.stride for slot in space.skeleton.slots() if slot.kind == kind)
    normal = NormalDist()
    tilts = [normal.inv_cdf((number + 0.5) / count) for number in range(count)]
    generator.shuffle(tilts)
    kept: list[set[int]] = [set() for _ in tilts]
    for state in cell.states:
        incoming = cell.incoming(state)
        number = cell.kept_edges(state) if isinstance(cell.kept, int) else len(incoming)
        subsets = _evenly(list(combinations(incoming, number)), count, generator)
        for own, subset in zip(kept, subsets, strict=True):
            own.update(subset)
    columns: list[dict[int, int]] = [{} for _ in tilts]
    for edge, (predecessor, _) in enumerate(cell.edges):
        members = [number for number, own in enumerate(kept) if edge in own]
        scores = {n: sqrt(TILT) * tilts[n] + sqrt(1 - TILT) * generator.gauss(0, 1) for n in members}
        ascending = _by_cost(cell, stride if predecessor < cell.inputs else (1,) * len(stride))
        shares = sorted(_evenly(range(len(ascending)), len(members), generator))
        for rank, number in zip(shares, sorted(members, key=scores.__getitem__), strict=True):
            if cell.kept != "any" or ascending[rank] != "none":
                columns[number][edge] = cell.operations.index(ascending[rank])
    return [cell_of(dict(sorted(own.items())), cell) for own in columns]


def _by_cost(cell: CellSpace, stride: tuple[int, ...]) -> list[str]:
    """Return the choices of an edge, those with fewest multiply-adds first, no operation before all."""
    choices = list(cell.choices)
    if cell.kept == "any" and "none" not in choices:
        choices.append("none")

    def cost(name: str) -> int:
        return -1 if name == "none" else operation_cost(name, 8, stride, (_MAP,) * len(stride)).multiply_adds

    return sorted(choices, key=cost)


def _evenly(items: Sequence[T], count: int, generator: Random) -> list[T]:
    """Return so many items in a random order, each as often as the others, or once more."""
    whole, rest = divmod(count, len(items))
    chosen = [*items] * whole + generator.sample(list(items), rest)
    generator.shuffle(chosen)
    return chosen
