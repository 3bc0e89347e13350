"""Detectors around searched, random and hand-made networks: the script on a few images."""

from __future__ import annotations

import json
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest
from tests.detection.conftest import TEST, TRAIN, write_voc

from autodas.zoo import load_genotype

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return import_module("detection")


def test_means(script: ModuleType) -> None:
    numbers = {"parameters": 100, "cpu_minutes": 2.0, "map": 10.0}
    rows = [
        {"method": "a", "map50": 60.0, **numbers},
        {"method": "a", "map50": 64.0, **numbers},
        {"method": "b", "map50": 50.0, **numbers},
    ]
    found = script.means(rows)
    assert found["a"]["map50"] == 62
    assert found["a"]["map50_deviation"] == pytest.approx(8**0.5)
    assert "map50_deviation" not in found["b"]


@pytest.mark.slow
def test_a_small_measurement(script: ModuleType, tmp_path: Path) -> None:
    for library in ("transformers", "timm", "faster_coco_eval"):
        if find_spec(library) is None:
            pytest.skip(f"{library} is not installed")
    load_genotype("darts_v2").save(tmp_path / "g.json")
    voc = write_voc(tmp_path / "voc", {"trainval": TRAIN, "test": TEST})
    sizes = ["data.image_size=32", "detector.hidden=16", "detector.heads=2", "detector.queries=10"]
    words = [
        f"--data=voc:{voc}",
        f"--searched={tmp_path / 'g.json'}",
        "--parameters=20000",
        "--timm=resnet10t",
    ]
    words += [f"--run={tmp_path / 'runs'}", f"--output={tmp_path / 'out.json'}", "--K=0"]
    words += ["--train", *sizes, "detector.feedforward=16", "epochs=1", "batch_size=2"]
    script.main(words)
    facts = json.loads((tmp_path / "out.json").read_text())
    methods = ["random cells", "searched cells", "timm:resnet10t"]
    assert [row["method"] for row in facts["rows"]] == methods
    assert all(0 <= row["map"] <= row["map50"] <= 100 for row in facts["rows"])
    assert facts["rows"][1]["parameters"] == pytest.approx(20_000, rel=0.3)
    assert facts["rows"][0]["genotype"]["cells"] != facts["rows"][1]["genotype"]["cells"]
    assert facts["rows"][0]["cpu_minutes"] > 0
    before = (tmp_path / "out.json").read_bytes()
    script.main(words)  # nothing is repeated
    assert (tmp_path / "out.json").read_bytes() == before
