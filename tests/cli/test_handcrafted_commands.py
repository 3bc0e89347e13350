"""Commands that take the name of a hand-crafted network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autodas.cli.main import main


def profiled(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    assert main(["profile", *words, "--json"]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.slow
def test_profile(capsys: pytest.CaptureFixture[str]) -> None:
    facts = profiled(capsys, "resnet50-3d")
    # SDAS, table 8: 1.63 M and 1.30 G.
    assert facts["parameters"] / 2**20 == pytest.approx(1.63, rel=0.01)
    assert facts["multiply_adds"] / 2**30 == pytest.approx(1.30, rel=0.01)
    assert facts["input"] == [3, 16, 112, 112]
    assert [stage["name"] for stage in facts["stages"]][-2:] == ["stage 5", "classifier"]
    # The published ResNet-50, with 1000 classes.
    assert profiled(capsys, "resnet50-2d", "--width=1", "--classes=1000")["parameters"] == 25_557_032
    flow = profiled(capsys, "resnet50-3d", "--channels=2", "--image_size=56", "--frames=8")
    assert facts["parameters"] - flow["parameters"] == 16 * 49 + 16 * 3
    assert flow["input"] == [2, 8, 56, 56]


@pytest.mark.slow
def test_profile_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "senet-2d"]) == 0
    assert "3,471,126" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["resnet50"], "did you mean 'resnet50-"),
        (["bninceptoin-3d"], "did you mean 'bninception-3d'?"),
        (["darts_v3"], "did you mean 'darts_v"),
        (["senet-2d", "--preset=cifar10-eval"], "--preset"),
        (["senet-2d", "--skeleton.K=2"], "--skeleton"),
        (["senet-2d", "--width=0"], "width=0.0 must lie above 0"),
        (["darts_v2", "--width=0.5"], "--width is for hand-crafted networks"),
    ],
)
def test_refused_in_one_line(
    words: list[str], expected: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["profile", *words]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert expected in message


def test_a_file_goes_before_a_name(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("senet-2d").write_text("no genotype")
    assert main(["profile", "senet-2d"]) == 2
    assert "JSON" in capsys.readouterr().err
