"""Cells of an unfinished search, from its log."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autodas.report.drawing._cells import DrawnCell, DrawnEdge
from autodas.runs.events import Decision
from autodas.runs.history import Moment, SearchedCell, history_of_run, in_words


@dataclass(frozen=True)
class SearchState:
    """Cells of a search after one of its decisions.

    Args:
        cells: cells with an operation on decided edges and none on undecided ones; removed edges are absent.
        kind: kind of the cell that the decision concerns; empty before the first decision.
        new: edges concerned: the one that got its operation, or those kept by a node.
        text: decision in words.
        iteration: iteration of the decision.
        remaining: number of remaining architectures; ``None`` if missing in the log.
    """

    cells: tuple[DrawnCell, ...]
    kind: str = ""
    new: tuple[tuple[int, int], ...] = ()
    text: str = ""
    iteration: int = 0
    remaining: int | None = None


def states_of_run(folder: str | Path) -> list[SearchState]:
    """Return the cells of a search before its first decision, and after each decision.

    Args:
        folder: run folder, whose ``events.jsonl`` is read.

    Raises:
        AutodasError: if the folder does not hold a search, or its log is damaged; the message names the line.
    """
    before, *moments = history_of_run(folder)
    states = [SearchState(_drawn(before), remaining=before.remaining)]
    for moment in moments:
        decision = moment.event
        if isinstance(decision, Decision):
            text = _text(decision, moment)
            states.append(
                SearchState(
                    _drawn(moment), decision.kind, moment.new, text, moment.iteration, moment.remaining
                )
            )
    return states


def cells_of_run(folder: str | Path, steps: int | None = None) -> tuple[DrawnCell, ...]:
    """Return the cells of a search as far as they are decided.

    Decided edges have their operation, undecided ones none; removed edges are absent.

    Args:
        folder: run folder, whose ``events.jsonl`` is read.
        steps: number of decisions after which to return the cells; by default all.

    Raises:
        AutodasError: if the folder does not hold a search, or its log is damaged; the message names the line.
    """
    states = states_of_run(folder)
    return states[-1 if steps is None else min(steps, len(states) - 1)].cells


def _drawn(moment: Moment) -> tuple[DrawnCell, ...]:
    return tuple(map(drawn_cell, moment.cells.values()))


def drawn_cell(cell: SearchedCell) -> DrawnCell:
    """Return the drawn cell for one moment of a search."""
    return DrawnCell(
        kind=cell.kind,
        inputs=cell.space.inputs,
        nodes=cell.nodes,
        edges=tuple(
            DrawnEdge(*place, now.operation if now.state == "decided" else None)
            for place, now in cell.edges.items()
            if now.state != "removed"
        ),
        concat=cell.concat,
        graph=cell.graph,
    )


def _text(decision: Decision, moment: Moment) -> str:
    """Return a short description of a decision."""
    if decision.what == "edge" and decision.edge is not None:
        predecessor, state = decision.edge
        return f"edge {predecessor}-{state} becomes {decision.operation}"
    if decision.what == "node":
        return f"node {decision.state} reads {' and '.join(str(place[0]) for place in moment.new)}"
    return in_words(decision)
