"""Runs that are so small that a GPU would take longer; without a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import autodas
from autodas.cli import _setup
from autodas.cli._settings import ComputeConfig
from autodas.cli._setup import SMALL, device_for
from autodas.cli.config._configuration import parse
from autodas.cli.main import main
from autodas.cli.search import SearchConfig, _device
from autodas.loop import FOR_A_THREAD, InputShape
from autodas.loop.tasks import Classification
from autodas.spaces import all_alive

GPU, CPU = torch.device("cuda:0"), torch.device("cpu")


def never() -> int:
    raise AssertionError("nothing has to be estimated")


def test_only_a_choice_that_is_left_open_depends_on_the_size(capsys: pytest.CaptureFixture[str]) -> None:
    auto, one = ComputeConfig(device="auto"), {"samples": 1, "batch_size": 1}
    assert torch.get_num_threads() == 1
    assert device_for(auto, CPU, never, **one) == CPU
    assert device_for(ComputeConfig(device="cuda"), GPU, never, **one) == GPU
    assert device_for(auto, GPU, lambda: SMALL // 8, samples=8, batch_size=1) == GPU
    assert not capsys.readouterr().err
    assert device_for(auto, GPU, lambda: SMALL // 8 - 1, samples=8, batch_size=1) == CPU
    told = capsys.readouterr().err
    assert "--compute.device cuda takes the GPU" in told
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("chosen", "cost", "threads"),
    [
        (None, 2, 1),
        (None, FOR_A_THREAD // 8, 1),
        (None, FOR_A_THREAD // 4, 2),
        (None, FOR_A_THREAD, 3),
        (3, 2, 3),
    ],
)
def test_threads_have_work(chosen: int | None, cost: int, threads: int) -> None:
    """Batches of eight samples on a processor of three cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        device_for(ComputeConfig(threads=chosen), CPU, lambda: cost, samples=100, batch_size=8)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(("preset", "small"), [("quickstart", True), ("cifar10-search", False)])
def test_the_size_of_a_search(preset: str, small: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    config = parse("search", SearchConfig, ["--data=digits", f"--preset={preset}"], presets="search")
    taken = _device(config, GPU, autodas.open_dataset("digits"))
    assert (taken == CPU) == small


def test_the_size_is_that_of_the_forward_passes() -> None:
    space = autodas.get_space("cifar-o2d").with_size(K=0, C1=4, C2=8)
    task, shape = Classification(10), InputShape(1, 8)
    size = autodas.SearchSize(space, autodas.choose_strategy("das"), task, shape, 16)
    alive = {kind: all_alive(space.cell) for kind in space.kinds}
    cost = autodas.search.supernet_multiply_adds(space, alive, task=task, shape=shape)
    assert size.work(7) == 7 * cost > 0


def test_graphs_of_given_cells_have_a_size() -> None:
    """H-DAS wires whole cells: their network cannot be built without them."""
    space = autodas.get_space("cifar_stages-darts")
    choice = autodas.choose_strategy("hdas")
    size = autodas.SearchSize(space.with_size(C1=4, C2=8), choice, Classification(10), InputShape(1, 8), 16)
    assert size.work(1) > 0


@pytest.mark.slow
@pytest.mark.parametrize("command", ["search", "train"])
def test_commands_compute_small_runs_on_the_cpu(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_setup, "best_device", lambda name: GPU)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    words = ["--data=digits", "--data.subset=60", "--preset=quickstart", "--epochs=1", "--batch_size=8"]
    small = ["K=0", "C1=4", "C2=8"]
    if command == "search":
        words += ["--strategy=das", *(f"--space.{each}" for each in small)]
    else:
        words += ["darts_v2", *(f"--skeleton.{each}" for each in small)]
    assert main([command, *words, f"--run={tmp_path / 'run'}", "--quiet"]) == 0
    assert "computes on the CPU" in capsys.readouterr().err
