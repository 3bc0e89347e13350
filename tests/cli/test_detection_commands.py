"""Detection on the command line: train, evaluate, predict, draw, report, and what is refused."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.cli.test_bad_input import refused
from tests.detection.conftest import TEST, TRAIN, write_coco, write_voc, xml
from tests.trained_networks import write_images_network

from autodas.cli.main import main

for library in ("transformers", "faster_coco_eval"):
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed", allow_module_level=True)

SIZES = ["--detector.hidden=16", "--detector.feedforward=16", "--detector.heads=2", "--detector.queries=10"]
SIZES += ["--detector.decoder_layers=1", "--detector.denoising=4", "--data.image_size=32", "--batch_size=2"]
CELLS = ["--skeleton.K=0", "--skeleton.C1=8", "--skeleton.C2=8"]
SMALL = [*SIZES, *CELLS, "--epochs=1", "--quiet", "--tensorboard=false"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, and a run of a training on them, whose score has no meaning."""
    folder = tmp_path_factory.mktemp("detection")
    write_voc(folder / "voc", {"trainval": TRAIN, "test": TEST})
    write_coco(folder / "coco", {"train": TRAIN, "val": TEST})
    words = ["train", "darts_v2", "--task=detection", f"--data=voc:{folder / 'voc'}", *SMALL]
    assert main([*words, f"--run={folder / 'run'}"]) == 0
    return folder


