"""The check for GPUs, on a CPU: the script itself works, and goes on after a step that fails."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"

pytestmark = pytest.mark.slow


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return import_module("gpu_check")


def results(script: ModuleType, folder: Path, *words: str) -> list[dict[str, Any]]:
    script.main(["--device=cpu", "--tiny", f"--out={folder}", *words])
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def test_the_steps_of_this_process(script: ModuleType, tmp_path: Path) -> None:
    steps = "facts,kernels,smoke,engines,graphs,iterations,profile,train"
    found = results(script, tmp_path, f"--steps={steps}")
    assert not [line for line in found if "failed" in line or "skipped" in line]
    assert [line["what"] for line in found if line["step"] == "took"] == steps.split(",")
    by_step = {line["step"]: line for line in found}
    assert by_step["engines"]["statistics"] < 0.01
    assert [line["recorded_or_not"] for line in found if line["step"] == "graphs"] == [0.0, 0.0]
    assert {line["engine"] for line in found if line["step"] == "iteration"} == {
        "fused",
        "reference",
        "plain",
    }
    assert (tmp_path / "profile-33-off.txt").read_text()


def test_a_step_that_fails_does_not_stop_the_others(script: ModuleType, tmp_path: Path) -> None:
    found = results(script, tmp_path, "--steps=nothing,facts")
    assert "KeyError" in found[0]["failed"]
    assert found[-2]["step"] == "facts"


def test_no_step_begins_late(script: ModuleType, tmp_path: Path) -> None:
    assert results(script, tmp_path, "--minutes=0") == [
        {"step": name, "skipped": "no time is left"} for name in script.STEPS if name != "search"
    ]
