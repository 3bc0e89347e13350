"""History of a search: its decisions in order, folded into the state of every edge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from autodas.errors import AutodasError
from autodas.limits import MOST_NODES
from autodas.reading import known
from autodas.runs.events import Architecture, Decision, Event, Start
from autodas.runs.folder import EVENTS
from autodas.runs.reading import read_events
from autodas.spaces import CellSpace, get_cell_space, stage_graphs

_STAGES = "stages"  # the cell space of stage graphs

Place = tuple[int, int]
"""Predecessor and state of an edge."""


class EdgeState(NamedTuple):
    """State of an edge at one moment.

    Attributes:
        state: ``"undecided"``, ``"decided"`` or ``"removed"``.
        operation: operation of a decided edge, leading operation of an undecided one, if any.
    """

    state: str
    operation: str = ""


@dataclass(frozen=True)
class SearchedCell:
    """Kind of cell, or stage graph, at one moment of a search.

    Attributes:
        kind: kind of the cell.
        space: cell space.
        edges: every edge of the space with its state.
        nodes: number of nodes.
    """

    kind: str
    space: CellSpace
    edges: Mapping[Place, EdgeState]
    nodes: int

    @property
    def graph(self) -> bool:
        """Whether it is a stage graph, whose nodes are whole cells."""
        return self.space.name == _STAGES

    @property
    def concat(self) -> tuple[int, ...]:
        """States whose concatenation is the output."""
        return self.space.concat_of(self.nodes)


@dataclass(frozen=True)
class Moment:
    """State of a search at one moment.

    Attributes:
        cells: cells of every searched kind.
        event: event that led to this state; ``None`` at the start.
        new: edges just decided, including those kept by a node.
        iteration: iteration of the event.
        epoch: epoch of the event; ``None`` if missing in the log.
        step: number of decisions so far.
        remaining: number of remaining architectures; ``None`` if missing in the log.
    """

    cells: Mapping[str, SearchedCell]
    event: Decision | Architecture | None = None
    new: tuple[Place, ...] = ()
    iteration: int = 0
    epoch: int | None = None
    step: int = 0
    remaining: int | None = None


def history_of_run(folder: str | Path) -> list[Moment]:
    """Return the history of a search, finished or not, from its log.

    Args:
        folder: run folder.

    Raises:
        AutodasError: if the folder does not hold a search, or its log is damaged; the message names the line.
    """
    log = Path(folder) / EVENTS
    try:
        events = read_events(folder)
    except AutodasError as error:
        while isinstance(error.__cause__, AutodasError):
            error = error.__cause__
        if not isinstance(error.__cause__, OSError):
            raise
        reason = str(error).removeprefix(f"{log}: cannot be read: ")
        raise AutodasError(f"{log}: cannot be read; is this the run folder of a search? {reason}") from error
    if not events or not isinstance(events[0], Start) or events[0].space is None:
        raise AutodasError(f"{log}: not the log of a search: its first line does not name a space")
    return history_of(events, str(log))


def history_of(events: Iterable[Event], log: str = EVENTS, problems: list[str] | None = None) -> list[Moment]:
    """Return the history of a search: at the start, after each decision, and at each event with weights in an
    iteration without a decision.

    Args:
        events: log, or the beginning of it.
        log: name of the log in messages.
        problems: list to which a sentence is added for each inconsistent event, which is skipped; ``None``
            raises for the first one.

    Raises:
        AutodasError: if an event is inconsistent; the message names the line.
    """
    events = list(events)
    start = next((event for event in events if isinstance(event, Start)), Start())
    moments = [Moment(_cells(start, f"{log}:{start.line}", problems), remaining=start.remaining)]
    for event in events:
        try:
            if isinstance(event, Decision):
                moments.append(_decided(moments[-1], event))
            elif isinstance(event, Architecture):
                moment = _weighed(moments[-1], event)
                # Weights of an iteration with a decision update the moment of the decision.
                if moment.iteration == moments[-1].iteration:
                    moments[-1] = replace(moments[-1], cells=moment.cells)
                else:
                    moments.append(moment)
        except _UnfitError as error:
            sentence = f"{log}:{event.line}: a decision that cannot be read: {error}"
            if problems is None:
                raise AutodasError(sentence) from error
            problems.append(f"{sentence}.")
    return moments


class _UnfitError(Exception):
    """Decision that does not fit the cells."""


def _cells(start: Start, place: str, problems: list[str] | None) -> dict[str, SearchedCell]:
    """Return the cells of all phases before the first decision; phases may search different parts."""
    parts = [part for part in start.phases or () if "kinds" in part]
    cells: dict[str, SearchedCell] = {}
    for part in parts or ([] if start.space is None else [start.space]):
        try:
            space = _space(part, place, start.space or {})
        except AutodasError as error:
            if problems is None:
                raise
            problems.append(f"{error}.")
            continue
        for kind in part["kinds"]:
            cells[kind] = SearchedCell(
                kind, space, dict.fromkeys(space.edges, EdgeState("undecided")), space.nodes
            )
    return cells


def _space(part: Mapping[str, Any], place: str, searched: Mapping[str, Any]) -> CellSpace:
    name, nodes = part.get("cell"), part.get("nodes")
    if name is None or not part.get("kinds"):
        raise AutodasError(f"{place}: 'space' must name its 'cell' and its 'kinds'")
    # The nodes of a stage graph are the cells of a stage, whose number the search chooses.
    if name == _STAGES and nodes is not None and 1 < nodes <= MOST_NODES:
        return stage_graphs(nodes)
    space = get_cell_space(name)
    own = searched.get("operations")
    if name != searched.get("cell") or not isinstance(own, list) or own == list(space.operations):
        return space
    return replace(space, operations=tuple(map(str, own)), altered=True)


def _decided(before: Moment, decision: Decision) -> Moment:
    cell = before.cells.get(decision.kind)
    if cell is None:
        raise _UnfitError(f"there is no cell '{decision.kind}'")
    cell, new = _WAYS.get(decision.what, _unknown)(cell, decision)
    return Moment(
        {**before.cells, cell.kind: cell},
        decision,
        new,
        decision.iteration,
        decision.epoch,
        before.step + 1,
        decision.remaining,
    )


_Decided = tuple[SearchedCell, tuple[Place, ...]]


def _edge(cell: SearchedCell, decision: Decision) -> _Decided:
    if decision.edge is None or decision.operation is None:
        raise _UnfitError("'edge' or 'operation' is missing")
    predecessor, state = decision.edge
    if (predecessor, state) not in cell.edges:
        raise _UnfitError(f"there is no edge {predecessor}->{state}")
    decided = EdgeState("decided", decision.operation)
    return replace(cell, edges={**cell.edges, (predecessor, state): decided}), ((predecessor, state),)


def _node(cell: SearchedCell, decision: Decision) -> _Decided:
    if decision.state is None or decision.kept is None:
        raise _UnfitError("'state' or 'kept' is missing")
    incoming = [edge for edge in cell.edges if edge[1] == decision.state]
    lost = [edge for edge in incoming if edge[0] not in decision.kept]
    edges = {**cell.edges, **dict.fromkeys(lost, EdgeState("removed"))}
    left = tuple(edge for edge in incoming if edges[edge].state != "removed")
    return replace(cell, edges=edges), left


def _length(cell: SearchedCell, decision: Decision) -> _Decided:
    if decision.nodes is None or decision.nodes > cell.space.nodes:
        raise _UnfitError(f"'nodes' must be at most {cell.space.nodes}")
    beyond = [edge for edge in cell.edges if edge[1] >= cell.space.inputs + decision.nodes]
    edges = {**cell.edges, **dict.fromkeys(beyond, EdgeState("removed"))}
    return replace(cell, edges=edges, nodes=decision.nodes), ()


def _unknown(cell: SearchedCell, decision: Decision) -> _Decided:
    """Return the cell unchanged, for decisions of newer versions."""
    return cell, ()


_WAYS = {"edge": _edge, "node": _node, "length": _length}


def _weighed(before: Moment, event: Architecture) -> Moment:
    """Record the leading operation of every undecided edge."""
    cells = dict(before.cells)
    for kind, cell in before.cells.items():
        rows = known(event.weights, [kind, "alpha"])
        rows = rows if isinstance(rows, list) else []
        changed = {}
        for (place, now), row in zip(cell.edges.items(), rows, strict=False):
            leading = _leader(cell.space, row)
            if now.state == "undecided" and leading and leading != now.operation:
                changed[place] = EdgeState("undecided", leading)
        if changed:
            cells[kind] = replace(cell, edges={**cell.edges, **changed})
    return Moment(cells, event, (), event.iteration, None, before.step, before.remaining)


def _leader(space: CellSpace, row: Any) -> str:
    """Return the operation with the largest weight of an edge; an empty text if none leads."""
    if not isinstance(row, list):
        return ""
    weights = [
        (weight, name)
        for weight, name in zip(row, space.operations, strict=False)
        if isinstance(weight, int | float) and name in space.choices
    ]
    if len({weight for weight, _ in weights}) < 2:
        return ""
    return max(weights, key=lambda pair: pair[0])[1]


def in_words(decision: Decision) -> str:
    """Return a decision in words."""
    if decision.what == "edge" and decision.edge is not None:
        predecessor, state = decision.edge
        return f"edge {predecessor} to {state} becomes {decision.operation}"
    if decision.what == "node":
        return f"node {decision.state} keeps its edges from {' and '.join(map(str, decision.kept or ()))}"
    if decision.what == "length":
        return f"keeps its first {decision.nodes} cells"
    return decision.what
