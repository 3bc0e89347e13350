"""The cells of a search that has not finished, from its log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from autodas.errors import AutodasError
from autodas.report._cells import DrawnCell, DrawnEdge
from autodas.spaces import CellSpace, get_cell_space

_Edges = dict[tuple[int, int], str | None]


def cells_of_run(folder: str | Path, steps: int | None = None) -> tuple[DrawnCell, ...]:
    """Return the cells of a search as far as they are decided.

    Decided edges have their operation, undecided ones none; removed ones are absent.

    Args:
        folder: the run folder; its ``events.jsonl`` is read.
        steps: how many decisions to count, to see the cells as they were then; all when not given.

    Raises:
        AutodasError: if the folder holds no search, or its log is damaged; names the line.
    """
    path = Path(folder) / "events.jsonl"
    events = _read_events(path)
    if not events or not isinstance(events[0][1].get("space"), dict):
        raise AutodasError(f"{path}: no search has written here, its first line does not name a space")
    place = f"{path}:{events[0][0]}"
    space, kinds = _read_space(events[0][1]["space"], place)
    cells: dict[str, _Edges] = {kind: dict.fromkeys(space.edges) for kind in kinds}
    decisions = [(line, event) for line, event in events if event.get("event") == "decision"]
    for line, event in decisions[:steps]:
        _apply(event, cells, f"{path}:{line}")
    return tuple(
        DrawnCell(
            kind=kind,
            inputs=space.inputs,
            nodes=space.nodes,
            edges=tuple(DrawnEdge(p, s, operation) for (p, s), operation in edges.items()),
            concat=space.concat,
        )
        for kind, edges in cells.items()
    )


def _read_events(path: Path) -> list[tuple[int, dict[str, Any]]]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise AutodasError(
            f"{path}: cannot be read, is it the folder of a search? {error.strerror}"
        ) from error
    events = []
    for number, line in enumerate(lines, start=1):
        try:
            event = json.loads(line)
            if not isinstance(event, dict):
                raise ValueError("an object is expected")
        except ValueError as error:
            # The last line is cut when the search was killed, or is being written at this moment.
            if number == len(lines):
                break
            raise AutodasError(f"{path}:{number}: not an event: {error}") from error
        events.append((number, event))
    return events


def _read_space(facts: dict[str, Any], place: str) -> tuple[CellSpace, list[str]]:
    name, kinds = facts.get("cell"), facts.get("kinds")
    if not isinstance(name, str) or not isinstance(kinds, list) or not kinds:
        raise AutodasError(f"{place}: 'space' must name its 'cell' and its 'kinds'")
    return get_cell_space(name), [str(kind) for kind in kinds]


def _apply(event: dict[str, Any], cells: dict[str, _Edges], place: str) -> None:
    try:
        edges = cells[event["kind"]]
        if event["what"] == "edge":
            predecessor, state = event["edge"]
            if (predecessor, state) not in edges:
                raise KeyError(f"{predecessor}->{state}")
            edges[predecessor, state] = event["operation"]
        elif event["what"] == "node":
            for predecessor, state in list(edges):
                if state == event["state"] and predecessor not in event["kept"]:
                    del edges[predecessor, state]
    except (KeyError, TypeError, ValueError) as error:
        raise AutodasError(f"{place}: a decision that cannot be read: {error}") from error
