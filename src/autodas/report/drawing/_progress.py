"""The cells of a search that has not finished, from its log."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autodas.errors import AutodasError
from autodas.limits import MOST_NODES
from autodas.reading import MAPPING, MEBIBYTE, parse_json, read_bytes
from autodas.report.drawing._cells import DrawnCell, DrawnEdge
from autodas.spaces import CellSpace, get_cell_space, stage_graphs

_STAGES = "stages"  # the cell space of stage graphs

_Edges = dict[tuple[int, int], str | None]


@dataclass(frozen=True)
class SearchState:
    """The cells of a search after one of its decisions.

    Args:
        cells: decided edges have their operation, undecided ones none; removed ones are absent.
        kind: kind of the cell that the decision was about; empty before the first one.
        new: the edges that it decided on: the one that got its operation, or those that a node kept.
        text: what was decided, in words.
        iteration: when.
        remaining: architectures that were left; ``None`` where the log does not say.
    """

    cells: tuple[DrawnCell, ...]
    kind: str = ""
    new: tuple[tuple[int, int], ...] = ()
    text: str = ""
    iteration: int = 0
    remaining: int | None = None


def states_of_run(folder: str | Path) -> list[SearchState]:
    """Return the cells of a search before its first decision, and after each.

    Args:
        folder: the run folder; its ``events.jsonl`` is read.

    Raises:
        AutodasError: if the folder holds no search, or its log is damaged; names the line.
    """
    path = Path(folder) / "events.jsonl"
    events = _read_events(path)
    if not events or not isinstance(events[0][1].get("space"), dict):
        raise AutodasError(f"{path}: no search has written here, its first line does not name a space")
    start = events[0][1]
    spaces = _read_spaces(start, f"{path}:{events[0][0]}")
    cells: dict[str, _Edges] = {kind: dict.fromkeys(space.edges) for kind, space in spaces.items()}
    states = [SearchState(_drawn(spaces, cells), remaining=_count(start))]
    for line, event in events:
        if event.get("event") == "decision":
            new, text = _apply(event, cells, f"{path}:{line}")
            iteration = event.get("iteration")
            states.append(
                SearchState(
                    _drawn(spaces, cells),
                    event["kind"],
                    new,
                    text,
                    iteration if isinstance(iteration, int) else 0,
                    _count(event),
                )
            )
    return states


def cells_of_run(folder: str | Path, steps: int | None = None) -> tuple[DrawnCell, ...]:
    """Return the cells of a search as far as they are decided.

    Decided edges have their operation, undecided ones none; removed ones are absent.

    Args:
        folder: the run folder; its ``events.jsonl`` is read.
        steps: how many decisions to count, to see the cells as they were then; all when not given.

    Raises:
        AutodasError: if the folder holds no search, or its log is damaged; names the line.
    """
    states = states_of_run(folder)
    return states[-1 if steps is None else min(steps, len(states) - 1)].cells


def _drawn(spaces: dict[str, CellSpace], cells: dict[str, _Edges]) -> tuple[DrawnCell, ...]:
    return tuple(
        DrawnCell(
            kind=kind,
            inputs=space.inputs,
            nodes=space.nodes,
            edges=tuple(DrawnEdge(p, s, operation) for (p, s), operation in cells[kind].items()),
            concat=space.concat,
            graph=space.name == _STAGES,
        )
        for kind, space in spaces.items()
    )


def _count(event: dict[str, Any]) -> int | None:
    count = event.get("remaining")
    return count if isinstance(count, int) else None


def _read_events(path: Path) -> list[tuple[int, dict[str, Any]]]:
    try:
        lines = read_bytes(path, 512 * MEBIBYTE).splitlines()
    except AutodasError as error:
        reason = str(error).removeprefix(f"{path}: cannot be read: ")
        raise AutodasError(f"{path}: cannot be read, is it the folder of a search? {reason}") from error
    events = []
    for number, line in enumerate(lines, start=1):
        try:
            event = parse_json(line, f"{path}:{number}")
            MAPPING.check(event, f"{path}:{number}")
        except AutodasError as error:
            # The last line is cut when the search was killed, or is being written at this moment.
            if number == len(lines):
                break
            raise AutodasError(f"{path}:{number}: not an event: {str(error).partition(': ')[2]}") from error
        events.append((number, event))
    return events


def _read_spaces(start: dict[str, Any], place: str) -> dict[str, CellSpace]:
    """Return the cell space of every kind, from all phases: those may search different parts."""
    phases = start.get("phases")
    parts = (
        [part for part in phases if isinstance(part, dict) and "kinds" in part]
        if isinstance(phases, list)
        else []
    )
    spaces: dict[str, CellSpace] = {}
    for facts in parts or [start["space"]]:
        name, kinds, nodes = facts.get("cell"), facts.get("kinds"), facts.get("nodes")
        if not isinstance(name, str) or not isinstance(kinds, list) or not kinds:
            raise AutodasError(f"{place}: 'space' must name its 'cell' and its 'kinds'")
        # The nodes of a stage graph are the cells of a stage, as many as the search wants.
        if name == _STAGES and isinstance(nodes, int) and 1 < nodes <= MOST_NODES:
            cell = stage_graphs(nodes)
        else:
            cell = get_cell_space(name)
        spaces |= dict.fromkeys(map(str, kinds), cell)
    return spaces


def _apply(
    event: dict[str, Any], cells: dict[str, _Edges], place: str
) -> tuple[tuple[tuple[int, int], ...], str]:
    """Take a decision over into the cells; return the edges that it was about, and what it says."""
    try:
        edges = cells[event["kind"]]
        if event["what"] == "edge":
            predecessor, state = event["edge"]
            if (predecessor, state) not in edges:
                raise KeyError(f"{predecessor}->{state}")
            edges[predecessor, state] = event["operation"]
            return ((predecessor, state),), f"edge {predecessor}-{state} becomes {event['operation']}"
        if event["what"] == "node":
            state, kept = event["state"], event["kept"]
            for edge in [edge for edge in edges if edge[1] == state and edge[0] not in kept]:
                del edges[edge]
            remaining = tuple(edge for edge in edges if edge[1] == state)
            return remaining, f"node {state} reads {' and '.join(str(edge[0]) for edge in remaining)}"
        return (), str(event["what"])
    except (KeyError, TypeError, ValueError) as error:
        raise AutodasError(f"{place}: a decision that cannot be read: {error}") from error
