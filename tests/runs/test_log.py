"""events.jsonl and metrics.csv: flushed with every line, cut back on resume."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autodas.runs.events import Epoch, Other, Start
from autodas.runs.folder import RunFolder
from autodas.runs.log import RunLog


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run").create()


def lines(folder: RunFolder) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder.path / "events.jsonl").read_text().splitlines()]


def table(folder: RunFolder) -> list[list[str]]:
    return [line.split(",") for line in (folder.path / "metrics.csv").read_text().splitlines()]


def write(log: RunLog, steps: range, remark: str = "") -> None:
    for step in steps:
        log.event(Epoch(epoch=step, metrics={"loss": 1 / step, "remark": remark}))
        log.metrics(step, {"loss": 1 / step, "top1": None if step % 2 else 10.0 * step})


def test_every_line_is_on_the_disk_at_once(folder: RunFolder) -> None:
    log = RunLog(folder)
    log.event(Start(command="search", more={"weights": {"normal": [[0.5, None]]}}))
    assert lines(folder) == [{"event": "start", "command": "search", "weights": {"normal": [[0.5, None]]}}]
    log.metrics(3, {"loss": 0.25, "top1": None, "remaining": 10**18})
    assert table(folder) == [["step", "loss", "top1", "remaining"], ["3", "0.25", "", str(10**18)]]
    log.close()


def test_columns_are_those_of_the_first_row(folder: RunFolder) -> None:
    log = RunLog(folder)
    log.metrics(1, {"loss": 1.0, "top1": 2.0})
    log.metrics(2, {"top1": 3.0})  # one is missing
    log.metrics(3, {"top1": 5.0, "loss": 4.0})  # another order
    log.close()
    assert table(folder) == [
        ["step", "loss", "top1"],
        ["1", "1.0", "2.0"],
        ["2", "", "3.0"],
        ["3", "4.0", "5.0"],
    ]


def test_numbers_are_written_in_full(folder: RunFolder) -> None:
    log = RunLog(folder)
    log.metrics(1, {"loss": 0.1 + 0.2})
    log.event(Epoch(metrics={"loss": 0.1 + 0.2}))
    log.close()
    assert float(table(folder)[1][1]) == 0.1 + 0.2 == lines(folder)[0]["loss"]


CRASHES = {
    "at the checkpoint": ("", ""),
    "lines later": ('{"event": "epoch", "epoch": 3}\n', "3,0.3,\n4,0.2,\n"),
    "in the middle of a line": ('{"event": "epo', "3,0.33"),
    "after much more": ('{"event": "x"}\n' * 50 + '{"ev', "9,9,9\n" * 50 + "9"),
}


@pytest.mark.parametrize("crash", CRASHES)
def test_a_resumed_log_equals_one_that_was_not_interrupted(
    folder: RunFolder, tmp_path: Path, crash: str
) -> None:
    whole = RunFolder(tmp_path / "whole").create()
    log = RunLog(whole)
    write(log, range(1, 6))
    log.close()

    log = RunLog(folder)
    write(log, range(1, 3))
    lengths = json.loads(json.dumps(log.lengths))  # what a checkpoint keeps
    log.close()
    for name, rest in zip(("events.jsonl", "metrics.csv"), CRASHES[crash], strict=True):
        with open(folder.path / name, "a") as file:
            file.write(rest)
    resumed = RunLog(folder, lengths=lengths)
    assert resumed.lengths == lengths
    write(resumed, range(3, 6))
    final = resumed.lengths
    resumed.close()
    for name, key in (("events.jsonl", "events"), ("metrics.csv", "metrics")):
        assert (folder.path / name).read_bytes() == (whole.path / name).read_bytes()
        assert final[key] == (folder.path / name).stat().st_size


def test_resumed_before_the_first_row(folder: RunFolder) -> None:
    log = RunLog(folder)
    log.event(Start())
    lengths = log.lengths
    log.metrics(1, {"loss": 1.0})
    log.close()
    log = RunLog(folder, lengths=lengths)
    log.metrics(1, {"loss": 2.0, "top1": 3.0})
    log.close()
    assert table(folder) == [["step", "loss", "top1"], ["1", "2.0", "3.0"]]
    assert lines(folder) == [{"event": "start"}]


def test_lengths_count_bytes(folder: RunFolder) -> None:
    log = RunLog(folder)
    log.event(Other(more={"event": "note", "text": "größer als 5 Å"}))
    lengths = log.lengths
    assert lengths["events"] == (folder.path / "events.jsonl").stat().st_size
    log.event(Other(more={"event": "note", "text": "cut"}))
    log.close()
    RunLog(folder, lengths=lengths).close()
    assert [e["text"] for e in lines(folder)] == ["größer als 5 Å"]


def test_a_new_log_begins_empty(folder: RunFolder) -> None:
    (folder.path / "events.jsonl").write_text("left over\n")
    RunLog(folder).close()
    assert (folder.path / "events.jsonl").read_text() == ""
