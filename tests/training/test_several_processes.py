"""Trainings by two processes, against one process that computes the two parts of each batch in turn."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.several_processes import together
from torch import Tensor

from autodas.data import Loader, Part
from autodas.errors import Interrupted
from autodas.loop import ALONE, Compute, Group, Keeping, load_checkpoint
from autodas.loop import _iterations as iterations_module
from autodas.loop import _optimisers as optimisers_module
from autodas.loop import _recorded as graph_module
from autodas.loop.tasks import Classification
from autodas.networks import CellBlueprint
from autodas.runs.folder import RunFolder
from autodas.settings import EvaluationPlan, OptimSettings
from autodas.training import fit as fit_module
from autodas.training.fit import Fit, Regularisation
from autodas.training.recipe import Training

pytestmark = pytest.mark.slow


def shared(loader: Loader, group: Group) -> Loader:
    loader._part = Part(group.rank, group.size)
    return loader


def fit_of(
    tools: Any, folder: Path, compute: Compute, drop_path: float = 0.0, resume: bool = False, epochs: int = 3
) -> Fit:
    """Three batches of seven samples an epoch, and one of three, of which the second process has no part."""
    group = compute.group
    return Fit(
        tools.network(auxiliary=True, image_size=32),
        shared(tools.loader(tools.images(24, 32), 7), group),
        Classification(10, 0.1),
        epochs=epochs,
        optim=OptimSettings(lr=0.05, label_smoothing=0.1, warmup_epochs=0.5, clip=0.5),
        keeping=Keeping(RunFolder(folder), resume=resume, tensorboard=False, quiet=True),
        compute=compute,
        regularisation=Regularisation(drop_path=drop_path),
        validation=shared(tools.loader(tools.images(11, 32, seed=9), 4, train=False), group),
    )


def trained(tools: Any, compute: Compute) -> dict[str, dict[str, Tensor]]:
    fit = fit_of(tools, tools.path, compute, epochs=13)
    stream, found = fit.train.stream(0), {}
    for number in range(50):
        batch = next(stream)
        fit.step(batch._replace(images=batch.images.double()))
        if number == 0:
            found["gradients"] = {
                name: p.grad.clone() for name, p in fit.network.named_parameters() if p.grad is not None
            }
            found["own"] = {name: b.clone() for name, b in fit.network.named_buffers() if "running" in name}
            fit.average_statistics()
            found["mean"] = {name: b.clone() for name, b in fit.network.named_buffers() if "running" in name}
    return {**found, "weights": {name: p.detach() for name, p in fit.network.named_parameters()}}


def test_two_processes_equal_two_micro_batches(tools: Any, double: None) -> None:
    whole = trained(tools, Compute(micro_batches=2))
    first, second = together(lambda group: trained(tools, Compute(group=group)))
    for key, tolerance in (("gradients", 1e-12), ("weights", 1e-8)):
        assert first[key].keys() == whole[key].keys()
        for name, tensor in whole[key].items():
            assert torch.equal(first[key][name], second[key][name])
            assert torch.allclose(first[key][name], tensor, rtol=0, atol=tolerance), name
    assert len(first["mean"]) > 20
    for name, mean in first["mean"].items():
        assert torch.equal(mean, second["mean"][name])
        assert torch.allclose(mean, (first["own"][name] + second["own"][name]) / 2, rtol=1e-12), name


def test_a_recorded_training_equals_one_that_is_not(
    tools: Any, tape_recorder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (optimisers_module, fit_module):
        monkeypatch.setattr(module, "on_accelerator", lambda parameters: True)
    monkeypatch.setattr(graph_module, "WARM_UP", 1)
    monkeypatch.setattr(graph_module, "PAYS", 1)

    def run(group: Group) -> tuple[list[Tensor], int, int]:
        weights = []
        for recorder in (None, tape_recorder):
            monkeypatch.setattr(iterations_module, "recorder_for", lambda device, graphs, r=recorder: r)
            fit = fit_of(tools, tools.path, Compute(group=group), drop_path=0.3)
            torch.manual_seed(11)
            stream = fit.train.stream(0)
            for _ in range(12):
                fit.step(next(stream))
            weights.append(torch.cat([p.detach().flatten() for p in fit.weights]))
        return weights, tape_recorder.recorded, tape_recorder.played

    for (plain, recorded), recordings, played in together(run):
        assert torch.equal(plain, recorded)
        # Two shapes, or a share of nothing; two pieces each; one iteration of each to warm up.
        assert (recordings, played) == (2 * 2, 2 * (12 - 2))


def test_a_stopped_training_goes_on_as_if_it_had_not_been(
    tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Fit.step

    def run(group: Group) -> str:
        def stop(self: Fit, batch: Any) -> None:
            step(self, batch)
            if self.iteration == 6 and group.rank == 1:
                signal.raise_signal(signal.SIGTERM)

        compute = Compute(group=group)
        for folder, resume in (("whole", False), ("stopped", False), ("stopped", True)):
            fit = fit_of(tools, tools.path / folder, compute, 0.3, resume)
            torch.manual_seed(11 + group.rank)
            with monkeypatch.context() as patch:
                if folder == "stopped" and not resume:
                    patch.setattr(Fit, "step", stop)
                    with pytest.raises(Interrupted) as told:
                        fit.run()
                else:
                    fit.run()
        return str(told.value)

    folders = [tools.folder(name) for name in ("whole", "stopped")]
    assert together(run) == ["stopped after iteration 6"] * 2
    left, right = (load_checkpoint(folder.checkpoint, "train") for folder in folders)
    for key in ("network", "optimiser", "meter", "random", "others", "best"):
        assert repr(left[key]) == repr(right[key])
    for name, tensor in left["network"].items():
        assert torch.equal(tensor, right["network"][name])
    assert len({(folder.path / "metrics.csv").read_bytes() for folder in folders}) == 1
    epochs = [json.loads(line) for line in (folders[0].path / "events.jsonl").read_text().splitlines()[1:]]
    assert [epoch["epoch"] for epoch in epochs] == [1, 2, 3]
    assert left["best"]["top1"] == max(epoch["validation_top1"] for epoch in epochs)


def test_a_recipe_is_evaluated_by_both_and_written_by_one(tools: Any) -> None:
    """The test has three batches, of which the second process has one."""

    def run(group: Group) -> Any:
        return Training(
            CellBlueprint(tools.genotype(), tools.skeleton),
            tools.digits(60),
            keeping=Keeping(RunFolder(tools.path / f"run-{group.size}"), tensorboard=False, quiet=True),
            epochs=2,
            batch_size=80,
            evaluation=EvaluationPlan(0.2),
            compute=Compute(micro_batches=3 - group.size, group=group),
        ).run()

    tools.folder("run-1")
    tools.folder("run-2")
    whole = run(ALONE)
    first, second = together(run)
    assert first == second
    assert first["test"]["count"] == whole["test"]["count"] == 360
    assert first["test"]["loss"] == pytest.approx(whole["test"]["loss"], rel=1e-2), "other running statistics"
    folder = RunFolder(tools.path / "run-2")
    assert folder.read_json("summary.json") == first
    facts = folder.read_json("environment.json")
    assert facts["processes"] == 2
    assert [device.split()[-1] for device in facts["devices"]] == ["cpu", "cpu"]
    start = json.loads((folder.path / "events.jsonl").read_text().splitlines()[0])
    assert start["processes"] == 2
