"""Decisions, one after the other, folded into cells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autodas.errors import AutodasError
from autodas.runs.events import Architecture, Decision, Event, Start
from autodas.runs.history import EdgeState, history_of, history_of_run, in_words
from autodas.spaces import get_cell_space

PHASE = {"name": "stages", "iterations": 8, "cell": "stages", "kinds": ["stage1", "stage2"], "nodes": 4}


def start(**facts: Any) -> Start:
    return Start(space={"cell": "o2d", "kinds": ["normal"]}, remaining=100, **facts)


def edge(step: int, place: list[int], operation: str = "skip_connect", kind: str = "normal") -> Decision:
    return Decision(
        step=step, iteration=10 * step, epoch=step, kind=kind, what="edge", edge=place, operation=operation
    )


def weights(iteration: int, best: dict[int, int], kind: str = "normal") -> Architecture:
    """Weights that lead on some edges in some column, and are equal elsewhere."""
    space = get_cell_space("o2d")
    rows = [
        [1.0 if best.get(n) == column else 0.5 for column in range(len(space.operations))]
        for n in range(len(space.edges))
    ]
    return Architecture(iteration=iteration, weights={kind: {"alpha": rows}})


def test_before_anything_happens() -> None:
    (moment,) = history_of([start()])
    assert (moment.step, moment.iteration, moment.event, moment.remaining) == (0, 0, None, 100)
    cell = moment.cells["normal"]
    assert (cell.nodes, cell.concat, cell.graph) == (4, (2, 3, 4, 5), False)
    assert list(cell.edges) == list(get_cell_space("o2d").edges)
    assert set(cell.edges.values()) == {EdgeState("undecided")}


def test_edges_and_nodes() -> None:
    node = Decision(step=4, iteration=40, kind="normal", what="node", state=3, kept=[0, 2], removed=[1])
    decided = [edge(1, [0, 3]), edge(2, [1, 3]), edge(3, [2, 3], "sep_conv_3x3")]
    moments = history_of([start(), *decided, node])
    assert [moment.step for moment in moments] == [0, 1, 2, 3, 4]
    assert [moment.new for moment in moments] == [(), ((0, 3),), ((1, 3),), ((2, 3),), ((0, 3), (2, 3))]
    edges = moments[-1].cells["normal"].edges
    assert (edges[0, 3], edges[1, 3], edges[2, 3]) == (
        EdgeState("decided", "skip_connect"),
        EdgeState("removed"),
        EdgeState("decided", "sep_conv_3x3"),
    )
    # What was is not changed by what came later.
    assert moments[3].cells["normal"].edges[1, 3] == EdgeState("decided", "skip_connect")


def test_the_operation_that_leads() -> None:
    space = get_cell_space("o2d")
    moments = history_of([start(), weights(5, {0: 2}), edge(1, [0, 2]), weights(10, {0: 3, 1: 3})])
    # The weights of the iteration of a decision are no moment of their own.
    assert [(moment.step, moment.iteration) for moment in moments] == [(0, 0), (0, 5), (1, 10)]
    assert moments[1].cells["normal"].edges[0, 2] == EdgeState("undecided", space.operations[2])
    last = moments[2].cells["normal"].edges
    assert last[0, 2] == EdgeState("decided", "skip_connect")
    assert last[1, 2] == EdgeState("undecided", space.operations[3])
    assert last[0, 3] == EdgeState("undecided"), "where all are equal none leads"


def test_lengths() -> None:
    length = Decision(step=1, iteration=8, kind="stage2", what="length", nodes=3)
    before, after = history_of([start(phases=[PHASE]), length])
    assert (before.cells["stage2"].nodes, before.cells["stage2"].concat) == (4, (4, 5))
    cell = after.cells["stage2"]
    assert (cell.nodes, cell.concat, cell.graph) == (3, (3, 4), True)
    assert {place[1] for place, now in cell.edges.items() if now.state == "removed"} == {5}
    assert after.cells["stage1"] == before.cells["stage1"]
    assert in_words(length) == "keeps its first 3 cells"


def test_a_decision_that_a_newer_version_takes() -> None:
    _, after = history_of(
        [start(), Decision(step=1, iteration=8, kind="normal", what="width", more={"c": 8})]
    )
    assert after.step == 1
    assert set(after.cells["normal"].edges.values()) == {EdgeState("undecided")}
    assert in_words(Decision(kind="normal", what="width")) == "width"


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (edge(1, [3, 0]), "there is no edge 3->0"),
        (edge(1, [0, 2], kind="s_reduction"), "there is no cell 's_reduction'"),
        (Decision(kind="normal", what="edge"), "'edge' or 'operation' is missing"),
        (Decision(kind="normal", what="node", state=3), "'state' or 'kept' is missing"),
        (Decision(kind="normal", what="length", nodes=9), "'nodes' must be at most 4"),
    ],
)
def test_what_does_not_fit(event: Event, said: str) -> None:
    with pytest.raises(AutodasError, match=f"log:0: a decision that cannot be read: {said}"):
        history_of([start(), event], "log")
    problems: list[str] = []
    moments = history_of([start(), event, edge(2, [0, 2])], "log", problems)
    assert len(moments) == 2, "the others count"
    assert len(problems) == 1
    assert said in problems[0]


def test_a_space_that_is_not_known() -> None:
    unknown = Start(space={"cell": "a new one", "kinds": ["normal"]})
    with pytest.raises(AutodasError, match="unknown cell space 'a new one'"):
        history_of([unknown])
    problems: list[str] = []
    (moment,) = history_of([unknown], problems=problems)
    assert moment.cells == {}
    assert len(problems) == 1


def test_from_a_folder(tmp_path: Path) -> None:
    with pytest.raises(AutodasError, match="cannot be read; is this the run folder of a search"):
        history_of_run(tmp_path)
    events = [start(), edge(1, [0, 2])]
    text = "".join(json.dumps(event.to_dict()) + "\n" for event in events)
    (tmp_path / "events.jsonl").write_text(text + '{"event": "deci')
    assert history_of_run(tmp_path) == history_of(events)
