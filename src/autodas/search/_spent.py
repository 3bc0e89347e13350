"""What the network of a result uses of each resource of a budget."""

from __future__ import annotations

from typing import Any, NamedTuple

from autodas.genotype import Genotype
from autodas.strategies._budget import COUNTED, Budget, Resource


class Spent(NamedTuple):
    """What a network uses of a resource.

    Attributes:
        resource: the resource, with its limit.
        amount: what is counted, or predicted by a table.
        measured: what was measured; ``None`` if nothing was.
    """

    resource: Resource
    amount: float
    measured: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        name, limit = self.resource.name, self.resource.limit
        return {"resource": name, "limit": limit, "amount": self.amount, "measured": self.measured}

    def told(self) -> str:
        """Return a line of text."""
        words, counted = self.resource.words, self.resource.name in COUNTED
        found = words(self.amount) + ("" if counted else " predicted")
        if self.measured is not None:
            found += f", {words(self.measured)} measured"
        over = (self.amount if self.measured is None else self.measured) / self.resource.limit - 1
        exceeded = f": {100 * over:.1f} % MORE than allowed" if over > 0 else ""
        return f"budget of {words(self.resource.limit)}: {found}{exceeded}"


def spent_by(genotype: Genotype, budget: Budget, measured: float | None) -> tuple[Spent, ...]:
    """Return what the network of an architecture uses of each resource.

    Args:
        genotype: the architecture.
        budget: the budget.
        measured: what was measured of its last resource; ``None`` if nothing was.
    """
    amounts = budget.amounts(genotype)
    last = budget.resources[-1]
    return tuple(
        Spent(each, amounts[each.name], measured if each is last else None) for each in budget.resources
    )
