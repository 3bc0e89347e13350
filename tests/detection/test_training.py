"""Training of a detector: its run folder, resuming to the bit, what it refuses."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.detection.conftest import xml
from tests.trained_networks import write_images_network

from autodas.backbones import Resolved, resolve
from autodas.detection import DetectorTraining, evaluate_detector, load_detector, open_boxes
from autodas.detection._fit import DetectorFit
from autodas.detection_options import DetectorSettings
from autodas.errors import AutodasError, Interrupted
from autodas.loop import Compute, Keeping, load_checkpoint
from autodas.networks import CellBlueprint
from autodas.runs.folder import RunFolder
from autodas.settings import AdamWSettings, EvaluationPlan
from autodas.spaces import get_skeleton
from autodas.zoo import load_genotype

for library in ("transformers", "faster_coco_eval"):
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed", allow_module_level=True)

SIZES: dict[str, Any] = {
    "hidden": 16,
    "feedforward": 16,
    "heads": 2,
    "decoder_layers": 1,
    "queries": 10,
    "denoising": 4,
}


def network() -> Resolved:
    return Resolved(CellBlueprint(load_genotype("darts_v2"), get_skeleton("imagenet").with_size(0, 8, 8)))


def training(folder: Path, voc: Path, *, resume: bool = False, **changes: Any) -> DetectorTraining:
    run = RunFolder(folder)
    if not resume:
        run.create()
    settings: dict[str, Any] = {
        "epochs": 3,
        "settings": DetectorSettings(**SIZES),
        "image_size": 32,
        "batch_size": 2,
        "optim": AdamWSettings(lr=1e-3, warmup_epochs=1),
        "seed": 5,
    }
    keeping = Keeping(run, resume=resume, tensorboard=False, quiet=True)
    own = changes.pop("network", None) or network()
    return DetectorTraining(own, open_boxes(f"voc:{voc}"), keeping=keeping, **{**settings, **changes})


def lines(folder: Path) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    return [{name: value for name, value in event.items() if name != "volatile"} for event in events]


@pytest.mark.slow
@pytest.mark.parametrize("stop", [3, 4])
def test_resumed_is_as_if_never_stopped(
    voc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    """Stopped within an epoch of two batches, and at the end of one."""
    plan = EvaluationPlan(validation=0.2, test_every=2)
    whole = training(tmp_path / "whole", voc, evaluation=plan, epochs=4)
    summary = whole.run()

    with monkeypatch.context() as patch:
        usual = DetectorFit.step

        def step(fit: DetectorFit, batch: Any) -> None:
            usual(fit, batch)
            fit.keeper.stop.requested = fit.iteration == stop

        patch.setattr(DetectorFit, "step", step)
        with pytest.raises(Interrupted, match=f"iteration {stop}"):
            training(tmp_path / "stopped", voc, evaluation=plan, epochs=4).run()
    torch.manual_seed(99)
    again = training(tmp_path / "stopped", voc, evaluation=plan, epochs=4, resume=True)
    assert again.fit.iteration == stop
    assert again.run() == summary
    for name, tensor in again.detector.state_dict().items():
        assert torch.equal(tensor, whole.detector.state_dict()[name]), name
    assert lines(tmp_path / "stopped") == lines(tmp_path / "whole")
    for name in ("metrics.csv", "model.safetensors", "data.json"):
        assert (tmp_path / f"stopped/{name}").read_bytes() == (tmp_path / f"whole/{name}").read_bytes(), name
    left, right = (
        load_checkpoint(RunFolder(tmp_path / each).checkpoint, "train") for each in ("stopped", "whole")
    )
    assert repr(left["optimiser"]) == repr(right["optimiser"])
    assert torch.equal(left["random"]["cpu"], right["random"]["cpu"])


def test_the_run_folder_holds_the_result(voc: Path, tmp_path: Path) -> None:
    own = training(tmp_path / "run", voc)
    summary = own.run()
    assert summary == json.loads((tmp_path / "run/summary.json").read_text())
    assert (summary["command"], summary["task"], summary["genotype"]) == ("train", "detection", "DARTS_V2")
    start, *epochs = lines(tmp_path / "run")
    assert start["pictures"] == {"train": 5, "test": 2}
    assert start["notes"] == ["split 'trainval': 1 image has no boxes: background"]
    assert [epoch["iteration"] for epoch in epochs] == [2, 4, 6]
    assert set(epochs[0]) >= {"train_loss", "train_class_loss", "train_edge_loss", "train_overlap_loss"}
    loaded, facts = load_detector(tmp_path / "run")
    assert facts.classes == ("cell", "spot")
    again = evaluate_detector(loaded, own.test, facts.classes, quiet=True)
    assert again.summary() == summary["test"]
    assert summary["test"]["boxes"] == 3
    assert summary["parameters"] > summary["network_parameters"] > 0


def test_the_best_epoch_is_kept(voc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([10.0, 40.0, 30.0])
    states = []

    def evaluated(fit: DetectorFit, loader: Any, prefix: str) -> dict[str, Any]:
        assert len(loader.images) == 2
        states.append({name: tensor.clone() for name, tensor in fit.network.state_dict().items()})
        return {f"{prefix}map": next(scores), f"{prefix}map50": 0.0}

    monkeypatch.setattr(DetectorFit, "_evaluated", evaluated)
    own = training(tmp_path / "run", voc, evaluation=EvaluationPlan(validation=0.4))
    summary = own.run()
    assert summary["best_epoch"] == 2
    assert lines(tmp_path / "run")[0]["pictures"] == {"train": 3, "test": 2}
    for name, tensor in own.detector.state_dict().items():
        assert torch.equal(tensor, states[1][name]), name


def test_weights_of_a_trained_network(voc: Path, tmp_path: Path) -> None:
    facts = write_images_network(tmp_path / "net")
    sizes = DetectorSettings(**SIZES, strides=(1, 2, 4), frozen_norm=True)
    own = training(tmp_path / "run", voc, network=resolve(tmp_path / "net"), settings=sizes, epochs=1)
    assert own.facts.mean == facts.mean
    own.run()
    assert f"weights of {tmp_path / 'net/model.safetensors'}" in lines(tmp_path / "run")[0]["notes"]


def test_changed_boxes_refuse_a_resume(voc: Path, tmp_path: Path) -> None:
    training(tmp_path / "run", voc, epochs=1).run()
    (voc / "Annotations/b.xml").write_text(xml(80, 60, [("cell", 0, 0, 40, 31)]))
    with pytest.raises(AutodasError, match=r"the data have changed .*1 image with another label: b"):
        training(tmp_path / "run", voc, epochs=1, resume=True)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"image_size": 48}, "image_size=48 must be a multiple of 32"),
        ({"epochs": 0}, "epochs=0 must be at least 1"),
        ({"settings": DetectorSettings(**SIZES, frozen_norm=True)}, "frozen_norm is for trained networks"),
        ({"compute": Compute(precision="bf16")}, "single precision"),
        ({"compute": Compute(micro_batches=2)}, "micro_batches=2 is too large"),
        ({"batch_size": 1}, "at least 2 images"),
        ({"evaluation": EvaluationPlan(validation=0.05)}, "validation=0.05 of 5 images is none or all"),
    ],
)
def test_what_does_not_fit(voc: Path, tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(AutodasError, match=expected):
        training(tmp_path / "run", voc, **changes)


def test_the_metrics_must_be_there_before_the_training(
    voc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    with pytest.raises(AutodasError, match=r"pip install 'autodas\[detection\]'"):
        training(tmp_path / "run", voc)


def test_more_boxes_than_queries_are_noted(voc: Path, tmp_path: Path) -> None:
    few = DetectorSettings(**{**SIZES, "queries": 1})
    assert "some images have 2 boxes, but at most 1" in training(tmp_path / "run", voc, settings=few).notes[0]


@pytest.mark.slow
def test_micro_batches_add_up(voc: Path, tmp_path: Path) -> None:
    """The loss of a batch in two parts is the mean of the losses of the parts."""
    own = training(
        tmp_path / "run", voc, batch_size=4, settings=DetectorSettings(**{**SIZES, "denoising": 0})
    )
    parts = training(
        tmp_path / "parts",
        voc,
        batch_size=4,
        settings=DetectorSettings(**{**SIZES, "denoising": 0}),
        compute=Compute(micro_batches=2),
    )
    (batch,) = own.fit.train.batches(0)
    with torch.no_grad():
        expected = [
            own.detector.train().losses(batch.images[part], batch.labels[part]).total.item()
            for part in (slice(0, 2), slice(2, 4))
        ]
    parts.fit.step(batch)
    assert parts.fit.meter.result()["loss"] == pytest.approx(sum(expected) / 2, rel=1e-4)