def printed(capsys: pytest.CaptureFixture[str], *words: object) -> Any:
    capsys.readouterr()
    assert main([*map(str, words), "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


@pytest.mark.slow
class TestTrain:
    def test_prints_the_result(
        self, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        words = ["train", "darts_v2", "--task=detection", f"--data=coco:{folder / 'coco'}", *SMALL]
        assert main([*words, f"--run={tmp_path / 'run'}", "--test_every=1"]) == 0
        out = capsys.readouterr().out
        assert "test mAP" in out
        assert "(3 boxes in 2 images)" in out
        assert "note: the metrics of the test were monitored" in out

    def test_the_task_comes_from_a_preset_or_a_configuration(
        self, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        data = f"--data=voc:{folder / 'voc'}"
        words = ["train", "darts_v2", "--preset=detection-cpu", data, *SMALL]
        summary = printed(capsys, *words, f"--run={tmp_path / 'preset'}")
        assert summary["task"] == "detection"
        again = printed(
            capsys, "train", f"--config={folder / 'run/config.yaml'}", f"--run={tmp_path / 'two'}"
        )
        assert again["test"] == json.loads((folder / "run/summary.json").read_text())["test"]

    def test_resume_of_a_finished_run(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert "this run is finished" in refused(capsys, "train", f"--resume={folder / 'run'}")

    def test_a_killed_run_goes_on(
        self, folder: Path, tmp_path: Path, killed_after: Callable[..., None]
    ) -> None:
        from autodas.detection import DetectorFit

        words = [
            "train",
            "darts_v2",
            "--task=detection",
            f"--data=voc:{folder / 'voc'}",
            *SMALL,
            "--epochs=3",
        ]
        assert main([*words, f"--run={tmp_path / 'whole'}"]) == 0
        killed_after(DetectorFit, "step", 3, *words, f"--run={tmp_path / 'killed'}")
        assert main(["train", f"--resume={tmp_path / 'killed'}", "--quiet"]) == 0
        for name in ("model.safetensors", "summary.json", "metrics.csv"):
            whole, killed = ((tmp_path / run / name).read_bytes() for run in ("whole", "killed"))
            assert whole == killed, name

    def test_weights_of_a_run_and_networks_of_timm(
        self, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write_images_network(tmp_path / "net")
        data = f"--data=voc:{folder / 'voc'}"
        own = ["--task=detection", data, *SIZES, "--epochs=1", "--quiet", "--tensorboard=false"]
        words = ["train", tmp_path / "net", *own, "--detector.strides=1,2,4", f"--run={tmp_path / 'one'}"]
        assert printed(capsys, *words)["genotype"] == "DARTS_V2"
        assert "weights of" in (tmp_path / "one/events.jsonl").read_text()
        if find_spec("timm") is not None:
            words = ["train", "timm:resnet10t", *own, f"--run={tmp_path / 'two'}"]
            assert printed(capsys, *words)["genotype"] == "timm:resnet10t"
            assert not (tmp_path / "two/genotype.json").exists()

    def test_help_shows_its_own_options(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["train", "--task=detection", "--help-all"]) == 0
        out = capsys.readouterr().out
        assert "--detector.queries" in out
        assert "--drop_path" not in out


@pytest.mark.slow
class TestEvaluate:
    def test_gives_the_numbers_of_the_training(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        summary = json.loads((folder / "run/summary.json").read_text())
        found = printed(capsys, "evaluate", folder / "run", f"--data=voc:{folder / 'voc'}")
        for name in ("map", "map50", "map75", "per_class", "count", "boxes"):
            assert found[name] == summary["test"][name]
        other = printed(
            capsys, "evaluate", folder / "run/model.safetensors", f"--data=coco:{folder / 'coco'}"
        )
        assert other["map"] == pytest.approx(summary["test"]["map"])

    def test_says_what_was_trained_on(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        words = [f"--data=voc:{folder / 'voc'}", "--data.test_split=trainval"]
        found = printed(capsys, "evaluate", folder / "run", *words)
        assert found["trained_on"] == found["count"] == 5
        assert "unseen" not in found
        with open(folder / "voc/ImageSets/Main/both.txt", "w") as file:
            file.write("a\nt\nu\n")
        found = printed(capsys, "evaluate", folder / "run", words[0], "--data.test_split=both")
        assert (found["trained_on"], found["unseen"]["count"], found["unseen"]["boxes"]) == (1, 2, 3)

    def test_prints_text(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        capsys.readouterr()
        assert main(["evaluate", str(folder / "run"), f"--data=voc:{folder / 'voc'}"]) == 0
        out = capsys.readouterr().out
        assert "map50" in out
        assert "cell" in out


@pytest.mark.slow
class TestPredict:
    @pytest.fixture
    def images(self, folder: Path, tmp_path: Path) -> Path:
        (tmp_path / "in").mkdir()
        for name in ("t", "u"):
            shutil.copy(folder / f"voc/JPEGImages/{name}.png", tmp_path / f"in/{name}.png")
        return tmp_path / "in"

    def test_boxes_in_three_forms(
        self, folder: Path, images: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        words = ["predict", str(folder / "run"), str(images), "--score=0.01", "--top=3"]
        rows = printed(capsys, *words)
        assert [Path(row["file"]).name for row in rows] == ["t.png", "u.png"]
        boxes = rows[0]["boxes"]
        assert 1 <= len(boxes) <= 3
        assert set(boxes[0]) == {"class", "score", "left", "top", "right", "bottom"}
        assert boxes[0]["class"] in ("cell", "spot")
        assert 0 <= boxes[0]["left"] <= boxes[0]["right"] <= 80
        assert 0 <= boxes[0]["top"] <= boxes[0]["bottom"] <= 60
        scores = [box["score"] for box in boxes]
        assert scores == sorted(scores, reverse=True)
        assert main([*words, "--csv"]) == 0
        table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
        assert [row["rank"] for row in table if row["file"].endswith("t.png")] == ["1", "2", "3"][
            : len(boxes)
        ]
        assert float(table[0]["left"]) == pytest.approx(boxes[0]["left"], abs=1e-5)
        assert main(words) == 0
        assert f"{boxes[0]['class']} {100 * boxes[0]['score']:.1f} % (" in capsys.readouterr().out

    def test_the_lowest_score(self, folder: Path, images: Path, capsys: pytest.CaptureFixture[str]) -> None:
        rows = printed(capsys, "predict", folder / "run", images, "--score=0.01", "--top=100")
        scores = sorted((box["score"] for box in rows[0]["boxes"]), reverse=True)
        middle = (scores[2] + scores[3]) / 2
        rows = printed(capsys, "predict", folder / "run", images, f"--score={middle}", "--top=100")
        assert [box["score"] for box in rows[0]["boxes"]] == scores[:3]
        assert main(["predict", str(folder / "run"), str(images), "--score=1"]) == 0
        assert "t.png: nothing found" in capsys.readouterr().out

    def test_drawings(
        self, folder: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (images / "more").mkdir()
        shutil.copy(images / "u.png", images / "more/t.png")
        words = ["predict", str(folder / "run"), str(images), "--score=0.01", "--top=1"]
        rows = printed(capsys, *words, "--draw", tmp_path / "out/boxes")
        assert sorted(path.name for path in (tmp_path / "out/boxes").iterdir()) == [
            "t-2.png",
            "t.png",
            "u.png",
        ]
        row = next(row for row in rows if row["file"].endswith("u.png"))
        before, after = (np.asarray(Image.open(p)) for p in (row["file"], tmp_path / "out/boxes/u.png"))
        changed = (before != after).any(axis=2)
        (box,) = row["boxes"]
        bottom, left, right = int(box["bottom"]) - 1, int(box["left"]), int(box["right"])
        assert before.shape == after.shape
        assert changed[bottom - 1 : bottom + 2, left + 1 : right - 1].any(axis=0).all(), "the lower edge"

    def test_a_drawing_replaces_no_image(
        self, folder: Path, images: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        before = (images / "t.png").read_bytes()
        message = refused(capsys, "predict", folder / "run", images / "t.png", f"--draw={images}")
        assert "t.png: is one of the images" in message
        assert (images / "t.png").read_bytes() == before

    def test_a_broken_image_does_not_cost_the_others(
        self, folder: Path, images: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (images / "b.png").write_bytes(b"\x89PNG no image")
        assert main(["predict", str(folder / "run"), str(images), "--score=0.01"]) == 2
        done = capsys.readouterr()
        assert "t.png: " in done.out
        assert "skipped" in done.err


@pytest.mark.slow
class TestReport:
    def test_shows_a_detector(self, folder: Path, tmp_path: Path) -> None:
        assert main(["report", str(folder / "run"), "-o", str(tmp_path / "page.html")]) == 0
        page = (tmp_path / "page.html").read_text()
        assert "Average precision of classes" in page
        assert "cross-entropy" not in page
        shutil.copytree(folder / "run", tmp_path / "again")
        both = [str(folder / "run"), str(tmp_path / "again")]
        assert main(["report", *both, "-o", str(tmp_path / "both.html")]) == 0
        assert "test mAP, %" in (tmp_path / "both.html").read_text()


def test_what_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    voc = write_voc(tmp_path / "voc", {"trainval": TRAIN, "test": TEST})
    monkeypatch.chdir(tmp_path)
    base = ["train", "darts_v2", "--task=detection", f"--data=voc:{voc}", *SMALL]
    for words, expected in (
        ([*base, "--drop_path=0.1"], "unknown option '--drop_path'"),
        ([*base, "--data.cutout=8"], "unknown option '--data.cutout'"),
        ([*base, "--auxiliary=true"], "unknown option '--auxiliary'"),
        ([*base, "--compute.precision=bf16"], "compute.precision=bf16 is not for detectors"),
        ([*base, "--compute.graphs=off"], "compute.graphs=off is not for detectors"),
        ([*base, "--data.image_size=40"], "image_size=40 must be a multiple of 32"),
        ([*base, "--detector.hidden=18"], "hidden=18 must be a multiple of 4"),
        ([*base, "--data.workers=-1"], "workers=-1"),
        ([*base, "--data=voc:nowhere"], "there is no folder 'nowhere'"),
        ([*base, "--data=digits"], "unknown data set 'digits' for detection"),
        ([*base, "--detector.strides=8,16"], "image_size=32"),
        ([*base, "--skeleton=cifar"], "has no map of stride 8"),
        (["train", "resnet50-2d", *base[2:]], "is a network for clips"),
        (["train", "darts_v9", *base[2:]], "darts_v"),
        (["train", "timm:resnet18", *base[2:]], "skeleton.K is for genotypes, but timm:resnet18 has its own"),
        (["train", "darts_v2", f"--data=voc:{voc}"], "which are for --task detection"),
        (
            ["train", "darts_v2", f"--data=coco:{voc}", *base[2:3], *SMALL],
            "no annotations in the layout of COCO",
        ),
    ):
        if expected == "image_size=32":
            words = [*words, "--detector.queries=21"]  # 4 x 4 and 2 x 2 places
            expected = "queries=21 is more than the 20 places"
        assert expected in refused(capsys, *words)
    (voc / "Annotations/b.xml").write_text(xml(80, 60, [("cell", 90, 0, 95, 5)]))
    message = refused(capsys, *base)
    assert "b.xml: the box of 'cell' (90, 0, 95, 5) lies outside the image" in message
    assert "--data.max_bad" in message
    assert [path.name for path in tmp_path.iterdir()] == ["voc"], "nothing is written before"


@pytest.mark.slow
def test_a_detector_is_no_classifier(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, image = folder / "run", folder / "voc/JPEGImages/t.png"
    write_images_network(tmp_path / "net")
    for words, expected in (
        (["predict", run, image, "--test_clips=3"], "unknown option '--test_clips'"),
        (["predict", run, image, "--every=1s"], "unknown option '--every'"),
        (["predict", run, image, "--score=2"], "score=2.0 must lie in [0, 1]"),
        (["predict", run, image, "--json", "--csv"], "mutually exclusive"),
        (["predict", run, "nowhere.png"], "nowhere.png: does not exist"),
        (["predict", run, image, f"--draw={image}"], "cannot be created"),
        (["evaluate", run, f"--data=voc:{folder / 'voc'}", "--fuse=x"], "unknown option '--fuse'"),
        (["evaluate", run, f"--data=voc:{folder / 'voc'}", "--data.train_split=x"], "--data.train_split"),
        (["evaluate", run, "--data=digits"], "unknown data set 'digits' for detection"),
        (["evaluate", tmp_path / "net", f"--data=voc:{folder / 'voc'}"], "holds images with boxes"),
        (["export", run, "--to=onnx", "-o", tmp_path / "x.onnx"], "holds a detector"),
        (["train", "darts_v2", "--data=digits", f"--weights={run}"], "holds a detector"),
    ):
        assert expected in refused(capsys, *words), words
