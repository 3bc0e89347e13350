"""Events in the log of a run: one class for each kind of line in ``events.jsonl``.

Every event can be converted to a dict and back. The order of the fields is that of the keys in the file, from
which fields that are ``None`` are omitted. Additions of newer versions are kept: fields under
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
    """Return an optional field of a shape; ``None`` is written to the file only if it is nullable."""
    return field(default=default, metadata={"shape": shape, "nullable": nullable})


def _needed(shape: Shape) -> Any:
    """Return a required field of a shape."""
    return field(metadata={"shape": shape})


def _rest() -> Any:
    return field(default_factory=dict)


_COUNT = Is((int,), "a whole number")  # numbers of architectures, of any size
_NUMBER = Number()
_STATES = Items(Whole())
_PART = Fields(
    {},
    {
        "name": TEXT,
        "iterations": Whole(),
        "cell": TEXT,
        "kinds": Items(TEXT),
        "nodes": Whole(),
        "weights_only": Whole(),
        "warmup": Whole(),
        "settle": Whole(),
    },
)


@dataclass(frozen=True, kw_only=True)
class Event:
    """Line of a log.

    Attributes:
        line: line number, from 1; 0 if the event does not come from a file.
        more: fields unknown to this version.
    """

    NAME: ClassVar[str] = ""
    REST: ClassVar[str] = "more"
    """Name of the field for all keys without a field; they are written at its position."""

    line: int = field(default=0, compare=False, repr=False)
    more: Mapping[str, Any] = _rest()

    def to_dict(self) -> dict[str, Any]:
        """Return the event as plain data, as in the log."""
        data: dict[str, Any] = {"event": self.NAME}
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name == self.REST:
                data |= value
            elif "shape" in each.metadata and (value is not None or each.metadata.get("nullable")):
                data[each.name] = value
        return data

    @classmethod
    def from_dict(
        cls, data: Mapping[str, Any], line: int = 0, where: str = "event", problems: list[str] | None = None
    ) -> Self:
        """Return the event described by plain data.

        Args:
            data: data as returned by :meth:`to_dict`; the name of the event may be missing.
            line: line number in the log.
            where: name of the line in messages.
            problems: list to which a sentence is added for each invalid field, which is skipped; ``None``
                raises for the first one.

        Raises:
            AutodasError: if a required field is missing or invalid.
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
                    problems.append(f"{error}; it is skipped.")
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
    """Start of a run, the first line of its log.

    Attributes:
        command: ``"search"`` or ``"train"``.
        strategy: method of a search.
        data: name of the data set, ``classes`` its number of classes.
        task: what the network answers; without it, a class.
        genotype: name of the architecture of a training.
        pictures: number of samples of each part.
        notes: notes to the user, in sentences.
        input: input of the network: image size, channels, frames.
        space: space of a search: name, cell space, kinds of cells, operations, size.
        phases: phases of a search, each with its iterations and the searched part, and the number of its
            iterations that train the weights only, or are before and after all decisions.
        remaining: number of architectures of the space.
        auxiliary: whether a training has the auxiliary head.
        test_watched: whether a training evaluates on the test samples before its end.
        processes: number of processes that compute the run together; ``None`` for a single one.
        devices: machine and device of each of them.
    """

    NAME: ClassVar[str] = "start"

    command: str | None = _as(TEXT)
    strategy: str | None = _as(TEXT)
    data: str | None = _as(TEXT)
    task: str | None = _as(TEXT)
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
    processes: int | None = _as(Whole(1))
    devices: Sequence[str] | None = _as(Items(TEXT))

    def to_dict(self) -> dict[str, Any]:
        """Return the event as plain data, with the notes of a training at the end."""
        data = super().to_dict()
        if self.command == "train" and "notes" in data:
            data["notes"] = data.pop("notes")
        return data


