"""Whole searches by two processes: who writes, what stops them, and that they go on to the bit."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.narrow_spaces import narrow, small
from tests.several_processes import together

import autodas
from autodas.errors import AutodasError, Interrupted
from autodas.loop import ALONE, Compute, Group, Keeping
from autodas.runs.folder import RunFolder
from autodas.search import SearchResult
from autodas.search._phase import PhaseRun
from autodas.strategies import snas as snas_module
from autodas.strategies.das import DAS
from autodas.strategies.sdas import SDAS
from autodas.supernet import Noise

pytestmark = pytest.mark.slow

SPACE = autodas.get_space("cifar-o2d").with_size(K=0, C1=4, C2=8)


def search(
    folder: Path, name: str = "sdas-c", compute: Compute | None = None, seed: int = 0, **keeping: Any
) -> SearchResult:
    """Three epochs of three batches, the last of two samples."""
    keeping = {"tensorboard": False, "quiet": True, **keeping}
    return autodas.Search(
        autodas.open_dataset("digits", subset=84, seed=seed),
        narrow(SPACE) if name == "pdarts" else small(SPACE),
        autodas.choose_strategy(name, learning_rate=0.05),
        keeping=Keeping(RunFolder(folder), **keeping),
        epochs=3,
        batch_size=20,
        compute=replace(compute or Compute(), check_memory=False),
    ).run()


def new(folder: Path) -> Path:
    return RunFolder(folder).create().path


def only_reads(group: Group, patch: pytest.MonkeyPatch) -> None:
    """Refuse that any but the first process opens a file of a run for writing."""

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        written = event in ("os.rename", "os.mkdir", "os.remove", "shutil.rmtree") or (
            event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
        )
        if written and "run" in Path(str(arguments[0])).parts:
            raise RuntimeError(f"{event} {arguments}")

    if not group.first:
        sys.addaudithook(refuse)


def same_runs(left: Path, right: Path) -> bool:
    def events(folder: Path) -> list[Any]:
        lines = (folder / "events.jsonl").read_text().splitlines()
        return [{**json.loads(line), "volatile": None} for line in lines]

    states = [
        torch.load(folder / "checkpoints/last.pt", weights_only=True)["state"] for folder in (left, right)
    ]
    for state in states:
        state.pop("clock")
        state.pop("log")
    return (
        events(left) == events(right)
        and (left / "metrics.csv").read_bytes() == (right / "metrics.csv").read_bytes()
        and (left / "genotype.json").read_bytes() == (right / "genotype.json").read_bytes()
        and repr(states[0]) == repr(states[1])
        and all(map(torch.equal, tensors(states[0]), tensors(states[1])))
    )


def tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [tensor for item in items for tensor in tensors(item)]


@pytest.mark.parametrize("name", ["sdas-c", "snas"])
def test_the_genotype_of_one_process_with_two_micro_batches(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(group: Group) -> Any:
        only_reads(group, monkeypatch)
        result = search(tmp_path / "run", name, Compute(group=group))
        return result.genotype.to_json(), result.accuracies.to_dict(), result.decisiveness

    if name == "snas":  # drop path draws other numbers in each process
        monkeypatch.setattr(snas_module, "Noise", lambda drop_path: Noise())
    new(tmp_path / "run")
    whole = search(new(tmp_path / "whole"), name, Compute(micro_batches=2))
    first, second = together(run)
    assert first == second, "all processes know the result"
    assert first[0] == whole.genotype.to_json()
    assert (tmp_path / "run/genotype.json").read_text() == (tmp_path / "whole/genotype.json").read_text()
    files = [
        sorted(str(path.relative_to(tmp_path / run)) for path in (tmp_path / run).rglob("*"))
        for run in ("run", "whole")
    ]
    assert files[0] == files[1]


@pytest.mark.parametrize(("name", "iteration"), [("sdas-c", 4), ("snas", 5), ("pdarts", 2)])
def test_a_stopped_search_goes_on_as_if_it_had_not_been(
    name: str, iteration: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in the middle of an epoch: each process has statistics, metrics and noise of its own."""
    step = PhaseRun.step

    def run(group: Group) -> Any:
        def stop(self: PhaseRun, *batches: Any) -> None:
            step(self, *batches)
            # A signal reaches the processes at different times, or only one of them.
            if self.iteration == iteration and group.rank == 1:
                signal.raise_signal(signal.SIGTERM)

        search(tmp_path / "whole", name, Compute(group=group))
        with monkeypatch.context() as patch:
            patch.setattr(PhaseRun, "step", stop)
            with pytest.raises(Interrupted) as told:
                search(tmp_path / "stopped", name, Compute(group=group))
        search(tmp_path / "stopped", name, Compute(group=group), resume=True)
        return str(told.value)

    new(tmp_path / "whole")
    new(tmp_path / "stopped")
    assert together(run) == [f"stopped after iteration {iteration}"] * 2
    assert same_runs(tmp_path / "whole", tmp_path / "stopped")
    state = torch.load(tmp_path / "whole/checkpoints/last.pt", weights_only=True)["state"]
    assert len(state["others"]) == 1
    assert not torch.equal(state["others"][0]["random"]["cpu"], state["random"]["cpu"])


def stopped(folder: Path, group: Group, iteration: int, patch: pytest.MonkeyPatch) -> None:
    """Search until a signal reaches all processes after an iteration."""
    step = PhaseRun.step

    def step_and_stop(self: PhaseRun, *batches: Any) -> None:
        step(self, *batches)
        if self.iteration == iteration:
            signal.raise_signal(signal.SIGTERM)

    with patch.context() as within:
        within.setattr(PhaseRun, "step", step_and_stop)
        with pytest.raises(Interrupted):
            search(folder, compute=Compute(group=group))


