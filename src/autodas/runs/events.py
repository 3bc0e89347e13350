"""What happens in a run, as its log tells it: one class for each line of ``events.jsonl``.

Every event goes to a dict and comes back from one. The order of the fields is that of the keys in the file;
fields that are ``None`` are left out of it. What a newer version adds is kept: fields under
:attr:`Event.more`, events as :class:`Other`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from functools import cache
from typing import Any, ClassVar, Self

from autodas.errors import AutodasError
from autodas.reading import MAPPING, TEXT, TRUTH, Fields, Is, Items, Number, Row, Shape, Values, Whole, known


def _as(shape: Shape, default: Any = None, nullable: bool = False) -> Any:
    """Return a field of a shape that a file may lack; where it is nullable, ``None`` is written."""
    return field(default=default, metadata={"shape": shape, "nullable": nullable})


def _needed(shape: Shape) -> Any:
    """Return a field without which the event says nothing."""
    return field(metadata={"shape": shape})


def _rest() -> Any:
    return field(default_factory=dict)


_COUNT = Is((int,), "a whole number")  # of architectures: there may be more than any other number is large
_NUMBER = Number()
_STATES = Items(Whole())
_PART = Fields(
    {}, {"name": TEXT, "iterations": Whole(), "cell": TEXT, "kinds": Items(TEXT), "nodes": Whole()}
)


@dataclass(frozen=True, kw_only=True)
class Event:
    """A line of a log.

    Attributes:
        line: which one, from 1; 0 where it does not come from a file.
        more: fields that this version does not know.
    """

    NAME: ClassVar[str] = ""
    REST: ClassVar[str] = "more"
    """The field that takes what no other field is named after; it is written where it stands."""

    line: int = field(default=0, compare=False, repr=False)
    more: Mapping[str, Any] = _rest()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, as the log has it."""
        found: dict[str, Any] = {"event": self.NAME}
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name == self.REST:
                found |= value
            elif "shape" in each.metadata and (value is not None or each.metadata.get("nullable")):
                found[each.name] = value
        return found

    @classmethod
    def from_dict(
        cls, data: Mapping[str, Any], line: int = 0, where: str = "event", problems: list[str] | None = None
    ) -> Self:
        """Return the event that plain data describe.

        Args:
            data: as :meth:`to_dict` returns them; the name of the event may be left out.
            line: which line of a log they are.
            where: what messages call them.
            problems: a sentence is added for each field that is left out because it is not as expected;
                ``None`` raises for the first one.

        Raises:
            AutodasError: if a field is missing without which the event says nothing.
        """
        known_fields = _known_fields(cls)  # type: ignore[arg-type]  # no Hashable to mypy
        values: dict[str, Any] = {}
        for name, each in known_fields.items():
            if name in data and (data[name] is not None or not _optional(each)):
                try:
                    each.metadata["shape"].check(data[name], f"{where}: {name}")
                except AutodasError as error:
                    if problems is None or not _optional(each):
                        raise
                    problems.append(f"{error}; it is left out.")
                else:
                    values[name] = data[name]
            elif not _optional(each):
                raise AutodasError(f"{where}: '{name}' is missing")
        rest = {key: value for key, value in data.items() if key not in known_fields and key != "event"}
        return cls(line=line, **values, **{cls.REST: rest})


@cache
def _known_fields(kind: type[Event]) -> dict[str, Field[Any]]:
    return {each.name: each for each in fields(kind) if "shape" in each.metadata}


def _optional(each: Field[Any]) -> bool:
    return each.default is not MISSING


