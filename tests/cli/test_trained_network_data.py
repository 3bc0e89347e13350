"""What a trained network sees, in every command, and options that it has no use for."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from autodas.cli.main import main
from autodas.data import Loader, open_dataset
from autodas.training.model_file import ModelFacts, load_model

pytestmark = pytest.mark.slow

SMALL = ["--skeleton.K=0", "--skeleton.C1=8", "--skeleton.C2=16", "--epochs=1", "--batch_size=8", "--quiet"]
SMALL += ["--tensorboard=false"]


def picture(seed: int, bits: int, channels: int = 1) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 2**bits, (4, 4, channels))
    coarse[0, 0] = 2**bits - 1
    return np.kron(coarse, np.ones((6, 6, 1))).astype(np.uint8 if bits == 8 else np.uint16)


def make(root: Path, bits: int, channels: int = 1, count: int = 6, mode: str | None = None) -> Path:
    for split in ("train", "test"):
        for c, label in enumerate(("light", "wide")):
            (root / split / label).mkdir(parents=True)
            for i in range(count):
                values = picture(1000 * (split == "test") + 100 * c + i, bits, channels)
                image = Image.fromarray(values[..., 0] if channels == 1 else values)
                image.save(root / split / label / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """Data and a run, of colours, grey values and 12 bits."""
    found = {}
    for name, bits, channels in (("rgb", 8, 3), ("grey", 8, 1), ("deep", 12, 1)):
        folder = tmp_path_factory.mktemp(name)
        data = make(folder / "set", bits, channels)
        assert (
            main(["train", "darts_v2", f"--data=imagefolder:{data}", *SMALL, f"--run={folder / 'run'}"]) == 0
        )
        found[name] = (data, folder / "run")
    return found


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert main(list(words)) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]  # Notes on the data come before it.
    assert error.startswith("autodas: ")
    return error


def test_the_range_travels_with_the_weights(trained: Any) -> None:
    data, run = trained["deep"]
    _, facts = load_model(run)
    assert facts.value_range == (0, 4095)
    assert ModelFacts.from_json(facts.to_json(), "x") == facts
    assert load_model(trained["rgb"][1])[1].value_range is None
    # The brightest test picture is darker than that: the range is the network's all the same.
    for path in (data / "test").rglob("*.png"):
        values = np.asarray(Image.open(path)).astype(np.float32)
        found = facts.preprocess(path)[0, 0].numpy()
        np.testing.assert_allclose(found, (values / 4095 - facts.mean[0]) / facts.std[0], atol=1e-5)


@pytest.mark.parametrize("name", ["rgb", "grey", "deep"])
def test_every_command_sees_the_same(trained: Any, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    data, run = trained[name]
    network, facts = load_model(run)
    dataset = open_dataset(f"imagefolder:{data}")
    size = facts.image_size
    plain: dict[str, Any] = {"seed": 0, "shuffle": False, "augmentation": None}
    loader = Loader(
        dataset.test, None, batch_size=99, mean=facts.mean, std=facts.std, image_size=size, **plain
    )
    (batch,) = loader.batches(0)
    paths = [str(path) for path in dataset.test.paths or ()]
    own = torch.cat([facts.preprocess(path) for path in paths])
    assert torch.equal(own, batch.images)
    with torch.no_grad():
        expected = network(own).softmax(1)
    rows = pq.read_table(run / "predictions.parquet").to_pylist()
    assert [row["path"] for row in rows] == paths
    np.testing.assert_allclose([row["probabilities"] for row in rows], expected, atol=1e-5)
    found = printed(capsys, "predict", str(run), *paths)
    for row, probabilities in zip(found, expected, strict=True):
        top = {entry["class"]: entry["probability"] for entry in row["top"]}
        np.testing.assert_allclose([top[c] for c in facts.classes], probabilities, atol=1e-5)
    accuracy = (expected.argmax(1) == batch.labels).float().mean() * 100
    evaluated = printed(capsys, "evaluate", str(run), f"--data=imagefolder:{data}")
    assert evaluated["top1"] == pytest.approx(float(accuracy))


def test_preprocessing_takes_pictures_in_memory(trained: Any) -> None:
    data, run = trained["deep"]
    _, facts = load_model(run)
    path = next((data / "test").rglob("*.png"))
    image = Image.open(path)
    for held in (image, np.asarray(image), torch.from_numpy(np.asarray(image).astype(np.int32))[None]):
        assert torch.equal(facts.preprocess(held), facts.preprocess(path))


def test_grey_pictures_for_a_network_of_colours_and_back(
    trained: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for network, other in (("rgb", "grey"), ("grey", "rgb")):
        data, run = trained[other][0], trained[network][1]
        evaluated = printed(capsys, "evaluate", str(run), f"--data=imagefolder:{data}")
        found = printed(capsys, "predict", str(run), str(data / "test"))
        right = [row["top"][0]["class"] == Path(row["file"]).parent.name for row in found]
        assert evaluated["count"] == len(right) == 12
        assert evaluated["top1"] == pytest.approx(100 * sum(right) / 12)


def test_a_network_of_eight_bits_wants_to_know_the_range(
    trained: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    data, run = trained["deep"][0], trained["grey"][1]
    words = ["evaluate", str(run), f"--data=imagefolder:{data}"]
    assert "trained on 8-bit images" in (error := refusal(capsys, *words))
    assert "--data.value_range=0,4095" in error
    path = str(next((data / "test").rglob("*.png")))
    assert "none of the files could be read" in refusal(capsys, "predict", str(run), path)
    evaluated = printed(capsys, *words, "--data.value_range=0,4095")
    found = printed(capsys, "predict", str(run), str(data / "test"), "--value_range=0,4095")
    right = [row["top"][0]["class"] == Path(row["file"]).parent.name for row in found]
    assert evaluated["top1"] == pytest.approx(100 * sum(right) / 12)


@pytest.mark.parametrize(
    ("network", "option", "says"),
    [
        ("rgb", "--data.image_size=64", "data.image_size is 64, but {run} was trained with 24"),
        ("rgb", "--data.channels=1", "data.channels is 1, but {run} was trained with 3"),
        (
            "deep",
            "--data.value_range=0,1023",
            "data.value_range is 0,1023, but {run} was trained with 0,4095",
        ),
        ("rgb", "--data.modality=flow", "data.modality is flow, but {run} was trained with rgb"),
        ("rgb", "--data.subset=4", "data.subset is for training"),
        ("rgb", "--data.groups=_(.)", "data.groups is for training"),
        ("rgb", "--data.flip=false", "data.flip is for training"),
        ("rgb", "--data.cutout=4", "data.cutout is for training"),
        ("rgb", "--data.max_image_size=16", "data.max_image_size is for training"),
        ("rgb", "--test_clips=3", "test_clips is for videos"),
    ],
)
def test_options_that_would_be_ignored_are_errors(
    trained: Any, network: str, option: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data, run = trained[network]
    error = refusal(capsys, "evaluate", str(run), f"--data=imagefolder:{data}", option)
    assert says.format(run=run) in error


def test_other_commands_refuse_what_they_would_ignore(
    trained: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, run = trained["rgb"]
    words = ["train", "darts_v2", f"--data=imagefolder:{data}", *SMALL, f"--run={tmp_path / 'r'}"]
    assert "test_clips is for videos" in refusal(capsys, *words, "--test_clips=3")
    assert not (tmp_path / "r").exists()
    path = str(next(data.rglob("*.png")))
    assert "test_clips is for videos" in refusal(capsys, "predict", str(run), path, "--test_clips=3")
    assert "json and csv are mutually exclusive" in refusal(
        capsys, "predict", str(run), path, "--json", "--csv"
    )
    error = refusal(capsys, "search", "--dry_run", "--data=moving-digits", "--data.value_range=0,9")
    assert "value_range is for images" in error


def test_data_check_takes_the_options_of_the_data(
    trained: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, _ = trained["deep"]
    sheet = tmp_path / "sheet.png"
    words = ["data", "check", f"imagefolder:{data}", "-o", str(sheet), "--data.image_size=16"]
    words += ["--data.value_range=0,2047", "--data.channels=3", "--data.crop_padding=0", "--data.flip=false"]
    found = printed(capsys, *words)
    assert (found["image_size"], found["channels"], found["value_range"]) == (16, 3, [0, 2047])
    assert found["augmentation"] == "none"
    # Without augmentation the first tile is the first picture, six times as large.
    first = np.asarray(
        Image.open(data / "train/light/0.png").convert("F").resize((16, 16), Image.Resampling.BILINEAR)
    )
    tile = np.asarray(Image.open(sheet))[4 : 4 + 96, 4 : 4 + 96]
    first = np.asarray(Image.open(data / "train/light/0.png"))
    clipped = first.clip(0, 2047).astype(np.float32) / 2047 * 255
    expected = np.asarray(Image.fromarray(clipped).resize((16, 16), Image.Resampling.BILINEAR))
    np.testing.assert_allclose(tile[3::6, 3::6, 0], expected, atol=1.01)
    assert "unknown option '--data.name'" in refusal(capsys, *words, "--data.name=digits")
    assert "cannot be written as an image" in refusal(capsys, *words[:3], "-o", str(tmp_path / "no/x.png"))


def test_libraries_do_not_speak_on_the_terminal(trained: Any, tmp_path: Path) -> None:
    stream = io.BytesIO()
    image = Image.fromarray(picture(0, 8, 3))
    image.save(stream, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x20\x01\x12\xff\xff")
    (tmp_path / "exif.jpg").write_bytes(stream.getvalue())
    Image.fromarray(np.kron(picture(0, 8, 3), np.ones((8, 8, 1), np.uint8))).save(
        tmp_path / "whole.tif", compression="tiff_lzw"
    )
    damaged = bytearray((tmp_path / "whole.tif").read_bytes())
    damaged[200:300] = b"\xff" * 100
    (tmp_path / "damaged.tif").write_bytes(damaged)
    large = Image.new("1", (13_000, 10_000))  # Pillow warns of so many pixels.
    large.save(tmp_path / "large.png")
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "default",
            "-m",
            "autodas",
            "predict",
            str(trained["rgb"][1]),
            str(tmp_path),
            "--csv",
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    (line,) = (line for line in done.stderr.strip().splitlines() if not line.startswith("note: "))
    assert line.startswith("autodas: skipped: ")
    assert "damaged.tif: cannot be read as an image (damaged: " in line
    assert {Path(row["file"]).name for row in csv.DictReader(io.StringIO(done.stdout))} == {
        "exif.jpg",
        "whole.tif",
        "large.png",
    }
