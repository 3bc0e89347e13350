"""Look-up of the architecture that a search would derive, in a table of accuracies."""

from __future__ import annotations

from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.spaces import Space, cell_of
from autodas.strategies.base import Strategy
from autodas.tables import METRIC, Table


def look_up(table: Table, strategy: Strategy, space: Space) -> dict[str, float | None]:
    """Return columns of metrics: the accuracy of the architecture that would be derived now, in percent.

    They are ``None`` if there is none yet, or the table lacks it.

    Args:
        table: the table.
        strategy: strategy of a running search.
        space: space of its phase.
    """
    columns: dict[str, float | None] = {f"{METRIC}{data}": None for data in table.data}
    cells = {kind: cell_of(kept, space.cell) for kind, kept in strategy.derived().items()}
    if cells:
        try:
            found = table.look_up(Genotype(cells, strategy.name, space.cell.genotype_space))
        except AutodasError:
            return columns
        columns |= {f"{METRIC}{data}": accuracy for data, accuracy in found.items()}
    return columns
