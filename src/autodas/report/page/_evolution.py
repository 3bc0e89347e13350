"""How an architecture came to be: what every edge of every cell was after each event, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from autodas.report.drawing._cells import DrawnCell, DrawnEdge
from autodas.report.page._thinning import some_of
from autodas.runs.events import Architecture, Decision, Event
from autodas.runs.history import Moment, history_of, in_words
from autodas.runs.reading import Run
from autodas.user_code import short_name

_STATES = 1000  # of the weights: a slider has no more places


class Change(NamedTuple):
    """What an edge is from one frame on.

    Args:
        frame: the first frame.
        state: ``"undecided"``, ``"decided"`` or ``"removed"``.
        operation: the operation of a decided edge, the one that leads on an undecided one, if any.
    """

    frame: int
    state: str
    operation: str


class Frame(NamedTuple):
    """One picture of the evolution.

    Args:
        iteration: when.
        epoch: in which epoch; ``None`` where the log does not say.
        step: how many decisions have been taken.
        text: what happened.
        remaining: how many architectures remain valid; ``None`` where the log does not say.
    """

    iteration: int
    epoch: int | None
    step: int
    text: str
    remaining: int | None


@dataclass(frozen=True)
class Track:
    """One cell over all frames.

    Args:
        shape: the cell: its states, and its edges whatever becomes of them.
        operations: that may stand on an edge.
        choices: those of them that may win it.
        changes: of each edge, in the order of ``shape.edges``.
    """

    shape: DrawnCell
    operations: tuple[str, ...]
    choices: tuple[str, ...]
    changes: tuple[list[Change], ...]

    def at(self, frame: int) -> list[Change]:
        """Return what every edge is in a frame."""
        return [
            next(change for change in reversed(changes) if change.frame <= frame) for changes in self.changes
        ]


def finished_track(cell: DrawnCell) -> Track:
    """Return a cell that is decided, as an evolution of one frame."""
    changes = tuple(
        [Change(0, "undecided" if edge.operation is None else "decided", short_name(edge.operation or ""))]
        for edge in cell.edges
    )
    names = tuple(dict.fromkeys(short_name(edge.operation) for edge in cell.edges if edge.operation))
    return Track(cell, names, names, changes)


@dataclass
class Evolution:
    """The evolution of all cells.

    Args:
        frames: the pictures, the first before anything happened.
        tracks: one for each kind of cell.
    """

    frames: list[Frame] = field(default_factory=list)
    tracks: dict[str, Track] = field(default_factory=dict)


def evolution_of(run: Run) -> Evolution:
    """Return how the cells of a search came to be.

    A frame is a decision, or an event that says where the weights stand. Events that do not fit are left out.
    """
    moments = history_of(_told_events(run), problems=[])
    return Evolution([_frame(moment) for moment in moments], _tracks(moments))


def _told_events(run: Run) -> list[Event]:
    """Return the events in their order; of many states of the weights some."""
    states = [place for place, event in enumerate(run.events) if isinstance(event, Architecture)]
    left_out = set(states) - set(some_of(states, _STATES))
    return [event for place, event in enumerate(run.events) if place not in left_out]


def _frame(moment: Moment) -> Frame:
    if isinstance(moment.event, Decision):
        text = f"{moment.event.kind}: {in_words(moment.event)}."
    elif moment.event is None:
        text = "The search begins."
    else:
        text = f"Iteration {moment.iteration}: the weights as they stand."
    return Frame(moment.iteration, moment.epoch, moment.step, text, moment.remaining)


def _tracks(moments: Sequence[Moment]) -> dict[str, Track]:
    tracks = {}
    for kind, first in moments[0].cells.items():
        space, last = first.space, moments[-1].cells[kind]
        edges = tuple(DrawnEdge(*place, None) for place in first.edges)
        cell = DrawnCell(kind, space.inputs, space.nodes, edges, last.concat, first.graph)
        changes: tuple[list[Change], ...] = tuple([] for _ in edges)
        before = None
        for number, moment in enumerate(moments):
            now = moment.cells[kind]
            if now is before:
                continue
            before = now
            for edge, known in zip(now.edges.values(), changes, strict=True):
                now_shown = Change(number, edge.state, short_name(edge.operation))
                if not known or known[-1][1:] != now_shown[1:]:
                    known.append(now_shown)
        names, choices = (tuple(map(short_name, each)) for each in (space.operations, space.choices))
        tracks[kind] = Track(cell, names, choices, changes)
    return tracks
