"""events.jsonl, metrics.csv and TensorBoard: flushed with every line, cut back on resume."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from autodas.training import RunFolder, RunLog


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run").create()


def events(folder: RunFolder) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder.path / "events.jsonl").read_text().splitlines()]


def table(folder: RunFolder) -> list[list[str]]:
    return [line.split(",") for line in (folder.path / "metrics.csv").read_text().splitlines()]


def write(log: RunLog, steps: range, remark: str = "") -> None:
    for step in steps:
        log.event("epoch", epoch=step, loss=1 / step, remark=remark)
        log.metrics(step, {"loss": 1 / step, "top1": None if step % 2 else 10.0 * step})


def test_every_line_is_on_the_disk_at_once(folder: RunFolder) -> None:
    log = RunLog(folder, tensorboard=False)
    log.event("start", command="search", weights={"normal": [[0.5, None]]})
    assert events(folder) == [{"event": "start", "command": "search", "weights": {"normal": [[0.5, None]]}}]
    log.metrics(3, {"loss": 0.25, "top1": None, "remaining": 10**18})
    assert table(folder) == [["step", "loss", "top1", "remaining"], ["3", "0.25", "", str(10**18)]]
    log.close()


def test_columns_are_those_of_the_first_row(folder: RunFolder) -> None:
    log = RunLog(folder, tensorboard=False)
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
    log = RunLog(folder, tensorboard=False)
    log.metrics(1, {"loss": 0.1 + 0.2})
    log.event("epoch", loss=0.1 + 0.2)
    log.close()
    assert float(table(folder)[1][1]) == 0.1 + 0.2 == events(folder)[0]["loss"]


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
    log = RunLog(whole, tensorboard=False)
    write(log, range(1, 6))
    log.close()

    log = RunLog(folder, tensorboard=False)
    write(log, range(1, 3))
    lengths = json.loads(json.dumps(log.lengths))  # what a checkpoint keeps
    log.close()
    for name, rest in zip(("events.jsonl", "metrics.csv"), CRASHES[crash], strict=True):
        with open(folder.path / name, "a") as file:
            file.write(rest)
    resumed = RunLog(folder, lengths=lengths, tensorboard=False, step=2)
    assert resumed.lengths == lengths
    write(resumed, range(3, 6))
    final = resumed.lengths
    resumed.close()
    for name, key in (("events.jsonl", "events"), ("metrics.csv", "metrics")):
        assert (folder.path / name).read_bytes() == (whole.path / name).read_bytes()
        assert final[key] == (folder.path / name).stat().st_size


def test_resumed_before_the_first_row(folder: RunFolder) -> None:
    log = RunLog(folder, tensorboard=False)
    log.event("start")
    lengths = log.lengths
    log.metrics(1, {"loss": 1.0})
    log.close()
    log = RunLog(folder, lengths=lengths, tensorboard=False)
    log.metrics(1, {"loss": 2.0, "top1": 3.0})
    log.close()
    assert table(folder) == [["step", "loss", "top1"], ["1", "2.0", "3.0"]]
    assert events(folder) == [{"event": "start"}]


def test_lengths_count_bytes(folder: RunFolder) -> None:
    log = RunLog(folder, tensorboard=False)
    log.event("note", text="größer als 5 Å")
    lengths = log.lengths
    assert lengths["events"] == (folder.path / "events.jsonl").stat().st_size
    log.event("note", text="cut")
    log.close()
    RunLog(folder, lengths=lengths, tensorboard=False).close()
    assert [e["text"] for e in events(folder)] == ["größer als 5 Å"]


def test_a_new_log_begins_empty(folder: RunFolder) -> None:
    (folder.path / "events.jsonl").write_text("left over\n")
    RunLog(folder, tensorboard=False).close()
    assert (folder.path / "events.jsonl").read_text() == ""


def test_tensorboard_shows_each_step_once_after_a_resume(folder: RunFolder) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log = RunLog(folder)
    for step in (5, 10):
        log.metrics(step, {"loss": float(step), "none": None, "nan": float("nan")})
    lengths = log.lengths
    for step in (15, 20):  # after the checkpoint; lost with the crash
        log.metrics(step, {"loss": -1.0})
    log.close()
    log = RunLog(folder, lengths=lengths, step=10)
    for step in (15, 20, 25):
        log.metrics(step, {"loss": float(step)})
    log.close()
    board = accumulators.EventAccumulator(str(folder.path / "tensorboard"))
    board.Reload()
    assert board.Tags()["scalars"] == ["loss"]
    # The point of the checkpoint's own step stays.
    assert [(e.step, e.value) for e in board.Scalars("loss")] == [(s, float(s)) for s in (5, 10, 15, 20, 25)]


def test_without_tensorboard_no_files(folder: RunFolder) -> None:
    log = RunLog(folder, tensorboard=False)
    log.metrics(1, {"loss": 1.0})
    log.close()
    assert not (folder.path / "tensorboard").exists()


def test_pictures_and_histograms_after_a_resume(folder: RunFolder) -> None:
    """What was shown after the checkpoint is hidden, as for numbers."""
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    red, blue = (png((255, 0, 0)), png((0, 0, 255)))
    log = RunLog(folder)
    assert log.has_board
    for step in (5, 10):
        log.picture("cells/normal", red, step)
        log.histogram("alpha/normal", [0.0, 1.0], step)
    lengths = log.lengths
    log.picture("cells/normal", red, 15)
    log.histogram("alpha/normal", [0.0], 15)
    log.histogram("alpha/empty", [], 15)
    log.close()
    log = RunLog(folder, lengths=lengths, step=10)
    log.picture("cells/normal", blue, 15)
    log.histogram("alpha/normal", [0.25, 0.5, 0.75], 15)
    log.close()
    board = accumulators.EventAccumulator(str(folder.path / "tensorboard"), {"images": 0, "histograms": 0})
    board.Reload()
    assert board.Tags()["histograms"] == ["alpha/normal"]
    assert [(e.step, e.histogram_value.num) for e in board.Histograms("alpha/normal")] == [
        (5, 2),
        (10, 2),
        (15, 3),
    ]
    shown = board.Images("cells/normal")
    assert [event.step for event in shown] == [5, 10, 15]
    with Image.open(BytesIO(shown[-1].encoded_image_string)) as image:
        assert image.convert("RGB").getpixel((0, 0)) == (0, 0, 255)


def test_without_tensorboard_pictures_go_nowhere(folder: RunFolder) -> None:
    log = RunLog(folder, tensorboard=False)
    assert not log.has_board
    log.picture("cells/normal", b"not even a picture", 1)
    log.histogram("alpha/normal", [1.0], 1)
    log.close()
    assert not (folder.path / "tensorboard").exists()


def png(colour: tuple[int, int, int]) -> bytes:
    content = BytesIO()
    Image.new("RGB", (4, 4), colour).save(content, format="PNG")
    return content.getvalue()
