"""``autodas export``, and the exported files in ``evaluate`` and ``predict``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from autodas.cli.main import main

pytestmark = pytest.mark.slow

SMALL = ["--skeleton.K=0", "--skeleton.C1=4", "--skeleton.C2=8", "--epochs=1", "--batch_size=32", "--quiet"]
DATA = ["--data=digits", "--data.subset=200"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a training on digits."""
    run = tmp_path_factory.mktemp("export") / "run"
    assert main(["train", "darts_v2", *DATA, *SMALL, "--tensorboard=false", f"--run={run}"]) == 0
    return run


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    assert main([*words, "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert main(["export", *words]) == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("to", "name", "options"),
    [
        ("onnx", "net.onnx", []),
        ("onnx", "inside.onnx", ["--normalise", "--probabilities", "--any_size", "--opset=20"]),
        ("torch", "net.pt2", ["--probabilities"]),
        ("safetensors", "net.safetensors", []),
    ],
)
def test_a_file_is_evaluated_like_its_run(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], to: str, name: str, options: list[str]
) -> None:
    file = tmp_path / name
    rows = printed(capsys, "export", str(run), f"--to={to}", "-o", str(file), *options)
    assert rows[-1]["bytes"] == file.stat().st_size
    wanted = printed(capsys, "evaluate", str(run), "--data=digits")
    found = printed(capsys, "evaluate", str(file), "--data=digits")
    assert found["model"] == str(file)
    assert found["loss"] == pytest.approx(wanted["loss"], rel=1e-4)
    assert found["recalls"] == wanted["recalls"]
    picture = tmp_path / "picture.png"
    pixels = np.random.default_rng(0).integers(0, 256, (30, 20), dtype=np.uint8)
    Image.fromarray(pixels).save(picture)
    (wanted,), (found,) = (printed(capsys, "predict", str(m), str(picture)) for m in (run, file))
    assert [guess["class"] for guess in found["top"]] == [guess["class"] for guess in wanted["top"]]
    for ours, theirs in zip(found["top"], wanted["top"], strict=True):
        assert ours["probability"] == pytest.approx(theirs["probability"], abs=1e-4)


def test_accuracies_of_all_forms(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the table says is what ``evaluate`` says of the file; integers are close to the network."""
    file = tmp_path / "net.onnx"
    words = [f"--output={file}", "--data=digits", "--int8", "--calibration=64"]
    network, integers = printed(capsys, "export", str(run), "--to=onnx", *words)
    assert (network["form"], integers["form"]) == ("network", "onnx, int8")
    evaluated = printed(capsys, "evaluate", str(file), "--data=digits")
    assert integers["loss"] == pytest.approx(evaluated["loss"])
    assert integers["samples"] == network["samples"] == 360
    assert integers["largest_difference"] > 0
    assert abs(integers["top1"] - network["top1"]) < 5
    assert 0 < network["milliseconds"] < 1000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--to=onnx", "-o=net.pt2"], "net.pt2: the name of the file must end in .onnx"),
        (["--to=torch", "-o=net.pt2", "--opset=20"], "--opset is for --to onnx: leave it out"),
        (["--to=torch", "-o=net.pt2", "--int8"], "--int8 is for --to onnx: leave it out"),
        (["--to=safetensors", "-o=n.safetensors", "--normalise"], "--normalise is for --to onnx and torch"),
        (
            ["--to=onnx", "-o=n.onnx", "--int8"],
            "--int8 needs samples for the ranges of values: name a data set",
        ),
        (
            ["--to=onnx", "-o=n.onnx", "--data=digits", "--calibration=9"],
            "--calibration is for --int8: leave",
        ),
        (["--to=onnx", "-o=n.onnx", "--int8", "--data=digits", "--calibration=0"], "must be at least 1"),
        (["--to=onnx", "-o=n.onnx", "--opset=9"], "opset=9 is too old: it must lie in [18, 23]"),
        (["--to=onnx", "-o=n.onnx", "--data.image_size=8"], "options of the data need a data set"),
        (["--to=coreml", "-o=n"], "coreml"),
        (["--to=onnx", "-o=nowhere/n.onnx"], "nowhere/n.onnx: cannot be written"),
    ],
)
def test_refusals(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refusal(capsys, str(run), *words)
    assert not any(tmp_path.iterdir())


def test_files_are_not_replaced_unasked(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "net.safetensors"
    file.write_text("mine")
    words = [str(run), "--to=safetensors", f"--output={file}"]
    assert "exists already; --overwrite replaces it" in refusal(capsys, *words)
    assert file.read_text() == "mine"
    printed(capsys, "export", *words, "--overwrite")
    assert file.stat().st_size > 1000


@pytest.mark.parametrize(("to", "option"), [("timm", []), ("hub", ["--license=mit"])])
def test_folders_are_evaluated_like_their_run(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], to: str, option: list[str]
) -> None:
    folder = tmp_path / "handed over"
    (row,) = printed(capsys, "export", str(run), f"--to={to}", f"--output={folder}", *option)
    assert row["bytes"] == sum(file.stat().st_size for file in folder.iterdir())
    wanted, found = (printed(capsys, "evaluate", str(m), "--data=digits") for m in (run, folder))
    assert found["loss"] == pytest.approx(wanted["loss"])
    if to == "hub":
        assert "license: mit" in (folder / "README.md").read_text()
    assert "--overwrite" in refusal(capsys, str(run), f"--to={to}", f"--output={folder}", *option)
    printed(capsys, "export", str(run), f"--to={to}", f"--output={folder}", "--overwrite", *option)


def test_a_missing_library_is_told(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    assert "autodas[export]" in refusal(capsys, str(run), "--to=onnx", f"-o={tmp_path / 'net.onnx'}")