def test_one_process_goes_on_where_two_were_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, seen = new(tmp_path / "run"), []
    together(lambda group: stopped(folder, group, 4, monkeypatch))
    state = torch.load(folder / "checkpoints/last.pt", weights_only=True)["state"]
    assert state["run"]["meters"][0][-1] == state["others"][0]["meters"][0][-1] == 10
    count = PhaseRun.new_meters
    monkeypatch.setattr(
        PhaseRun, "new_meters", lambda self: (seen.append(self.train_meter.count), count(self))[1]
    )
    search(folder, resume=True)
    told = capfd.readouterr().err
    assert "last bits may differ" in told
    assert "processes 2 before, 1 now" in told
    assert seen == [42, 42], "the second epoch has the samples of both"


def test_two_processes_go_on_where_one_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = new(tmp_path / "run")
    stopped(folder, ALONE, 4, monkeypatch)

    def run(group: Group) -> Any:
        numbers: list[torch.Tensor] = []
        step = PhaseRun.step

        def noted(self: PhaseRun, *batches: Any) -> None:
            numbers.append(torch.rand(2))
            step(self, *batches)

        monkeypatch.setattr(PhaseRun, "step", noted)
        return search(folder, compute=Compute(group=group), resume=True).genotype, numbers

    first, second = together(run)
    assert "processes 1 before, 2 now" in capfd.readouterr().err
    assert first[0] == second[0]
    assert len(first[1]) == len(second[1]) == 5
    assert not torch.equal(first[1][0], second[1][0]), "random numbers of its own"


def test_a_loss_that_is_not_finite_in_one_process_ends_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = PhaseRun.step

    def run(group: Group) -> None:
        def break_down(self: PhaseRun, *batches: Any) -> None:
            if self.iteration == 4 and group.rank == 1:
                with torch.no_grad():
                    batches[0].images.fill_(torch.nan)
            step(self, *batches)

        monkeypatch.setattr(PhaseRun, "step", break_down)
        search(tmp_path / "run", compute=Compute(group=group))

    new(tmp_path / "run")
    first, second = together(run)
    assert str(first) == str(second)
    assert "step is nan at iteration 5" in str(first)


def test_a_killed_process_ends_the_other_and_leaves_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = PhaseRun.step

    def run(group: Group) -> None:
        def die(self: PhaseRun, *batches: Any) -> None:
            if self.iteration == 4 and group.rank == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            step(self, *batches)

        monkeypatch.setattr(PhaseRun, "step", die)
        search(tmp_path / "run", compute=Compute(group=group))

    def go_on(group: Group) -> None:
        search(tmp_path / "whole", compute=Compute(group=group))
        search(tmp_path / "run", compute=Compute(group=group), resume=True)

    new(tmp_path / "run")
    new(tmp_path / "whole")
    error, nothing = together(run)
    assert nothing is None
    assert isinstance(error, AutodasError)
    assert "another process of this run has ended" in str(error)
    together(go_on)
    assert same_runs(tmp_path / "whole", tmp_path / "run")


def test_memory_that_runs_out_in_one_process_ends_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = PhaseRun.step

    def run(group: Group) -> None:
        def run_out(self: PhaseRun, *batches: Any) -> None:
            if self.iteration == 4 and group.rank == 1:
                raise MemoryError
            step(self, *batches)

        monkeypatch.setattr(PhaseRun, "step", run_out)
        try:
            search(tmp_path / "run", compute=Compute(group=group))
        finally:
            torch.distributed.destroy_process_group()  # as at the end of a process

    new(tmp_path / "run")
    first, second = together(run)
    assert "another process of this run has ended" in str(first)
    assert "memory has run out; this search needs about" in str(second)
    assert "in each of 2 processes" in str(second)
    assert (tmp_path / "run/checkpoints/last.pt").exists()


def test_parameters_that_drift_apart_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A method that is built wrongly: from the second epoch on it draws from the process's generator."""
    after = DAS.after_iteration

    def run(group: Group) -> None:
        def drift(self: DAS, iteration: int, loss_of: Any = None) -> Any:
            if iteration == 4:
                name = "alpha.reduction.2"
                with torch.no_grad():
                    self.parameters()[name].add_(1e-6 * torch.rand(()))
            return after(self, iteration, loss_of)

        monkeypatch.setattr(DAS, "after_iteration", drift)
        search(tmp_path / "run", "das", Compute(group=group))

    new(tmp_path / "run")
    for error in together(run):
        assert "'alpha.reduction.2'" in str(error)
        assert "since epoch 2 of phase search" in str(error)
    assert (tmp_path / "run/checkpoints/last.pt").exists(), "that of the first epoch"


def test_decisions_that_differ_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    after = SDAS.after_iteration

    def run(group: Group) -> None:
        def one_is_late(self: SDAS, iteration: int, loss_of: Any = None) -> Any:
            return [] if group.rank == 1 else after(self, iteration, loss_of)

        monkeypatch.setattr(SDAS, "after_iteration", one_is_late)
        search(tmp_path / "run", compute=Compute(group=group))

    new(tmp_path / "run")
    for error in together(run):
        assert "have taken different decisions in iteration" in str(error)
        assert "process 1: none" in str(error)


def test_other_data_are_refused(tmp_path: Path) -> None:
    errors = together(
        lambda group: search(tmp_path / "run", compute=Compute(group=group), seed=group.rank).margin
    )
    for error in errors:
        assert "process 1 of this run has other data than process 0" in str(error)


def test_a_batch_that_cannot_be_shared_is_refused(tmp_path: Path) -> None:
    errors = together(lambda group: search(tmp_path / "run", compute=Compute(micro_batches=6, group=group)))
    for error in errors:
        assert "micro_batches=6 is too large for batches of 20 samples shared by 2 processes" in str(error)
