"""Comparison of runs: results, and groups of repetitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

from autodas.errors import AutodasError
from autodas.reading import known
from autodas.runs._settings import differences, setting_of
from autodas.runs.events import Epoch
from autodas.runs.reading import Run
from autodas.spaces import get_space


@dataclass(frozen=True)
class Entry:
    """Search with the training of its genotype. Either may be missing, and so may any number.

    Args:
        method: search method, or the name of the architecture for a training alone.
        search, training: runs.
    """

    method: str
    search: Run | None
    training: Run | None

    @cached_property
    def setting(self) -> dict[str, str]:
        """Settings of both runs."""
        return setting_of(self.search, self.training)

    @property
    def data(self) -> str:
        """Name of the data set."""
        run = self.training or self.search
        return "" if run is None else run.start.data or ""

    @property
    def space(self) -> str | None:
        """Name of the search space."""
        return None if self.search is None else known(self.search.start.space, ["name"])

    @property
    def top1(self) -> float | None:
        """Accuracy of the trained network on the test samples, in percent."""
        return _number(self.training, "test", "top1")

    @property
    def map(self) -> float | None:
        """Mean average precision of a trained detector on the test images, in percent."""
        return _number(self.training, "test", "map")

    @property
    def count(self) -> int | None:
        """Number of test samples."""
        count = _number(self.training, "test", "count")
        return None if count is None else int(count)

    @property
    def parameters(self) -> float | None:
        """Parameters of the trained network, else of the derived network in the skeleton of the search."""
        return self._cost("parameters")

    @property
    def multiply_adds(self) -> float | None:
        """Multiply-adds of that network for one sample."""
        return self._cost("multiply_adds")

    def _cost(self, name: str) -> float | None:
        trained = _number(self.training, name)
        return _number(self.search, "network", name) if trained is None else trained

    @property
    def relaxed(self) -> float | None:
        """Accuracy of the relaxed network on the validation half, in percent."""
        return _number(self.search, "accuracies", "relaxed")

    @property
    def discrete(self) -> float | None:
        """Accuracy of the derived network on the validation half with the search's weights, in percent."""
        return _number(self.search, "accuracies", "discrete")

    @property
    def margin(self) -> float | None:
        """Mean priority of the decisions."""
        return _number(self.search, "margin")

    @property
    def seconds(self) -> float | None:
        """Time of the epochs of the search, in seconds."""
        return self._spent("seconds")

    @property
    def cpu_seconds(self) -> float | None:
        """CPU time of the epochs of the search over all threads, in seconds."""
        return self._spent("cpu_seconds")

    def _spent(self, name: str) -> float | None:
        if self.search is None:
            return None
        return float(sum(event.spent(name) or 0 for event in self.search.events_of(Epoch)))

    @property
    def skips(self) -> int | None:
        """Number of skip connections in the normal cells; ``None`` if the space is unknown."""
        if self.search is None or self.search.genotype is None or self.space is None:
            return None
        try:
            level = get_space(self.space).skeleton.level_kinds
        except AutodasError:
            return None
        return sum(
            edge.operation == "skip_connect"
            for kind, cell in self.search.genotype.cells.items()
            if kind in level
            for _, edge in cell.edges()
        )


def _number(run: Run | None, *keys: str) -> float | None:
    value = None if run is None else known(run.summary, keys)
    return value if isinstance(value, int | float) else None


def entries_of(runs: Sequence[Run]) -> list[Entry]:
    """Return runs in pairs of a search and the training of its genotype."""
    searches = {run.folder.resolve(): run for run in runs if run.command == "search"}
    entries, used = [], set()
    for run in runs:
        if run.command != "train":
            continue
        place = _place_of(run.settings.get("genotype"))
        if place not in searches and (run.folder.parent / "search").resolve() in searches:
            # The folders may have been moved: demos and comparisons keep both parts side by side.
            beside = (run.folder.parent / "search").resolve()
            place = beside if _same(run, searches[beside]) else place
        search = searches.get(place) if place is not None else None
        if search is not None:
            used.add(search.folder)
        method = method_of(search) if search is not None else run.start.genotype or run.name
        entries.append(Entry(method, search, run))
    entries += [Entry(method_of(run), run, None) for run in searches.values() if run.folder not in used]
    return entries


def _place_of(genotype: Any) -> Path | None:
    """Return the folder that a setting names; ``None`` if it is not a valid path."""
    try:
        return Path(genotype).resolve() if isinstance(genotype, str) and genotype else None
    except (OSError, ValueError):
        return None


def _same(training: Run, search: Run) -> bool:
    return training.genotype is not None and training.genotype == search.genotype


def method_of(search: Run) -> str:
    """Return the method of a search, including its variant if genotypes are named after it."""
    strategy = search.start.strategy or search.name
    settings = search.settings.get("strategy")
    if isinstance(settings, dict):
        if strategy == "sdas" and settings.get("schedule"):
            return f"sdas-{settings['schedule']}"
        if strategy == "das" and settings.get("order") == 2:
            return "das2"
    return strategy


class Repetitions(NamedTuple):
    """Entries of one method on one data set with equal settings.

    Attributes:
        method, data: method and data set of all entries.
        settings: values of the settings in which groups differ.
        entries: repetitions.
    """

    method: str
    data: str
    settings: tuple[str, ...]
    entries: list[Entry]


def repetitions(entries: Sequence[Entry]) -> tuple[list[str], list[Repetitions]]:
    """Return the settings in which entries differ, and the groups of repetitions."""
    differ = differences([(entry.method, entry.setting) for entry in entries])
    groups: dict[tuple[str, str, tuple[str, ...]], list[Entry]] = {}
    for entry in entries:
        own = tuple(entry.setting.get(key, "") for key in differ)
        groups.setdefault((entry.method, entry.data, own), []).append(entry)
    return differ, [Repetitions(*key, group) for key, group in groups.items()]


class Spread(NamedTuple):
    """Mean and deviation of a number over several runs.

    Attributes:
        mean: mean of the available numbers; ``None`` without any.
        deviation: sample standard deviation; ``None`` for fewer than two numbers.
    """

    mean: float | None
    deviation: float | None


def spread_of(values: Sequence[float]) -> Spread:
    """Compute the mean and the deviation of numbers."""
    return Spread(fmean(values) if values else None, stdev(values) if len(values) > 1 else None)
