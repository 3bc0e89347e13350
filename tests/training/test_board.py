"""TensorBoard beside the log of a run: what was shown after the checkpoint is hidden after a resume."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from autodas.loop import open_log
from autodas.runs.folder import RunFolder


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run").create()


def test_tensorboard_shows_each_step_once_after_a_resume(folder: RunFolder) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log = open_log(folder)
    for step in (5, 10):
        log.metrics(step, {"loss": float(step), "none": None, "nan": float("nan")})
    lengths = log.lengths
    for step in (15, 20):  # after the checkpoint; lost with the crash
        log.metrics(step, {"loss": -1.0})
    log.close()
    log = open_log(folder, lengths=lengths, step=10)
    for step in (15, 20, 25):
        log.metrics(step, {"loss": float(step)})
    log.close()
    board = accumulators.EventAccumulator(str(folder.path / "tensorboard"))
    board.Reload()
    assert board.Tags()["scalars"] == ["loss"]
    # The point of the checkpoint's own step stays.
    assert [(e.step, e.value) for e in board.Scalars("loss")] == [(s, float(s)) for s in (5, 10, 15, 20, 25)]


def test_files_are_in_the_order_of_their_names(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tenth and eleventh writer of a process, whose numbers 9 and 10 are in the wrong order as text."""
    files = pytest.importorskip("tensorboard.summary.writer.event_file_writer")
    monkeypatch.setattr(files, "_global_uid", files.AtomicCounter(9))
    board = folder.path / "tensorboard"
    open_log(folder).close()
    (first,) = board.iterdir()
    open_log(folder, step=1).close()
    assert sorted(board.iterdir())[0] == first


def test_without_tensorboard_no_files(folder: RunFolder) -> None:
    log = open_log(folder, tensorboard=False)
    assert log.board is None
    log.metrics(1, {"loss": 1.0})
    log.close()
    assert not (folder.path / "tensorboard").exists()


def test_pictures_and_histograms_after_a_resume(folder: RunFolder) -> None:
    """What was shown after the checkpoint is hidden, as for numbers."""
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    red, blue = (png((255, 0, 0)), png((0, 0, 255)))
    log = open_log(folder)
    assert log.board is not None
    for step in (5, 10):
        log.board.picture("cells/normal", red, step)
        log.board.histogram("alpha/normal", [0.0, 1.0], step)
    lengths = log.lengths
    log.board.picture("cells/normal", red, 15)
    log.board.histogram("alpha/normal", [0.0], 15)
    log.board.histogram("alpha/empty", [], 15)
    log.close()
    log = open_log(folder, lengths=lengths, step=10)
    assert log.board is not None
    log.board.picture("cells/normal", blue, 15)
    log.board.histogram("alpha/normal", [0.25, 0.5, 0.75], 15)
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


def png(colour: tuple[int, int, int]) -> bytes:
    content = BytesIO()
    Image.new("RGB", (4, 4), colour).save(content, format="PNG")
    return content.getvalue()
