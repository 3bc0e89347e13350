"""Options of a budget, and the budget that they mean."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from itertools import pairwise
from random import Random
from statistics import median
from typing import TYPE_CHECKING

from autodas.errors import AutodasError
from autodas.strategies.settings import FINALISTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autodas.costs import CostTable, NetworkSetting
    from autodas.data import ImageDataset
    from autodas.genotype import Genotype
    from autodas.loop import Group
    from autodas.spaces import Space
    from autodas.strategies._budget import Budget

SECONDS = 4.0
"""Longest time to measure one network."""

REFERENCES = 3
"""Number of networks that show how fast the machine is."""

DRIFT = 0.1
"""Relative change of its speed that is reported."""

_LIMITS = ("parameters", "multiply_adds", "table")


@dataclass(frozen=True)
class BudgetConfig:
    """Budget of the network that is trained later: the search returns the best architecture within it.

    Args:
        parameters: largest number of parameters, such as 3300000.
        multiply_adds: largest number of multiply-adds for one image.
        table: table of costs on a device, from 'autodas device fit'; several are separated by commas.
        limit: largest cost that the table predicts, in its unit; one for each table.
        limits: several limits, such as 5,10,20, in place of limit: methods that derive their architecture at
            the end of the search give one for each.
        finalists: largest number of networks that are measured for a limit, if the table was measured on this
            machine; the best that keeps it is the result. 0 to rely on the table alone.
        skeleton: skeleton of that network; by default the one of the table, or of the search.
        K: its normal cells in each stage; by default likewise.
        C1: channels of its stem's first convolution.
        C2: channels of its first cell's output.
        image_size: height and width of its images; by default those of the data.
        classes: number of its classes; by default those of the data.
    """

    parameters: int | None = None
    multiply_adds: int | None = None
    table: tuple[str, ...] = ()
    limit: tuple[float, ...] = ()
    limits: tuple[float, ...] = ()
    finalists: int = FINALISTS
    skeleton: str | None = None
    K: int | None = None
    C1: int | None = None
    C2: int | None = None
    image_size: int | None = None
    classes: int | None = None

    def __post_init__(self) -> None:
        given = {item.name for item in fields(self) if getattr(self, item.name) != item.default}
        for name in given:
            value = getattr(self, name)
            if name not in ("K", "finalists") and isinstance(value, int) and value < 1:
                raise AutodasError(f"budget.{name}={value} must be at least 1")
        if self.finalists < 0:
            raise AutodasError(f"budget.finalists={self.finalists} must be at least 0")
        if given and not given & {*_LIMITS, "limit", "limits"}:
            raise AutodasError(
                f"budget.{min(given)} describes a network, but the budget has no limit: set "
                "budget.parameters, budget.multiply_adds or budget.table"
            )
        self._check_limits()

    def _check_limits(self) -> None:
        if self.limit and self.limits:
            raise AutodasError("`budget.limit` and `budget.limits` exclude each other")
        if not self.table and (self.limit or self.limits):
            name = "limit" if self.limit else "limits"
            raise AutodasError(f"`budget.{name}` is for a table of costs: name it with `budget.table`")
        if self.limits and len(self.table) > 1:
            raise AutodasError(
                f"`budget.limits` are for a single table, there are {len(self.table)}: use `budget.limit`"
            )
        if not self.limits and len(self.limit) != len(self.table):
            raise AutodasError(
                f"{len(self.table)} tables, but {len(self.limit)} limits: set `budget.limit` to one "
                "for each table, separated by commas"
            )
        for limit in (*self.limit, *self.limits):
            if not 0 < limit < float("inf"):
                raise AutodasError(f"a limit must be above 0 and finite, found {limit:g}")
        if len(self.limits) == 1 or any(a == b for a, b in pairwise(sorted(self.limits))):
            raise AutodasError(
                "`budget.limits` must be several different numbers; for a single one use `budget.limit`"
            )


def with_network_of_table(config: BudgetConfig) -> BudgetConfig:
    """Return the options with skeleton and size of the network that the first table was made for.

    Options that are given are kept: the table is refused later if it is for another network.
    """
    from autodas.costs import read_table

    if not config.table or (setting := read_table(config.table[0]).setting) is None:
        return config
    size = {name: getattr(setting.skeleton, name) for name in ("K", "C1", "C2")}
    of_table = {"skeleton": setting.skeleton.name, **size}
    return replace(config, **{name: v for name, v in of_table.items() if getattr(config, name) is None})


def budget_of(config: BudgetConfig, space: Space, dataset: ImageDataset, group: Group) -> Budget | None:
    """Return the budget of a search.

    Args:
        config: its options.
        space: the search space.
        dataset: data set of the search.
        group: processes of the run; networks are measured by the first.

    Raises:
        AutodasError: if no architecture meets it, or a table is not for this network.
    """
    from autodas.costs import NetworkSetting, read_table
    from autodas.spaces import get_skeleton
    from autodas.strategies._network_budget import Limits, network_budget

    skeleton = space.skeleton if config.skeleton is None else get_skeleton(config.skeleton)
    skeleton = skeleton.with_size(config.K, config.C1, config.C2).for_clips(dataset.frames)
    tables = tuple(map(read_table, config.table))
    setting = NetworkSetting(
        skeleton,
        dataset.channels,
        config.image_size or dataset.image_size,
        config.classes or len(dataset.classes),
    )

    def within(limits: Sequence[float]) -> Budget | None:
        limited = Limits(config.parameters, config.multiply_adds, tuple(zip(tables, limits, strict=True)))
        return network_budget(space, setting, limited)

    if not config.limits:
        budget = within(config.limit)
    else:
        loosest, *tighter = sorted(config.limits, reverse=True)
        within([tighter[-1]])  # the one that may be impossible
        budget = within([loosest])
        assert budget is not None
        budget = replace(budget, tighter=tuple(tighter))
    if budget is None or not tables or not config.finalists:
        return budget
    measure, error = _measure(tables[-1], space, setting, group), tables[-1].fit.get("median_error", 0.0)
    return replace(budget, measure=measure, finalists=config.finalists, slack=error)


def _measure(
    table: CostTable, space: Space, setting: NetworkSetting, group: Group
) -> Callable[[Genotype], float] | None:
    """Return a function that measures networks as those of the table; ``None`` if they were elsewhere.

    The machine may be faster or slower now than it was then, because of heat or other programs. Random
    networks, whose costs the table knows, take turns with the one to be measured, and show by how much.
    """
    from autodas.cli._setup import say_notes
    from autodas.devices import MeasureSettings, is_this_device, measure_architectures

    if table.metric != "latency_ms" or not is_this_device(table.device):
        return None
    settings = MeasureSettings.from_dict(table.device, f"{table.name}: device")
    generator = Random(0)
    known = [space.random_genotype(generator) for _ in range(REFERENCES)]
    said = [1.0]

    def measured(genotype: Genotype) -> float:
        own, *others = measure_architectures([genotype, *known], setting, settings, seconds=SECONDS)
        ratios = [
            found.milliseconds / table.predict(other) for found, other in zip(others, known, strict=True)
        ]
        if abs((slower := median(ratios)) - said[-1]) > DRIFT:
            said.append(slower)
            say_notes(
                [
                    f"this machine needs {slower:.2f} times what it needed when {table.name} was made (heat, "
                    "other programs); what is measured is divided by that"
                ]
            )
        return own.milliseconds / slower

    return lambda genotype: group.from_first(lambda: measured(genotype))
