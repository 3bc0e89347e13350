"""How an architecture came to be: what every edge of every cell was after each event, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from autodas.report.drawing._cells import DrawnCell, DrawnEdge
from autodas.report.page._run import Run
from autodas.report.page._thinning import some_of
from autodas.spaces import CELL_SPACES, CellSpace, stage_graphs

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

    def place(self, predecessor: int, state: int) -> int:
        """Return the number of an edge.

        Raises:
            ValueError: if there is no such edge.
        """
        return [(edge.predecessor, edge.state) for edge in self.shape.edges].index((predecessor, state))

    def at(self, frame: int) -> list[Change]:
        """Return what every edge is in a frame."""
        return [
            next(change for change in reversed(changes) if change.frame <= frame) for changes in self.changes
        ]


def finished_track(cell: DrawnCell) -> Track:
    """Return a cell that is decided, as an evolution of one frame."""
    changes = tuple(
        [Change(0, "undecided" if edge.operation is None else "decided", edge.operation or "")]
        for edge in cell.edges
    )
    names = tuple(dict.fromkeys(edge.operation for edge in cell.edges if edge.operation))
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
    found = Evolution()
    sizes = _sizes(run)
    for kind, size in sizes.items():
        space, graph = _space_of(run, kind, size)
        if space is not None:
            edges = tuple(DrawnEdge(predecessor, state, None) for predecessor, state in space.edges)
            cell = DrawnCell(kind, space.inputs, space.nodes, edges, space.concat, graph)
            open_edges: tuple[list[Change], ...] = tuple([Change(0, "undecided", "")] for _ in edges)
            found.tracks[kind] = Track(cell, space.operations, space.choices, open_edges)
    found.frames.append(Frame(0, None, 0, "The search begins.", _whole(run.start.get("remaining"))))
    for event in _told_events(run):
        try:
            if event.get("event") == "decision":
                _decide(found, event)
            elif event.get("event") == "architecture":
                _weigh(found, event)
        except (KeyError, TypeError, ValueError, IndexError):
            continue
    return found


def _told_events(run: Run) -> list[dict[str, Any]]:
    """Return decisions and states of the weights in their order; of many states some."""
    states = [place for place, event in enumerate(run.events) if event.get("event") == "architecture"]
    left_out = set(states) - set(some_of(states, _STATES))
    return [event for place, event in enumerate(run.events) if place not in left_out]


def _sizes(run: Run) -> dict[str, int | None]:
    """Return the kinds of cells, and how many edges each has where an event tells."""
    space = run.start.get("space")
    kinds = space.get("kinds") if isinstance(space, dict) else None
    sizes: dict[str, int | None] = {str(kind): None for kind in kinds} if isinstance(kinds, list) else {}
    for event in run.events_of("architecture"):
        weights = event.get("weights")
        for kind, rows in weights.items() if isinstance(weights, dict) else ():
            if isinstance(rows, dict) and isinstance(rows.get("alpha"), list):
                sizes[kind] = len(rows["alpha"])
    # A phase may wire whole cells, where another one searches these cells.
    for phase in _phases(run):
        sizes |= {kind: sizes.get(kind) for kind in phase["kinds"]}
    return sizes


def _phases(run: Run) -> list[dict[str, Any]]:
    """Return the phases that say which cells they search."""
    phases = run.start.get("phases")
    return [
        phase
        for phase in (phases if isinstance(phases, list) else [])
        if isinstance(phase, dict) and isinstance(phase.get("kinds"), list)
    ]


def _space_of(run: Run, kind: str, size: int | None) -> tuple[CellSpace | None, bool]:
    facts = run.start.get("space")
    facts = facts if isinstance(facts, dict) else {}
    facts = next((phase for phase in reversed(_phases(run)) if kind in phase["kinds"]), facts)
    named = CELL_SPACES.get(str(facts.get("cell")))
    if named is not None and size in (None, len(named.edges)):
        return named, False
    # A stage graph: so many cells as the phase says, or that it has as many edges as there are weights.
    nodes = [facts["nodes"]] if "nodes" in facts else range(2, 65)
    graphs = (stage_graphs(count) for count in nodes if isinstance(count, int) and 1 < count < 65)
    told = "nodes" in facts
    return next((graph for graph in graphs if told or size == len(graph.edges)), None), True


def _decide(found: Evolution, event: dict[str, Any]) -> None:
    kind = event["kind"]
    track, number = found.tracks[kind], len(found.frames)
    if event["what"] == "edge":
        predecessor, state = event["edge"]
        operation = str(event["operation"])
        track.changes[track.place(predecessor, state)].append(Change(number, "decided", operation))
    else:
        for edge, changes in zip(track.shape.edges, track.changes, strict=True):
            if edge.state == event["state"] and edge.predecessor not in event["kept"]:
                changes.append(Change(number, "removed", ""))
    step = found.frames[-1].step + 1
    text = f"{kind}: {told(event)}."
    found.frames.append(
        Frame(int(event["iteration"]), event.get("epoch"), step, text, _whole(event.get("remaining")))
    )


def told(event: dict[str, Any]) -> str:
    """Return a decision in words."""
    if event["what"] == "edge":
        predecessor, state = event["edge"]
        return f"edge {predecessor} to {state} becomes {event['operation']}"
    return f"node {event['state']} keeps its edges from {' and '.join(map(str, event['kept']))}"


def _weigh(found: Evolution, event: dict[str, Any]) -> None:
    """Note which operation leads on every undecided edge; without a frame of its own after a decision."""
    iteration, weights = int(event["iteration"]), event["weights"]
    last = found.frames[-1]
    if last.iteration != iteration:
        text = f"Iteration {iteration}: the weights as they stand."
        found.frames.append(Frame(iteration, None, last.step, text, last.remaining))
    number = len(found.frames) - 1
    for kind, track in found.tracks.items():
        for row, changes in zip(weights.get(kind, {}).get("alpha", ()), track.changes, strict=False):
            leading = _leader(track, row)
            if changes[-1].state == "undecided" and leading and leading != changes[-1].operation:
                changes.append(Change(number, "undecided", leading))


def _leader(track: Track, row: Any) -> str:
    """Return the operation with the largest weight of an edge; an empty text where none leads."""
    if not isinstance(row, list):
        return ""
    known = [
        (weight, name)
        for weight, name in zip(row, track.operations, strict=False)
        if weight is not None and name in track.choices
    ]
    if len({weight for weight, _ in known}) < 2:
        return ""
    return max(known, key=lambda pair: pair[0])[1]


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) else None
