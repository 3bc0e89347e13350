"""``autodas bench`` on tiny networks."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

from autodas.bench import memory
from autodas.cli.main import main
from autodas.loop import _peak_memory

pytestmark = pytest.mark.slow

SMALL = ["--space.K=0", "--space.C1=4", "--space.C2=8", "--batch_size=4", "--image_size=8"]
PLAIN = "python:benchmarks.plain_supernet:make_step"


@pytest.fixture(autouse=True)
def _checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).resolve().parents[2])


@pytest.fixture
def forked_measurements(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is measured in processes that are forked from this one, in place of new interpreters."""

    class Forked:
        def __init__(self, words: list[str], **options: Any) -> None:
            def measure() -> NoReturn:
                sys.argv = words[3:]
                memory._main()
                os._exit(0)

            assert words[:4] == [sys.executable, "-P", "-m", "autodas.bench.memory"]
            self._process = command(Path.cwd(), prepare=measure)

        def __enter__(self) -> Forked:
            return self

        def __exit__(self, *error: object) -> None:
            for file in self._process._outputs:
                file.close()

        def communicate(self) -> tuple[bytes, bytes]:
            self.returncode = self._process.wait()
            out, error = self._process.printed
            return out.encode(), error.encode()

    monkeypatch.setattr(_peak_memory, "start_child", Forked)


@pytest.mark.usefixtures("forked_measurements")
def test_step_against_the_plain_supernet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "step.json"
    words = [f"--engines={PLAIN},fused", "--repeats=1", "--compute.threads=1", f"--output={output}"]
    assert main(["bench", "step", *SMALL, *words]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["engine", "seconds_an_iteration", "cpu_seconds"]
    assert [line.split()[0] for line in lines] == [PLAIN, "fused"]
    document = json.loads(output.read_text())
    assert document["benchmark"] == "step"
    assert document["setting"]["space"] == {"name": "cifar-o2d", "K": 0, "C1": 4, "C2": 8}
    assert document["environment"]["threads"] == 1
    first, second = document["results"]
    assert first["ratio"] == first["memory_ratio"] == 1
    assert second["memory_ratio"] == second["peak_mib"] / first["peak_mib"]


def test_growth(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--engines=fused", "--vary=C2", "--values=8,16", "--repeats=1", "--memory=false", "--json"]
    assert main(["bench", "growth", *SMALL, *words]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [(row["C2"], row["engine"]) for row in document["results"]] == [(8, "fused"), (16, "fused")]
    assert document["results"][0]["growth"] == 1


def test_search(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--iterations=10", "--seeds=1", f"--strategies={PLAIN},sdas-c", "--json"]
    assert main(["bench", "search", *SMALL, *words]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [row["strategy"] for row in document["results"]] == [PLAIN, "sdas-c"]
    assert document["results"][0]["ratio"] == 1
    assert document["results"][1]["ratio"] < 0.8  # it decides; the plain supernet does not
    assert document["environment"]["torch"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["step", "--batch_size=0"], "batch_size=0 must be at least 2"),
        (["step", "--image_size=2"], "image_size=2 must be at least 4"),
        (["step", "--repeats=0"], "repeats=0 must be at least 1"),
        (["step", "--engines="], "engines must name at least one"),
        (["step", "--engines=fast"], "the engines are reference, fused"),
        (["step", "--engines=python:benchmarks.plain_supernet:make_stp"], "did you mean 'make_step'"),
        (["step", "--engines=python:nowhere:f"], "'nowhere' cannot be imported"),
        (
            ["step", f"--engines={PLAIN}", "--space=cifar-darts", "--memory=false"],
            "the plain supernet is cifar-o2d",
        ),
        (["step", "--output=/nowhere/x.json"], "its folder does not exist"),
        (["growth", "--vary=width"], "one of batch_size, image_size, K, C2"),
        (["growth", "--values=8,0"], "batch_size=0 must be at least 2"),
        (["growth", "--vary=C2", "--values=8,12"], "multiple of 8"),
        (["search", "--iterations=1"], "iterations=1 must be at least 2"),
        (["search", "--strategies=sdas-z"], "unknown strategy"),
        (["search", "--strategies=random"], "not 'random'"),
        (["search", "--engine=fast"], "the engines are reference, fused"),
        (["grow"], "did you mean 'growth'"),
    ],
)
def test_refused_in_one_line(words: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", *words]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("autodas: error: ")
    assert expected in line