@dataclass(frozen=True, kw_only=True)
class Decision(Event):
    """One-step discretisation, or decision on the number of nodes of a stage graph.

    Attributes:
        step: number of the decision, from 1.
        iteration, epoch: iteration and epoch of the decision.
        kind: kind of cell.
        what: ``"edge"``, ``"node"`` or ``"length"``.
        edge: predecessor and state of the decided edge, which gets ``operation``.
        state: decided node.
        kept, removed: predecessors of the node whose edges are kept and removed.
        nodes: number of remaining nodes.
        priority: lead of the choice.
        remaining: number of remaining architectures.
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
    """Loss of accuracy by decisions that only few iterations follow.

    Attributes:
        iteration: iteration of the decisions.
        steps: numbers of the decisions.
        pictures: number of samples of the accuracies.
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
    """Current weights of the architecture.

    Attributes:
        iteration: iteration of the weights.
        weights: kind of cell to its tables: ``alpha`` (a row per edge), ``beta`` (a number per edge) and
            ``lengths``; entries of decided edges are ``None``.
    """

    NAME: ClassVar[str] = "architecture"

    iteration: int = _as(Whole(), 0)
    weights: Mapping[str, Any] | None = _as(Values(MAPPING))


@dataclass(frozen=True, kw_only=True)
class Epoch(Event):
    """End of an epoch.

    Attributes:
        phase: phase of a search.
        epoch, iteration: epoch within the phase, and iteration within the whole run.
        metrics: losses and accuracies by name; ``None`` if not measured in this epoch.
        remaining: number of remaining architectures of a search.
        kinds: certainty and leading operations of each kind of cell of a search.
        volatile: values that vary between equal runs: times, speeds, memory.
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
        """Return a loss or an accuracy, ``None`` if it is missing."""
        return _number(self.metrics.get(name))

    def spent(self, name: str) -> float | None:
        """Return a volatile value (``seconds``, ``waiting_seconds``, ...), ``None`` if missing."""
        return _number(known(self.volatile, [name]))


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


@dataclass(frozen=True, kw_only=True)
class Warned(Event):
    """Warning to the user.

    Attributes:
        iteration: iteration of the warning.
        text: text of the warning.
    """

    NAME: ClassVar[str] = "warning"

    iteration: int = _as(Whole(), 0)
    text: str = _as(TEXT, "")


@dataclass(frozen=True, kw_only=True)
class Stopped(Event):
    """Early stop of a phase.

    Attributes:
        iteration: iteration of the stop.
        kind: kind of cell that would have had too many skip connections.
        skips: number of these skip connections.
    """

    NAME: ClassVar[str] = "stopped"

    iteration: int = _as(Whole(), 0)
    kind: str = _as(TEXT, "")
    skips: int = _as(Whole(), 0)


@dataclass(frozen=True, kw_only=True)
class Candidate(Event):
    """Network at the end of a phase, or one that another rule would have derived.

    Attributes:
        phase: name of the phase.
        file: file of its genotype, relative to the run folder.
        derived: whether it can be the result.
        facts: accuracies, and facts from the method.
    """

    NAME: ClassVar[str] = "candidate"
    REST: ClassVar[str] = "facts"

    phase: str | None = _as(TEXT)
    file: str | None = _as(TEXT)
    derived: bool | None = _as(TRUTH)
    facts: Mapping[str, Any] = _rest()


@dataclass(frozen=True, kw_only=True)
class End(Event):
    """End of a search.

    Attributes:
        genotype: file of the resulting candidate.
        margin: mean priority of the decisions on edges; ``None`` without decisions.
        accuracies: accuracies with the weights of the search.
    """

    NAME: ClassVar[str] = "end"
    REST: ClassVar[str] = "accuracies"

    genotype: str | None = _as(TEXT)
    margin: float | None = _as(_NUMBER, nullable=True)
    accuracies: Mapping[str, Any] = _rest()


@dataclass(frozen=True, kw_only=True)
class Other(Event):
    """Event unknown to this version, with all its fields in :attr:`more`."""

    def to_dict(self) -> dict[str, Any]:
        """Return the data as in the log."""
        return dict(self.more)

    @classmethod
    def from_dict(
        cls, data: Mapping[str, Any], line: int = 0, where: str = "event", problems: list[str] | None = None
    ) -> Self:
        """Return an event that keeps the data unchanged."""
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
"""Events known to this version, by name."""


def read_event(
    data: Mapping[str, Any], line: int = 0, where: str = "event", problems: list[str] | None = None
) -> Event:
    """Return the event described by plain data; arguments and errors as for :meth:`Event.from_dict`."""
    name = data.get("event")
    kind = EVENTS.get(name, Other) if isinstance(name, str) else Other
    return kind.from_dict(data, line, where, problems)
