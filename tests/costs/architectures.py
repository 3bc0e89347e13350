"""Random architectures with known costs."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import numpy as np

from autodas.costs import Measurements, chosen_columns
from autodas.genotype import CellGenotype, Genotype
from autodas.spaces import CellSpace, get_space, random_cell

Costs = dict[str, np.ndarray]
Columns = Callable[[CellGenotype, CellSpace], dict[int, int]]


def draw(space: str, count: int, seed: int = 0) -> list[Genotype]:
    """Return random architectures of a space."""
    whole, generator = get_space(space), Random(seed)
    return [
        Genotype({kind: random_cell(whole.cell, generator) for kind in whole.kinds}, space=whole.cell.name)
        for _ in range(count)
    ]


def invent_costs(space: str, spread: float, seed: int = 0) -> Costs:
    """Return costs for each kind, edges x operations: those of an operation have a relative spread."""
    whole, generator = get_space(space), np.random.default_rng(seed)
    cell = whole.cell
    shape = len(cell.edges), len(cell.operations)
    costs = {}
    for number, kind in enumerate(whole.kinds):
        common = generator.uniform(0.1, 1.5, len(cell.operations)) * (3 if number == 0 else 1)
        costs[kind] = common * generator.normal(1, spread, shape)
        if "none" in cell.operations:
            costs[kind][:, cell.operations.index("none")] = 0
    return costs


def cost_of(genotype: Genotype, space: str, costs: Costs, columns: Columns = chosen_columns) -> float:
    """Return the cost of an architecture, with a constant of 10."""
    cell = get_space(space).cell
    return 10 + sum(
        float(costs[kind][edge, column])
        for kind, part in genotype.cells.items()
        for edge, column in columns(part, cell).items()
    )


def measured(
    space: str,
    genotypes: list[Genotype],
    costs: Costs,
    noise: float = 0.0,
    columns: Columns = chosen_columns,
) -> Measurements:
    """Return measurements with relative noise."""
    generator = np.random.default_rng(7)
    truth = [cost_of(genotype, space, costs, columns) for genotype in genotypes]
    pairs = tuple((g, c * float(generator.normal(1, noise))) for g, c in zip(genotypes, truth, strict=True))
    return Measurements("m.csv", "latency_ms", get_space(space), pairs)