@dataclass(frozen=True, kw_only=True)
class Start(Event):
    """The first line: what is searched or trained.

    Attributes:
        command: ``"search"`` or ``"train"``.
        strategy: of a search, its method.
        data: name of the data set, ``classes`` how many it has.
        genotype: of a training, the name of its architecture.
        pictures: samples of each part.
        notes: what the user should know, in sentences.
        input: what the network sees: image size, channels, frames.
        space: of a search: name, cell space, kinds of cells, operations, size.
        phases: of a search, each with its iterations and what it searches.
        remaining: architectures of the space.
        auxiliary: of a training, whether it has the auxiliary head.
        test_watched: of a training, whether its test samples were looked at before the end.
    """

    NAME: ClassVar[str] = "start"

    command: str | None = _as(TEXT)
    strategy: str | None = _as(TEXT)
    data: str | None = _as(TEXT)
    genotype: str | None = _as(TEXT)
    classes: int | None = _as(Whole())
    pictures: Mapping[str, Any] | None = _as(MAPPING)
    notes: Sequence[str] | None = _as(Items(TEXT))
    input: Mapping[str, Any] | None = _as(MAPPING)
    space: Mapping[str, Any] | None = _as(_PART)
    phases: Sequence[Mapping[str, Any]] | None = _as(Items(_PART))
    remaining: int | None = _as(_COUNT)
    auxiliary: bool | None = _as(TRUTH)
    test_watched: bool | None = _as(TRUTH)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data; notes are the last of what a training says."""
        found = super().to_dict()
        if self.command == "train" and "notes" in found:
            found["notes"] = found.pop("notes")
        return found


@dataclass(frozen=True, kw_only=True)
class Decision(Event):
    """One one-step discretisation, or the number of nodes of a stage graph.

    Attributes:
        step: its number, from 1.
        iteration, epoch: when.
        kind: kind of cell.
        what: ``"edge"``, ``"node"`` or ``"length"``.
        edge: predecessor and state of the edge that has its ``operation`` now.
        state: the node that is decided.
        kept, removed: the states whose edges to it remain, and are lost.
        nodes: how many nodes remain.
        priority: by how much the choice won.
        remaining: architectures that are still possible.
    """

    NAME: ClassVar[str] = "decision"

    step: int = _as(Whole(), 0)
    iteration: int = _as(Whole(), 0)
    epoch: int | None = _as(Whole())
    kind: str = _needed(TEXT)
    what: str = _needed(TEXT)
    edge: Sequence[int] | None = _as(Row((Whole(), Whole())))
    operation: str | None = _as(TEXT)
    state: int | None = _as(Whole())
    kept: Sequence[int] | None = _as(_STATES)
    removed: Sequence[int] | None = _as(_STATES)
    nodes: int | None = _as(Whole(1))
    priority: float | None = _as(_NUMBER)
    remaining: int | None = _as(_COUNT)


@dataclass(frozen=True, kw_only=True)
class LateDecisions(Event):
    """What decisions cost that few iterations follow.

    Attributes:
        iteration: when.
        steps: numbers of the decisions.
        pictures: how many the accuracies are of.
        before, after: accuracy of the relaxed network, in percent.
    """

    NAME: ClassVar[str] = "late_decisions"

    iteration: int = _as(Whole(), 0)
    steps: Sequence[int] = _as(Items(Whole()), ())
    pictures: int | None = _as(Whole())
    before: float | None = _as(_NUMBER)
    after: float | None = _as(_NUMBER)


@dataclass(frozen=True, kw_only=True)
class Architecture(Event):
    """Where the weights of the architecture stand.

    Attributes:
        iteration: when.
        weights: kind of cell to its tables: ``alpha`` (a row an edge), ``beta`` (a number an edge) and
            ``lengths``; ``None`` stands for what is decided.
    """

    NAME: ClassVar[str] = "architecture"

    iteration: int = _as(Whole(), 0)
    weights: Mapping[str, Any] | None = _as(Values(MAPPING))


@dataclass(frozen=True, kw_only=True)
class Epoch(Event):
    """The end of an epoch.

    Attributes:
        phase: of a search.
        epoch, iteration: when; iterations are counted over the whole run, epochs within a phase.
        metrics: losses and accuracies by name; ``None`` where there is none this time.
        remaining: of a search, architectures that are still possible.
        kinds: of a search, how sure each kind of cell is.
        volatile: what varies from run to run: times, speeds, memory.
    """

    NAME: ClassVar[str] = "epoch"
    REST: ClassVar[str] = "metrics"

    phase: str | None = _as(TEXT)
    epoch: int = _as(Whole(), 0)
    iteration: int = _as(Whole(), 0)
    metrics: Mapping[str, Any] = _rest()
    remaining: int | None = _as(_COUNT)
    kinds: Mapping[str, Any] | None = _as(Values(MAPPING))
    volatile: Mapping[str, Any] | None = _as(MAPPING)

    def metric(self, name: str) -> float | None:
        """Return a loss or an accuracy; ``None`` where there is none."""
        return _number(self.metrics.get(name))

    def spent(self, name: str) -> float | None:
        """Return what varies from run to run (``seconds``, ``cpu_seconds``, ``memory_bytes``), likewise."""
        return _number(known(self.volatile, [name]))


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


@dataclass(frozen=True, kw_only=True)
class Warned(Event):
    """Something that people were warned of.

    Attributes:
        iteration: when.
        text: in words.
    """

    NAME: ClassVar[str] = "warning"

    iteration: int = _as(Whole(), 0)
    text: str = _as(TEXT, "")


@dataclass(frozen=True, kw_only=True)
class Stopped(Event):
    """A phase that ended before its time.

    Attributes:
        iteration: when.
        kind: kind of cell that would have had so many ``skips``.
    """

    NAME: ClassVar[str] = "stopped"

    iteration: int = _as(Whole(), 0)
    kind: str = _as(TEXT, "")
    skips: int = _as(Whole(), 0)


@dataclass(frozen=True, kw_only=True)
class Candidate(Event):
    """A network that a phase ended in, or one that another rule would have derived.

    Attributes:
        phase: its name.
        file: where its genotype is, below the run folder.
        derived: whether it may be the result.
        facts: its accuracies, and what the method says of it.
    """

    NAME: ClassVar[str] = "candidate"
    REST: ClassVar[str] = "facts"

    phase: str | None = _as(TEXT)
    file: str | None = _as(TEXT)
    derived: bool | None = _as(TRUTH)
    facts: Mapping[str, Any] = _rest()


@dataclass(frozen=True, kw_only=True)
class End(Event):
    """The end of a search.

    Attributes:
        genotype: file of the candidate that is the result.
        margin: mean priority of the decisions on edges; ``None`` where nothing was decided.
        accuracies: with the weights of the search.
    """

    NAME: ClassVar[str] = "end"
    REST: ClassVar[str] = "accuracies"

    genotype: str | None = _as(TEXT)
    margin: float | None = _as(_NUMBER, nullable=True)
    accuracies: Mapping[str, Any] = _rest()


@dataclass(frozen=True, kw_only=True)
class Other(Event):
    """An event that this version does not know; everything that it says stands under :attr:`more`."""

    def to_dict(self) -> dict[str, Any]:
        """Return what the log has."""
        return dict(self.more)

    @classmethod
    def from_dict(
        cls, data: Mapping[str, Any], line: int = 0, where: str = "event", problems: list[str] | None = None
    ) -> Self:
        """Keep plain data as they are."""
        return cls(line=line, more=dict(data))


EVENTS: dict[str, type[Event]] = {
    kind.NAME: kind
    for kind in (
        Start,
        Decision,
        LateDecisions,
        Architecture,
        Epoch,
        Warned,
        Stopped,
        Candidate,
        End,
    )
}
"""The events that this version knows, by name."""


def read_event(
    data: Mapping[str, Any], line: int = 0, where: str = "event", problems: list[str] | None = None
) -> Event:
    """Return the event that plain data describe; arguments and errors as for :meth:`Event.from_dict`."""
    name = data.get("event")
    kind = EVENTS.get(name, Other) if isinstance(name, str) else Other
    return kind.from_dict(data, line, where, problems)
