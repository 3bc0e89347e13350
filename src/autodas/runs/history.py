"""How a search came to its cells: its decisions, one after the other, folded into the state of every edge."""

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
"""The predecessor and the state of an edge."""


class EdgeState(NamedTuple):
    """What an edge is at one moment.

    Attributes:
        state: ``"undecided"``, ``"decided"`` or ``"removed"``.
        operation: the operation of a decided edge, the one that leads on an undecided one, if any.
    """

    state: str
    operation: str = ""


@dataclass(frozen=True)
class SearchedCell:
    """One kind of cell, or one stage graph, at one moment.

    Attributes:
        kind: its kind.
        space: what may be chosen in it.
        edges: every edge of the space, whatever has become of it.
        nodes: how many of the nodes there are.
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
        """The states whose concatenation is the output."""
        return self.space.concat_of(self.nodes)


@dataclass(frozen=True)
class Moment:
    """A search at one moment.

    Attributes:
        cells: every kind that is searched.
        event: what has just happened; ``None`` before anything has.
        new: the edges that were just decided, those that a node keeps included.
        iteration: when.
        epoch: when; ``None`` where the log does not say.
        step: how many decisions have been taken.
        remaining: architectures that are left; ``None`` where the log does not say.
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
        folder: the run folder.

    Raises:
        AutodasError: if the folder holds no search, or its log is damaged; names the line.
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
        raise AutodasError(f"{log}: cannot be read, is it the folder of a search? {reason}") from error
    if not events or not isinstance(events[0], Start) or events[0].space is None:
        raise AutodasError(f"{log}: no search has written here, its first line does not name a space")
    return history_of(events, str(log))


def history_of(events: Iterable[Event], log: str = EVENTS, problems: list[str] | None = None) -> list[Moment]:
    """Return the history of a search: before anything happened, after each decision, and at each event that
    says where the weights stand, where that has no decision of its iteration.

    Args:
        events: the log, or a part of it, with its first event.
        log: what messages call it.
        problems: a sentence is added for everything that does not fit, and is left out; ``None`` raises for
            the first.

    Raises:
        AutodasError: see above; names the line.
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
                # No moment of its own after a decision.
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
    """A decision that is none about these cells."""


def _cells(start: Start, place: str, problems: list[str] | None) -> dict[str, SearchedCell]:
    """Return the cells of all phases before the first decision: phases may search different parts."""
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
    # The nodes of a stage graph are the cells of a stage, as many as the search wants.
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
        raise _UnfitError(f"'nodes' must be one of the {cell.space.nodes} that there are")
    beyond = [edge for edge in cell.edges if edge[1] >= cell.space.inputs + decision.nodes]
    edges = {**cell.edges, **dict.fromkeys(beyond, EdgeState("removed"))}
    return replace(cell, edges=edges, nodes=decision.nodes), ()


def _unknown(cell: SearchedCell, decision: Decision) -> _Decided:
    """Leave the cell alone: a newer version knows what was decided."""
    return cell, ()


_WAYS = {"edge": _edge, "node": _node, "length": _length}


def _weighed(before: Moment, event: Architecture) -> Moment:
    """Note which operation leads on every undecided edge."""
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
    """Return the operation with the largest weight of an edge; an empty text where none leads."""
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
    """Return what was decided."""
    if decision.what == "edge" and decision.edge is not None:
        predecessor, state = decision.edge
        return f"edge {predecessor} to {state} becomes {decision.operation}"
    if decision.what == "node":
        return f"node {decision.state} keeps its edges from {' and '.join(map(str, decision.kept or ()))}"
    if decision.what == "length":
        return f"keeps its first {decision.nodes} cells"
    return decision.what
