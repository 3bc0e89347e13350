"""Evolution of an architecture: the state of every edge of every cell after each event, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from autodas.report.drawing._cells import DrawnCell, DrawnEdge
from autodas.report.page._thinning import some_of
from autodas.runs.events import Architecture, Decision, Event
from autodas.runs.history import Moment, history_of, in_words
from autodas.runs.phases import SearchPhase, phase_name, phases_of
from autodas.runs.reading import Run
from autodas.user_code import short_name

_STATES = 1000  # most frames with weights, limited by the resolution of a slider


class Change(NamedTuple):
    """State of an edge from one frame on.

    Args:
        frame: first frame of the state.
        state: ``"undecided"``, ``"decided"`` or ``"removed"``.
        operation: operation of a decided edge, leading operation of an undecided one, if any.
    """

    frame: int
    state: str
    operation: str


class Frame(NamedTuple):
    """Frame of the evolution.

    Args:
        iteration: iteration of the event.
        epoch: epoch of the event; ``None`` if missing in the log.
        step: number of decisions so far.
        text: description of the event.
        remaining: number of remaining valid architectures; ``None`` if missing in the log.
        phase: name of the phase of a search that has several.
        decision: line in the log of the decision that led to it; ``None`` without one.
    """

    iteration: int
    epoch: int | None
    step: int
    text: str
    remaining: int | None
    phase: str
    decision: int | None


@dataclass(frozen=True)
class Track:
    """Cell over all frames.

    Args:
        shape: cell with all its states and edges, including edges that are removed later.
        operations: candidate operations of an edge.
        choices: candidates that can be selected.
        changes: changes of each edge, in the order of ``shape.edges``.
    """

    shape: DrawnCell
    operations: tuple[str, ...]
    choices: tuple[str, ...]
    changes: tuple[list[Change], ...]

    def at(self, frame: int) -> list[Change]:
        """Return the state of every edge in a frame."""
        return [
            next(change for change in reversed(changes) if change.frame <= frame) for changes in self.changes
        ]


def finished_track(cell: DrawnCell) -> Track:
    """Return a decided cell as an evolution of one frame."""
    changes = tuple(
        [Change(0, "undecided" if edge.operation is None else "decided", short_name(edge.operation or ""))]
        for edge in cell.edges
    )
    names = tuple(dict.fromkeys(short_name(edge.operation) for edge in cell.edges if edge.operation))
    return Track(cell, names, names, changes)


@dataclass
class Evolution:
    """Evolution of all cells.

    Args:
        frames: frames in order, the first before any event.
        tracks: kind of cell to its track.
    """

    frames: list[Frame] = field(default_factory=list)
    tracks: dict[str, Track] = field(default_factory=dict)


def evolution_of(run: Run) -> Evolution:
    """Return the evolution of the cells of a search.

    There is a frame for each decision and for each event with weights. Inconsistent events are skipped.
    """
    moments, phases = history_of(_told_events(run), problems=[]), phases_of(run.start)
    return Evolution([_frame(moment, phases) for moment in moments], _tracks(moments))


def _told_events(run: Run) -> list[Event]:
    """Return the events in order, with a subset of the events with weights if there are many."""
    states = [place for place, event in enumerate(run.events) if isinstance(event, Architecture)]
    left_out = set(states) - set(some_of(states, _STATES))
    return [event for place, event in enumerate(run.events) if place not in left_out]


def _frame(moment: Moment, phases: list[SearchPhase]) -> Frame:
    decision = None
    if isinstance(moment.event, Decision):
        text, decision = f"{moment.event.kind}: {in_words(moment.event)}.", moment.event.line
    elif moment.event is None:
        text = "the search begins."
    else:
        text = "current weights."
    phase = phase_name(phases, moment.iteration)
    return Frame(moment.iteration, moment.epoch, moment.step, text, moment.remaining, phase, decision)


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
