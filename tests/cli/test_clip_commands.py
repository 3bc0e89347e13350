"""Clips as commands take them: their speed, crops of tests, predictions along a video, stored frames."""

from __future__ import annotations

import csv
import gc
import io
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from tests.data.videos import moving_square, write_classes, write_video

from autodas import load_model
from autodas.cli._settings import DataConfig
from autodas.cli.evaluate import _with_clips
from autodas.cli.main import main
from autodas.data import FlowEncoding, _read_video, normalise
from autodas.data.frames._sources import VideoFiles
from autodas.data_options import Flow
from autodas.errors import AutodasError

pytestmark = pytest.mark.slow

GENOTYPE = str(Path(__file__).parents[2] / "docs/genotypes/oadv_example.json")
SIZE = ["--skeleton.name=video", "--skeleton.K=0", "--skeleton.C1=4", "--skeleton.C2=8", "--batch_size=4"]


def printed(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main(list(words)) == code
    return capsys.readouterr().out


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return the one line that a user is told."""
    capsys.readouterr()
    assert main(list(words)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_classes(tmp_path_factory.mktemp("clips") / "set", train=3, test=2, frames=14)


@pytest.fixture(scope="module")
def net(videos: Path) -> Path:
    """Trained on clips of four frames, a tenth of a second apart; tested on three crops of two clips."""
    torch.set_num_threads(1)
    folder = videos.parent / "net"
    words = ["train", GENOTYPE, f"--data=videofolder:{videos}", "--data.frames=4", "--data.image_size=16"]
    words += ["--data.fps=10", "--test_clips=2", "--test_crops=3", "--tensorboard=false", "--quiet", *SIZE]
    assert main([*words, "--epochs=1", f"--run={folder}"]) == 0
    return folder


@pytest.fixture(scope="module")
def long_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 frames, 25 a second."""
    return write_video(tmp_path_factory.mktemp("long") / "long.mp4", moving_square(60, 0, 3), key_every=9)


def test_tests_of_three_crops(net: Path, videos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = json.loads((net / "summary.json").read_text())["test"]
    assert (summary["count"], summary["clips"]) == (4, 24)
    words = ["evaluate", str(net), f"--data=videofolder:{videos}", "--test_clips=2", "--json"]
    found = json.loads(printed(capsys, *words, "--test_crops=3", "--batch_size=5"))
    assert found["loss"] == pytest.approx(summary["loss"], rel=1e-5)
    assert json.loads(printed(capsys, *words))["clips"] == 8
    assert refusal(capsys, *words, "--test_crops=0").endswith("test_crops=0 must be at least 1")
    # The same scores for single files.
    path = str(videos / "test/down/0.mp4")
    rows = json.loads(
        printed(capsys, "predict", str(net), path, "--test_clips=2", "--test_crops=3", "--json")
    )
    import pyarrow.parquet as pq

    table = pq.read_table(net / "predictions.parquet").to_pydict()
    by_class = {entry["class"]: entry["probability"] for entry in rows[0]["top"]}
    place = table["index"].index(0)
    assert [by_class["down"], by_class["right"]] == pytest.approx(table["probabilities"][place], abs=1e-4)


def test_the_speed_of_clips_travels_with_the_weights(
    net: Path, videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, facts = load_model(net)
    assert facts.clips is not None
    assert (facts.clips.frames, facts.clips.fps, facts.clips.starts) == (4, 10, "random")
    words = ["evaluate", str(net), f"--data=videofolder:{videos}", "--test_clips=1", "--json"]
    own = json.loads(printed(capsys, *words))
    assert json.loads(printed(capsys, *words, "--data.fps=10")) == own
    for other in ("--data.fps=25", "--data.frame_step=1", "--data.sampling=sparse"):
        assert json.loads(printed(capsys, *words, other))["loss"] != own["loss"]
    line = refusal(capsys, *words, "--data.fps=10", "--data.frame_step=2")
    assert "fps and frame_step are mutually exclusive" in line


def test_flow_is_made_as_in_training(net: Path) -> None:
    _, facts = load_model(net)
    assert facts.clips is not None
    for method in get_args(Flow):
        seen = replace(facts, modality="flow", flow=FlowEncoding(method))
        data = _with_clips(DataConfig(name="x"), seen, facts.clips)
        assert (data.modality, data.flow, data.fps) == ("flow", method, 10)
    with pytest.raises(AutodasError, match=r"trained on flow from tvl1: leave out data\.flow dis"):
        _with_clips(DataConfig(name="x", flow="dis"), replace(seen, flow=FlowEncoding("tvl1")), facts.clips)


class TestAlong:
    # Seconds 0, 1 and 2 (the last has ten frames); frames 0, 2.5, 5 and 7.5 after the first one of a clip.
    PARTS = ((0, 25, [8, 11, 13, 16]), (25, 50, [33, 36, 38, 41]), (50, 60, [50, 53, 55, 58]))

    def expected(self, net: Path, video: Path, frames: list[int]) -> list[float]:
        network, facts = load_model(net)
        # A short side of 18 for crops of 16: the centre begins at 1.
        pixels = VideoFiles([str(video)]).read(0, frames, 18)[:, 1:17, 1:17]
        clip = torch.from_numpy(np.ascontiguousarray(pixels)).permute(3, 0, 1, 2)[None]
        with torch.no_grad():
            found: list[float] = network(normalise(clip, facts.mean, facts.std)).softmax(1)[0].tolist()
        return found

    def test_a_prediction_for_each_second(
        self, net: Path, long_video: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        words = ["predict", str(net), str(long_video), "--every=1s"]
        rows = json.loads(printed(capsys, *words, "--json"))
        assert [(row["start"], row["end"]) for row in rows] == [(a / 25, b / 25) for a, b, _ in self.PARTS]
        for row, (_, _, frames) in zip(rows, self.PARTS, strict=True):
            found = {entry["class"]: entry["probability"] for entry in row["top"]}
            expected = self.expected(net, long_video, frames)
            assert [found["down"], found["right"]] == pytest.approx(expected, abs=1e-5)
            assert row["file"] == str(long_video)
        lines = printed(capsys, *words, "--top=1").splitlines()
        assert [line.partition(" s: ")[0] for line in lines] == [
            f"{long_video} {span}" for span in ("0.00-1.00", "1.00-2.00", "2.00-2.40")
        ]
        table = list(csv.DictReader(io.StringIO(printed(capsys, *words, "--csv"))))
        assert [row["start"] for row in table] == ["0.000", "0.000", "1.000", "1.000", "2.000", "2.000"]
        assert float(table[4]["probability"]) == pytest.approx(rows[2]["top"][0]["probability"], abs=1e-5)
        # However few clips fit into memory.
        monkeypatch.setattr(_read_video, "_MEMORY", 1)
        assert json.loads(printed(capsys, *words, "--json")) == rows

    def test_other_spans(
        self, net: Path, long_video: Path, videos: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        words = ["predict", str(net), str(long_video), "--json", "--test_crops=3"]
        for every, ends in (
            ("0.5", [0.48, 1.0, 1.48, 2.0, 2.4]),
            ("500ms", [0.48, 1.0, 1.48, 2.0, 2.4]),
            ("1min", [2.4]),
        ):
            rows = json.loads(printed(capsys, *words, f"--every={every}"))
            assert [row["end"] for row in rows] == pytest.approx(ends)
            assert [row["start"] for row in rows] == pytest.approx([0, *ends[:-1]])
        # Shorter than a frame: one prediction a frame.
        assert len(json.loads(printed(capsys, *words, "--every=1ms"))) == 60
        # One row after the other, file by file; what is broken is skipped.
        broken = videos.parent / "broken.mp4"
        broken.write_bytes(b"no video")
        folder = str(videos / "test/right")
        assert main(["predict", str(net), str(broken), folder, "--every=1s", "--json"]) == 2
        output = capsys.readouterr()
        assert [Path(row["file"]).name for row in json.loads(output.out)] == ["0.mp4", "1.mp4"]
        assert f"skipped: {broken}: cannot be read as a video" in output.err

    def test_refused(
        self, net: Path, long_video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        words = ["predict", str(net), str(long_video)]
        for text in ("0", "-1s", "1 week", "", "nan", "1e3s"):
            assert "is not a duration: write 0.5, 1s" in refusal(capsys, *words, f"--every={text}")
        line = refusal(capsys, *words, "--every=1s", "--test_clips=3")
        assert "every uses one clip for each part of a video: leave out test_clips" in line
        from PIL import Image

        for number, frame in enumerate(moving_square(6, 0, 0)):
            Image.fromarray(frame).save(tmp_path / f"{number}.png")
        assert main(["predict", str(net), str(tmp_path), "--every=1s"]) == 2
        assert "its frame rate is unknown" in capsys.readouterr().err


def test_stored_frames_are_listed_and_cleared(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = f"--folder={tmp_path / 'cache'}"
    words = ["data", "cache"]
    assert f"nothing is stored in {tmp_path / 'cache'}" in printed(capsys, *words, "list", folder)
    check = ["data", "check", f"videofolder:{videos}", "--json", f"--data.cache={tmp_path / 'cache'}"]
    facts = json.loads(printed(capsys, *check, "--data.storage=compressed", "--data.image_size=16"))
    assert facts["train"]["storage"] == "compressed"
    gc.collect()
    (row,) = json.loads(printed(capsys, *words, "list", folder, "--json"))
    assert (row["what"], row["data"], row["files"]) == ("frames", f"videofolder:{videos}", 10)
    assert (row["in_use"], row["unused_days"]) == (False, 0.0)
    stored = Path(row["folder"])
    # Nothing is deleted that was used lately, or without --yes.
    assert json.loads(printed(capsys, *words, "clear", folder, "--older=1d", "--yes", "--json")) == []
    assert "nothing deleted: add --yes to delete" in printed(capsys, *words, "clear", folder)
    for path in [*stored.iterdir(), stored]:
        os.utime(path, (1e9, 1e9))
    assert len(list(stored.glob("*.frames"))) == 10
    (row,) = json.loads(printed(capsys, *words, "clear", folder, "--older=30d", "--yes", "--json"))
    assert (row["deleted"], stored.exists(), videos.exists()) == ("yes", False, True)
    assert "yes is only for 'autodas data cache clear'" in refusal(capsys, *words, "list", folder, "--yes")
    assert "is not a duration" in refusal(capsys, *words, "clear", folder, "--older=soon")


def test_presets_of_the_paper_begin_clips_on_the_grid(capsys: pytest.CaptureFixture[str]) -> None:
    for command, name in (
        ("search", "kinetics10-search"),
        ("search", "ucf101-search"),
        ("search", "hmdb51-search"),
    ):
        text = printed(capsys, command, f"--preset={name}", "--print_config")
        assert "starts: grid" in text
        # Another speed of clips is a matter of one option.
        assert "fps: 10" in printed(capsys, command, f"--preset={name}", "--data.fps=10", "--print_config")
    for name in ("kinetics10-eval", "kinetics400-eval", "ucf101-eval", "hmdb51-eval"):
        assert "starts: grid" in printed(capsys, "train", GENOTYPE, f"--preset={name}", "--print_config")
    assert "starts: random" in printed(capsys, "search", "--preset=video-quickstart", "--print_config")
