"""Events go to the lines of a log and back, to the byte, and keep what they do not know."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.runs.conftest import RECORDED

from autodas.errors import AutodasError
from autodas.runs import events
from autodas.runs.events import EVENTS, Decision, End, Epoch, Event, Other, Start, read_event

LOGS = sorted(RECORDED.rglob("events.jsonl"))


@pytest.mark.parametrize("log", LOGS, ids=lambda log: str(log.parent.relative_to(RECORDED)))
def test_every_line_of_version_0_1_0_comes_back_to_the_byte(log: Path) -> None:
    for line in log.read_text().splitlines():
        event = read_event(json.loads(line))
        assert not isinstance(event, Other)
        assert event.more == {}, "every field has a name"
        assert json.dumps(event.to_dict()) == line


def test_every_event_has_been_recorded_or_stands_below() -> None:
    recorded = {json.loads(line)["event"] for log in LOGS for line in log.read_text().splitlines()}
    assert set(EVENTS) - recorded == {"warning", "stopped"}


@pytest.mark.parametrize(
    "line",
    [
        {"event": "warning", "iteration": 3, "text": "skips"},
        {"event": "stopped", "iteration": 3, "kind": "normal", "skips": 4},
        {"event": "end", "genotype": "a.json", "margin": None, "relaxed": 1.0},
        {"event": "epoch", "epoch": 1, "iteration": 2, "train_top5": None, "volatile": {"seconds": 1.0}},
        {"event": "start", "command": "train", "data": "x", "input": {"fps": None}, "notes": []},
        {"event": "decision", "step": 1, "iteration": 2, "epoch": 1, "kind": "a", "what": "edge"}
        | {"edge": [0, 2], "operation": "o", "priority": 0.5, "remaining": 10**400},
    ],
    ids=lambda line: line["event"],
)
def test_other_lines_come_back_too(line: dict[str, Any]) -> None:
    assert json.dumps(read_event(line).to_dict()) == json.dumps(line)


def test_what_is_unknown_is_kept() -> None:
    line = {"event": "node_died", "iteration": 3, "why": [1, {"a": None}]}
    event = read_event(line)
    assert isinstance(event, Other)
    assert event.to_dict() == line
    line = {"event": "warning", "iteration": 3, "text": "a", "severity": {"level": 2}}
    event = read_event(line)
    assert isinstance(event, events.Warned)
    assert event.more == {"severity": {"level": 2}}
    assert event.to_dict() == line


@pytest.mark.parametrize("line", [{}, {"event": None}, {"event": ["start"]}, {"event": 3, "more": 1}])
def test_lines_without_a_name(line: dict[str, Any]) -> None:
    event = read_event(line)
    assert isinstance(event, Other)
    assert event.to_dict() == line


def test_a_field_of_another_form_is_named() -> None:
    line = {"event": "decision", "kind": "a", "what": "edge", "edge": 3, "operation": "o", "step": 1}
    with pytest.raises(AutodasError, match=r"log:7: edge: a list of 2 values is expected, found 3"):
        read_event(line, 7, "log:7")
    problems: list[str] = []
    event = read_event(line, 7, "Line 7", problems)
    assert isinstance(event, Decision)
    assert (event.line, event.edge, event.operation, event.step) == (7, None, "o", 1)
    assert problems == ["Line 7: edge: a list of 2 values is expected, found 3; it is skipped."]


@pytest.mark.parametrize("missing", ["kind", "what"])
def test_a_decision_about_nothing_is_none(missing: str) -> None:
    line = {"event": "decision", "kind": "a", "what": "edge"}
    del line[missing]
    with pytest.raises(AutodasError, match=f"'{missing}' is missing"):
        read_event(line, problems=[])
    with pytest.raises(AutodasError, match=f"{missing}: text is expected"):
        read_event({**line, missing: 3}, problems=[])


def test_metrics_are_what_no_field_is_named_after() -> None:
    epoch = Epoch(epoch=1, iteration=5, metrics={"train_loss": 0.5, "valid_loss": None}, remaining=3)
    assert list(epoch.to_dict()) == ["event", "epoch", "iteration", "train_loss", "valid_loss", "remaining"]
    again = read_event(epoch.to_dict())
    assert again == epoch
    assert isinstance(again, Epoch)
    assert (again.metric("train_loss"), again.metric("valid_loss"), again.metric("x")) == (0.5, None, None)
    assert again.spent("seconds") is None


def test_where_a_line_stands_is_no_part_of_it() -> None:
    assert read_event({"event": "start"}, 4) == Start()
    assert End().to_dict() == {"event": "end", "margin": None}


def test_every_event_has_a_name_of_its_own() -> None:
    classes = {kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event)}
    assert classes - {Event, Other} == set(EVENTS.values())
    assert all(name == kind.NAME for name, kind in EVENTS.items())
