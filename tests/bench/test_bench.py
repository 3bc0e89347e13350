"""Benchmarks: what is timed, in which turns, and what memory is counted."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from autodas.bench._iteration import check_engines, make_iteration
from autodas.bench._setting import BenchSetting
from autodas.bench._timing import Times, compare
from autodas.bench.memory import peak_memory
from autodas.bench.search import bench_search
from autodas.bench.step import bench_growth, bench_step
from autodas.cli._settings import ComputeConfig
from autodas.cli.bench import BenchStepConfig, _setting
from autodas.errors import AutodasError
from autodas.spaces import get_space

SETTING = BenchSetting(get_space("cifar-o2d").with_size(K=0, C1=6, C2=8), batch_size=2, image_size=8)

MODULE = """
import time
import torch

made, turns = [], []

def make_step(**size):
    made.append(size)
    return lambda: turns.append(size)

def make_slow(*, batch_size, **size):
    return lambda: time.sleep(0.02 * batch_size)

def make_large(**size):
    def step():
        torch.zeros(100 * 2**18)  # 100 MiB, given back at once
    return step

def fails(**size):
    raise ValueError("no such size")

def returns_nothing(**size):
    pass
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a module with engines of the user's own, in the folder where the user stands."""
    name = f"own_engines_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    return f"python:{name}"


def test_recording_can_be_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise what recording saves could not be measured."""
    asked: list[str] = []

    def recorder_for(device: torch.device, graphs: str) -> None:
        asked.append(graphs)

    monkeypatch.setattr("autodas.loop._iterations.recorder_for", recorder_for)
    off = replace(SETTING, graphs="off")
    make_iteration("fused", SETTING)
    make_iteration("fused", off)
    assert asked == ["auto", "off"]
    assert BenchSetting.from_keywords({**off.keywords(), "graphs": off.graphs}) == off
    assert _setting(BenchStepConfig(compute=ComputeConfig(device="cpu", graphs="off"))).graphs == "off"


def test_a_function_is_told_the_size(module: str) -> None:
    make_iteration(f"{module}:make_step", SETTING)
    assert sys.modules[module.removeprefix("python:")].made == [
        {
            "space": "cifar-o2d",
            "K": 0,
            "C1": 6,
            "C2": 8,
            "batch_size": 2,
            "image_size": 8,
            "channels": 3,
            "classes": 10,
            "device": "cpu",
            "precision": "fp32",
        }
    ]
    assert BenchSetting.from_keywords(SETTING.keywords()) == SETTING


@pytest.mark.slow
def test_clips() -> None:
    space = get_space("video-oadv").with_size(K=0, C1=4, C2=8)
    setting = BenchSetting(space, 2, 16, frames=4)
    assert setting.keywords()["frames"] == 4
    assert BenchSetting.from_keywords(setting.keywords()) == setting
    assert BenchSetting.from_keywords(BenchSetting(space, 2, 16).keywords()).frames is None
    row = bench_step(["fused"], setting, repeats=1, memory=False)[0]
    assert row["seconds_an_iteration"] > 0
    with pytest.raises(AutodasError, match="they have no frames"):
        BenchSetting(get_space("cifar-o2d"), 2, 16, frames=4)


def test_what_grows() -> None:
    assert SETTING.vary("batch_size", 6).batch_size == 6
    assert SETTING.vary("image_size", 16).image_size == 16
    assert SETTING.vary("K", 2).space.skeleton.K == 2
    wide = SETTING.vary("C2", 32).space.skeleton
    assert (wide.C1, wide.C2) == (24, 32)
    with pytest.raises(AutodasError, match="multiple of 8"):
        SETTING.vary("C2", 12)


def test_ratios_are_taken_within_a_turn() -> None:
    times = {
        "a": [Times(1, 2), Times(2, 4), Times(10, 20)],
        "b": [Times(2, 1), Times(2, 4), Times(5, 60)],  # 2, 1 and 0.5 of a; computing 0.5, 1 and 3
    }
    a, b = compare("engine", times)
    assert a == {
        "engine": "a",
        "seconds_an_iteration": 2,
        "cpu_seconds": 4,
        "ratio": 1,
        "ratio_least": 1,
        "ratio_most": 1,
        "cpu_ratio": 1,
    }
    assert b == {
        "engine": "b",
        "seconds_an_iteration": 2,
        "cpu_seconds": 4,
        "ratio": 1,
        "ratio_least": 0.5,
        "ratio_most": 2,
        "cpu_ratio": 1,
    }


@pytest.mark.slow
def test_engines_take_turns_and_the_first_turn_does_not_count(module: str) -> None:
    rows = bench_step([f"{module}:make_step", "reference"], SETTING, repeats=2, memory=False)
    assert len(sys.modules[module.removeprefix("python:")].turns) == 3
    assert [row["engine"] for row in rows] == [f"{module}:make_step", "reference"]
    assert "peak_mib" not in rows[0]
    assert rows[1]["ratio"] > 10  # against doing nothing


@pytest.mark.slow
def test_growth_is_that_of_time(module: str) -> None:
    rows = bench_growth([f"{module}:make_slow"], SETTING, "batch_size", (2, 6), repeats=3, memory=False)
    assert [row["batch_size"] for row in rows] == [2, 6]
    assert rows[0]["growth"] == 1
    assert rows[1]["growth"] == pytest.approx(3, rel=0.3)
    assert rows[0]["seconds_an_iteration"] >= 0.04
    assert rows[0]["cpu_seconds"] < 0.02  # it sleeps


@pytest.mark.slow
def test_a_function_takes_every_fourth_turn_of_a_search(module: str) -> None:
    rows = bench_search([f"{module}:make_step", "das", "sdas-c"], SETTING, iterations=11, seeds=2)
    # One before the clock starts, then in iterations 1, 5 and 9 of both seeds.
    assert len(sys.modules[module.removeprefix("python:")].turns) == 1 + 2 * 3
    assert [row["strategy"] for row in rows] == [f"{module}:make_step", "das", "sdas-c"]
    # Most decisions of schedule c fall early: its search has less to compute.
    assert rows[2]["seconds_an_iteration"] < 0.8 * rows[1]["seconds_an_iteration"]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell")
def test_memory_is_the_peak_beyond_the_imports(module: str) -> None:
    idle = peak_memory(f"{module}:make_step", SETTING)
    large = peak_memory(f"{module}:make_large", SETTING)
    assert idle is not None
    assert large is not None
    assert idle < 10
    assert large - idle == pytest.approx(100, abs=8)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fast", "reference, fused"),
        ("python:no_such_module:f", "no_such_module"),
        ("python:json", "package.module:name"),
        ("python:json:dumpz", "did you mean 'dump'"),
    ],
)
def test_unknown_engines(name: str, message: str) -> None:
    with pytest.raises(AutodasError, match=message):
        check_engines(["reference", name])


def test_a_name_stands_once() -> None:
    with pytest.raises(AutodasError, match="'fused' appears twice"):
        check_engines(["fused", "reference", "fused"])


@pytest.mark.slow
def test_functions_that_fail(module: str) -> None:
    with pytest.raises(AutodasError, match="fails': failed with ValueError: no such size"):
        make_iteration(f"{module}:fails", SETTING)
    with pytest.raises(
        AutodasError, match="must return a function that computes one iteration, not NoneType"
    ):
        make_iteration(f"{module}:returns_nothing", SETTING)
    with pytest.raises(AutodasError, match=r"cannot be measured: .*no such size"):
        peak_memory(f"{module}:fails", SETTING)
