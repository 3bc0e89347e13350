"""The cells of a search that has not finished, from its log."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autodas.report.drawing._cells import DrawnCell, DrawnEdge
from autodas.runs.events import Decision
from autodas.runs.history import Moment, SearchedCell, history_of_run, in_words


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

    Decided edges have their operation, undecided ones none; removed ones are absent.

    Args:
        folder: the run folder; its ``events.jsonl`` is read.
        steps: how many decisions to count, to see the cells as they were then; all when not given.

    Raises:
        AutodasError: if the folder holds no search, or its log is damaged; names the line.
    """
    states = states_of_run(folder)
    return states[-1 if steps is None else min(steps, len(states) - 1)].cells


def _drawn(moment: Moment) -> tuple[DrawnCell, ...]:
    return tuple(map(drawn_cell, moment.cells.values()))


def drawn_cell(cell: SearchedCell) -> DrawnCell:
    """Return the picture of a cell at one moment of its search."""
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
    """Return a decision in few words."""
    if decision.what == "edge" and decision.edge is not None:
        predecessor, state = decision.edge
        return f"edge {predecessor}-{state} becomes {decision.operation}"
    if decision.what == "node":
        return f"node {decision.state} reads {' and '.join(str(place[0]) for place in moment.new)}"
    return in_words(decision)
