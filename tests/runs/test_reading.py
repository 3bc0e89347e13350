"""One reader: what is there with a list of problems, or the first of them as an error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autodas.errors import AutodasError
from autodas.runs.events import Decision, Epoch, Other, Start
from autodas.runs.reading import read_events, read_run, read_start


def test_strict_is_silent_about_a_whole_run(recorded: Path) -> None:
    assert read_run("search", strict=True) == read_run("search")


@pytest.mark.parametrize(
    ("name", "content", "said", "raised"),
    [
        ("summary.json", None, "The run has not finished: summary.json is missing.", "missing; is search"),
        ("summary.json", "{", "summary.json is damaged: not JSON", "broken: not JSON"),
        ("summary.json", "[]", "summary.json is damaged: an object is expected.", "broken: an object is"),
        (
            "config.yaml",
            None,
            "The settings are unknown, as those of any run made in Python: config.yaml",
            "missing; is search",
        ),
        ("environment.json", None, "environment.json is missing.", "missing; is search"),
        ("events.jsonl", None, "events.jsonl is missing: the events of the run are unknown.", "missing; is"),
        ("metrics.csv", "step,a\n1\n", "Line 2 of metrics.csv is truncated, and skipped.", ":2: truncated"),
        ("genotype.json", "{}", "genotype.json cannot be used: ", "not a genotype"),
    ],
)
def test_problems(recorded: Path, name: str, content: str | None, said: str, raised: str) -> None:
    path = Path("search") / name
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    (problem,) = read_run("search").problems
    assert problem.startswith(said)
    with pytest.raises(AutodasError) as caught:
        read_run("search", strict=True)
    assert str(caught.value).startswith(str(path))
    assert raised in str(caught.value)


def test_a_line_that_is_no_event_is_left_out_alone(recorded: Path) -> None:
    log = Path("search/events.jsonl")
    lines = log.read_text().splitlines()
    log.write_text("\n".join([lines[0], "{", '"text"', *lines[1:], ""]))
    run = read_run("search")
    assert len(run.events) == len(lines)
    assert [problem.partition(":")[0] for problem in run.problems] == [
        "Line 2 of events.jsonl is skipped",
        "Line 3 of events.jsonl is skipped",
    ]
    assert run.events[1].line == 4
    with pytest.raises(AutodasError, match=r"search/events\.jsonl:2: not an event: not JSON"):
        read_events("search")


def test_a_field_that_is_damaged_is_left_out_alone(recorded: Path) -> None:
    log = Path("search/events.jsonl")
    events = [json.loads(line) for line in log.read_text().splitlines()]
    number = next(n for n, event in enumerate(events) if event["event"] == "decision")
    events[number]["priority"] = "high"
    events[0]["notes"] = 7
    log.write_text("".join(json.dumps(event) + "\n" for event in events))
    run = read_run("search")
    assert run.problems == (
        "Line 1 of events.jsonl: notes: a list is expected, found 7; it is skipped.",
        f"Line {number + 1} of events.jsonl: priority: a number is expected, found 'high'; it is skipped.",
    )
    assert (run.start.strategy, run.start.notes) == ("sdas", None)
    decision = run.events_of(Decision)[0]
    assert (decision.priority, decision.operation) == (None, events[number]["operation"])
    with pytest.raises(AutodasError, match=r"events\.jsonl:1: a start that cannot be read: notes: a list"):
        read_run("search", strict=True)


def test_a_decision_without_a_kind_costs_its_line(recorded: Path) -> None:
    with open("search/events.jsonl", "a") as log:
        log.write('{"event": "decision", "what": "edge"}\n')
    (problem,) = read_run("search").problems
    assert problem.endswith(" of events.jsonl: 'kind' is missing; the line is skipped.")


def test_a_last_line_that_is_cut(recorded: Path) -> None:
    whole = read_events("search")
    with open("search/events.jsonl", "a") as log:
        log.write('{"event": "epo')
    assert read_events("search") == whole, "it may be being written"
    assert read_run("search").problems == ("The last line of events.jsonl is truncated, and skipped.",)


def test_what_a_newer_version_adds_is_kept(recorded: Path) -> None:
    new = {"event": "export", "iteration": 3, "format": "onnx"}
    with open("search/events.jsonl", "a") as log:
        log.write(json.dumps(new) + "\n")
    run = read_run("search", strict=True)
    assert isinstance(run.events[-1], Other)
    assert run.events[-1].to_dict() == new


def test_events_by_their_kind(recorded: Path) -> None:
    run = read_run("train")
    assert [epoch.epoch for epoch in run.events_of(Epoch)] == [1, 2]
    rows = [row["train_loss"] for row in run.metrics]
    assert [epoch.metric("train_loss") for epoch in run.events_of(Epoch)] == rows


def test_the_first_line_alone(recorded: Path, tmp_path: Path) -> None:
    assert read_start("video") == read_run("video").start
    assert read_start(tmp_path) == Start()
    for line in ("", "{", "[]", '{"event": "epoch"}', '{"event": "start", "data": 3}'):
        (tmp_path / "events.jsonl").write_text(line + "\n")
        assert read_start(tmp_path) == Start()


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(AutodasError, match="no such folder"):
        read_run(tmp_path / "absent")
    with pytest.raises(AutodasError, match=r"summary\.json: missing"):
        read_run(tmp_path / "absent", strict=True)
