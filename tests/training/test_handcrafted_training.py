"""Hand-crafted networks through training, files, evaluation and further training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from autodas.cli.main import main
from autodas.data import ImageDataset, open_dataset
from autodas.errors import AutodasError, Interrupted
from autodas.loop import Keeping
from autodas.networks import CellBlueprint, HandcraftedBlueprint, read_blueprint
from autodas.runs.folder import RunFolder
from autodas.settings import EvaluationPlan, OptimSettings
from autodas.training.fit import Fit, Regularisation
from autodas.training.model_file import ModelFacts, load_model, save_model
from autodas.training.recipe import Training

pytestmark = pytest.mark.slow

TINY = HandcraftedBlueprint("bninception-3d", 1 / 16)


def facts_of(blueprint: HandcraftedBlueprint, channels: int = 3, classes: str = "abcd") -> ModelFacts:
    return ModelFacts(blueprint, tuple(classes), channels, 24, (0.5,) * channels, (0.25,) * channels)


def clips() -> ImageDataset:
    return open_dataset("moving-digits", subset=24, frames=4, image_size=24)


def train(folder: RunFolder, dataset: ImageDataset, **options: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "epochs": 2,
        "batch_size": 8,
        "optim": OptimSettings(lr=0.05),
        "evaluation": EvaluationPlan(test_clips=1),
        "keeping": Keeping(folder, resume=options.pop("resume", False), tensorboard=False, quiet=True),
    }
    return Training(TINY, dataset, **{**settings, **options}).run()


def test_a_file_tells_what_it_was_built_from(tmp_path: Path) -> None:
    facts = facts_of(TINY)
    network = facts.build()
    x = torch.randn(2, 3, 4, 24, 24)
    network(x)  # running statistics of its own
    network.eval()
    path = tmp_path / "model.safetensors"
    save_model(path, network, facts)
    loaded, found = load_model(path)
    assert found == facts
    assert found.blueprint == TINY
    with torch.no_grad():
        assert torch.equal(loaded(x), network(x))
    description = json.loads(facts.to_json())
    assert description["handcrafted"] == {"name": "bninception-3d", "width": 1 / 16}
    assert "genotype" not in description


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "bninception-4d", "width": 0.1},
        {"name": "senet-2d", "width": 0},
        {"width": 0.1},
        {"depth": 3},
        "x",
    ],
)
def test_broken_descriptions(tmp_path: Path, changed: Any) -> None:
    description = {**json.loads(facts_of(TINY).to_json()), "handcrafted": changed}
    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.ones(1)}, path, {"autodas": json.dumps(description)})
    with pytest.raises(AutodasError, match="its description is broken") as caught:
        load_model(path)
    assert "\n" not in str(caught.value)


def test_blueprints_are_read_back(tools: Any) -> None:
    for blueprint in (TINY, CellBlueprint(tools.genotype(), tools.skeleton)):
        content = json.loads(json.dumps(blueprint.to_dict()))
        assert read_blueprint(content, "here") == blueprint


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    torch.set_num_threads(1)
    folder = RunFolder(tmp_path_factory.mktemp("baseline") / "run").create()
    return folder.path, train(folder, clips(), regularisation=Regularisation(0.2, auxiliary=True))


def test_a_run_holds_all(run: tuple[Path, dict[str, Any]]) -> None:
    path, summary = run
    events = [json.loads(line) for line in (path / "events.jsonl").read_text().splitlines()]
    assert events[0]["genotype"] == summary["genotype"] == "bninception-3d"
    notes = [note.partition(":")[0] for note in events[0]["notes"]]
    assert notes[-2:] == ["no auxiliary head", "no drop path"]
    assert not (path / "genotype.json").exists()
    network, facts = load_model(path)
    assert summary["parameters"] == sum(p.numel() for p in network.parameters())
    cost = TINY.profile(classes=len(facts.classes), channels=facts.channels, image_size=24, frames=4)
    assert summary["multiply_adds"] == cost.multiply_adds
    assert (facts.frames, facts.image_size) == (4, 24)
    assert summary["test"]["count"] == summary["test"]["clips"]


def test_evaluate_finds_the_accuracy_of_the_run(
    run: tuple[Path, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    path, summary = run
    words = ["evaluate", str(path), "--data=moving-digits", "--test_clips=1", "--json"]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["top1"] == summary["test"]["top1"]
    assert found["loss"] == pytest.approx(summary["test"]["loss"], rel=1e-5)


def test_a_run_is_no_genotype(
    run: tuple[Path, dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(run[0]), "--data=moving-digits", f"--run={tmp_path / 'other'}"]) == 2
    assert "trained a hand-crafted network" in capsys.readouterr().err


def test_resumed_is_as_if_never_stopped(
    run: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path / "run").create()
    ended = Fit._end_epoch

    def stop(self: Fit) -> None:
        ended(self)
        self.keeper.stop.requested = True

    options = {"regularisation": Regularisation(0.2, auxiliary=True)}
    monkeypatch.setattr(Fit, "_end_epoch", stop)
    with pytest.raises(Interrupted):
        train(folder, clips(), **options)
    monkeypatch.undo()
    assert train(folder, clips(), resume=True, **options) == run[1]
    expected, found = (load_file(path / "model.safetensors") for path in (run[0], folder.path))
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_weights_of_another_training_are_taken_over(run: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run").create()
    longer = open_dataset("moving-digits", subset=24, frames=8, image_size=24)
    keeping = Keeping(folder, quiet=True)
    training = Training(TINY, longer, keeping=keeping, epochs=1, batch_size=8, weights=str(run[0]))
    given = load_file(run[0] / "model.safetensors")
    assert all(torch.equal(given[name], tensor) for name, tensor in training.network.state_dict().items())
    for other, message in (
        (HandcraftedBlueprint("bninception-2d", 1 / 16), "a different architecture"),
        (
            HandcraftedBlueprint("bninception-3d", 1 / 8),
            "built with width=0.0625, this one with width=0.125",
        ),
    ):
        with pytest.raises(AutodasError, match=message):
            Training(other, longer, keeping=keeping, epochs=1, batch_size=8, weights=str(run[0]))


def test_both_first_convolutions_take_other_channels(tmp_path: Path) -> None:
    """From colours to flow: a clip whose channels are all equal, 2 of them or 3, gives the same logits."""
    from autodas.training.start_weights import start_from

    colours, flow = facts_of(TINY, channels=3), facts_of(TINY, channels=2)
    before = colours.build().eval()
    save_model(tmp_path / "model.safetensors", before, colours)
    after = flow.build().eval()
    start_from(after, flow, str(tmp_path / "model.safetensors"))
    grey = torch.randn(2, 1, 4, 24, 24)
    with torch.no_grad():
        found, expected = after(grey.expand(-1, 2, -1, -1, -1)), before(grey.expand(-1, 3, -1, -1, -1))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_pictures_are_refused(tools: Any) -> None:
    folder = RunFolder(tools.path / "run")
    with pytest.raises(AutodasError, match="'bninception-3d' is for videos: choose a data set of videos"):
        train(folder, tools.digits())
    assert not folder.path.exists()


def test_train_takes_a_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--data=moving-digits", "--data.subset=16", "--data.frames=4", "--data.image_size=16"]
    words += ["--batch_size=8", "--epochs=1", "--test_clips=1", "--tensorboard=false", "--quiet", "--json"]
    assert main(["train", "resnet50-2d", "--width=0.0625", f"--run={tmp_path / 'run'}", *words]) == 0
    assert json.loads(capsys.readouterr().out)["genotype"] == "resnet50-2d"
    for arguments, expected in (
        (["resnet50-4d"], "did you mean 'resnet50-"),
        (["resnet50-2d", "--width=0"], "width=0.0 must lie above 0"),
        (["darts_v2", "--width=1"], "--width is for hand-crafted networks"),
    ):
        assert main(["train", *arguments, f"--run={tmp_path / 'other'}", *words]) == 2
        assert expected in capsys.readouterr().err
