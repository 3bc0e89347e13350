"""What a search shows in TensorBoard beside its numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from tests.narrow_spaces import small

import autodas
from autodas.report import CellPictures
from autodas.search import Search

pytestmark = pytest.mark.slow

SPACE = small(autodas.get_space("cifar-o2d").with_size(K=1, C1=4, C2=8))


def search(
    folder: Path,
    name: str,
    pictures: Callable[[], dict[str, bytes]] | None,
    K: int = 1,
    epochs: int = 3,
    **options: Any,
) -> list[dict[str, Any]]:
    choice = autodas.choose_strategy(name, learning_rate=0.05)
    Search(
        autodas.open_dataset("digits", subset=100),
        SPACE.with_size(K=K),
        choice,
        keeping=autodas.Keeping(autodas.RunFolder(folder).create(), pictures=pictures, **options),
        epochs=epochs,
        batch_size=16,
        compute=autodas.Compute(check_memory=False),
    ).run()
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def board_of(folder: Path) -> Any:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    # All of them: by default it keeps a few pictures only.
    board = accumulators.EventAccumulator(str(folder / "tensorboard"), {"images": 0, "histograms": 0})
    board.Reload()
    return board


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """Folder and events of a search that draws its cells."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("drawn")
    return folder, search(folder, "sdas-b", CellPictures(folder), quiet=True)


def test_cells_and_weights_every_epoch(drawn: tuple[Path, list[dict[str, Any]]]) -> None:
    folder, events = drawn
    board = board_of(folder)
    epochs = [event["iteration"] for event in events if event["event"] == "epoch"]
    weights = {e["iteration"]: e["weights"] for e in events if e["event"] == "architecture"}
    for kind in ("normal", "reduction"):
        decided = {
            sum(e["event"] == "decision" and e["kind"] == kind and e["iteration"] <= epoch for e in events)
            for epoch in epochs
        }
        images = board.Images(f"cells/{kind}")
        assert len(images) == len(decided), "a picture for every epoch that has decided something"
        sizes = set()
        for image in images:
            with Image.open(BytesIO(image.encoded_image_string)) as picture:
                sizes.add(picture.size)
        assert len(sizes) == 1
        # What is decided has no weights any more.
        left = {
            epoch: sum(len(row) for row in weights[epoch][kind]["alpha"] if row is not None)
            for epoch in epochs
        }
        found = {e.step: e.histogram_value.num for e in board.Histograms(f"alpha/{kind}")}
        assert found == {epoch: count for epoch, count in left.items() if count}
    assert board.Tags()["scalars"], "the numbers are there as before"


def test_a_picture_that_fails_does_not_stop_the_search(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = []

    def fail() -> dict[str, bytes]:
        calls.append(1)
        raise RuntimeError("no room for pictures")

    events = search(tmp_path, "das", fail, K=0, epochs=2)
    assert events[-1]["event"] == "end"
    assert len(calls) == 1, "it is not tried again"
    assert "no figures of cells in TensorBoard: no room for pictures" in "".join(capsys.readouterr())


def test_without_a_board_nothing_is_drawn(tmp_path: Path) -> None:
    def never() -> dict[str, bytes]:
        raise AssertionError("drawn for nobody")

    events = search(tmp_path, "das", never, K=0, epochs=1, tensorboard=False, quiet=True)
    assert events[-1]["event"] == "end"


def test_pictures_change_nothing_of_the_search(
    drawn: tuple[Path, list[dict[str, Any]]], tmp_path: Path
) -> None:
    def bare(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{k: v for k, v in event.items() if k != "volatile"} for event in events]

    assert bare(drawn[1]) == bare(search(tmp_path, "sdas-b", None, quiet=True, tensorboard=False))
