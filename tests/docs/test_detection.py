"""The page on detection: its example, and its table of what was measured."""

from __future__ import annotations

import json
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.detection.conftest import TEST, TRAIN, write_voc

from autodas.cli.main import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "detection.md").read_text()


@pytest.mark.slow
def test_the_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for library in ("transformers", "faster_coco_eval"):
        if find_spec(library) is None:
            pytest.skip(f"{library} is not installed")
    monkeypatch.chdir(tmp_path)
    folder = write_voc(Path("bccd"), {"trainval": TRAIN, "test": TEST})
    shutil.copy(folder / "JPEGImages/t.png", folder / "JPEGImages/BloodImage_00007.jpg")
    words = ["train", "darts_v2", "--preset=detection-cpu", "--data=voc:bccd", "--epochs=1", "--quiet"]
    words += ["--data.image_size=64", "--run=runs/cells-detector", "--tensorboard=false", "--batch_size=2"]
    assert main(words) == 0
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(block.replace("> 0.5", "> 0.0"), "detection.md", "exec"), {})
    assert "cell" in capsys.readouterr().out
    assert Path("drawing.png").stat().st_size > 0


def test_the_table_is_what_was_measured() -> None:
    methods = json.loads((ROOT / "benchmarks/results/detection_bccd.json").read_text())["methods"]
    rows = re.findall(
        r"^\| `([^|]+)` \| (\d+) \| ([\d.]+) ± ([\d.]+) \| ([\d.]+) ± ([\d.]+) \| ([\d,]+) \|", PAGE, re.M
    )
    assert len(rows) == len(methods) == 3
    for name, count, *numbers, thousands in rows:
        own = methods[name]
        assert int(count) == own["count"]
        found = [own[key] for key in ("map50", "map50_deviation", "map", "map_deviation")]
        assert numbers == [f"{number:.1f}" for number in found]
        assert thousands == f"{own['parameters'] / 1000:,.0f}"
