"""From a genotype to a run folder with everything in it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from autodas.data import Loader
from autodas.errors import Interrupted
from autodas.genotype import Genotype
from autodas.loop import Keeping
from autodas.loop.tasks import EXAMPLES
from autodas.networks import CellBlueprint
from autodas.runs.folder import RunFolder
from autodas.settings import EvaluationPlan, OptimSettings
from autodas.training.fit import Fit, Regularisation
from autodas.training.model_file import load_model
from autodas.training.recipe import Training

pytestmark = pytest.mark.slow


def train(tools: Any, folder: RunFolder, **options: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "epochs": 2,
        "batch_size": 16,
        "optim": OptimSettings(lr=0.1),
        "seed": 4,
        "keeping": Keeping(folder, resume=options.pop("resume", False), tensorboard=False, quiet=True),
    }
    dataset = options.pop("dataset", None) or tools.digits()
    return Training(CellBlueprint(tools.genotype(), tools.skeleton), dataset, **{**settings, **options}).run()


def events(folder: RunFolder) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (folder.path / "events.jsonl").read_text().splitlines()]
    for event in found:
        event.pop("volatile", None)
    return found


@pytest.fixture(scope="module")
def run(make_tools: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    torch.set_num_threads(1)
    tools = make_tools(tmp_path_factory.mktemp("recipe"))
    folder = tools.folder()
    return SimpleNamespace(tools=tools, folder=folder, summary=train(tools, folder), data=tools.digits())


def test_the_folder_holds_all_of_it(run: Any) -> None:
    names = {path.name for path in run.folder.path.iterdir()}
    # No config.yaml: that belongs to the command.
    assert names == {
        "checkpoints",
        "data.json",
        "environment.json",
        "events.jsonl",
        "examples",
        "genotype.json",
        "metrics.csv",
        "model.safetensors",
        "predictions.parquet",
        "summary.json",
    }
    assert not list(run.folder.path.rglob("*.tmp"))
    assert Genotype.load(run.folder.path / "genotype.json") == run.tools.genotype()


def test_the_summary(run: Any) -> None:
    summary = run.folder.read_json("summary.json")
    assert summary == run.summary
    network, _ = load_model(run.folder.path)
    assert summary["parameters"] == sum(p.numel() for p in network.parameters())
    for cost in ("parameters", "multiply_adds"):
        assert summary[cost] == sum(stage[cost] for stage in summary["stages"])
    test = summary["test"]
    assert test["count"] == len(run.data.test) == 360
    low, high = test["interval"]
    assert 0 <= low < test["top1"] < high <= 100
    assert list(test["recalls"]) == list(run.data.classes)
    assert (summary["best_epoch"], summary["test_watched"], summary["epochs"]) == (None, False, 2)


def test_the_log(run: Any) -> None:
    start, *epochs = events(run.folder)
    assert start["event"] == "start"
    assert start["pictures"] == {"train": 60, "test": 360}
    assert [(e["epoch"], e["iteration"]) for e in epochs] == [(1, 4), (2, 8)]
    assert "test_top1" not in epochs[0], "test pictures are not looked at before the end"


def test_predictions(run: Any) -> None:
    table = pq.read_table(run.folder.path / "predictions.parquet")
    assert table.schema.metadata[b"classes"].decode().split("\n") == list(run.data.classes)
    probabilities = np.array(table["probabilities"].to_pylist())
    assert probabilities.shape == (360, 10)
    assert np.allclose(probabilities.sum(1), 1, atol=1e-6)
    predicted, label = table["predicted"].to_numpy(), table["label"].to_numpy()
    assert np.array_equal(predicted, probabilities.argmax(1))
    assert np.array_equal(label, run.data.test.labels[table["index"].to_numpy()])
    assert sorted(table["index"].to_pylist()) == list(range(360))
    assert 100 * (predicted == label).mean() == pytest.approx(run.summary["test"]["top1"])
    top5 = np.argsort(-probabilities, 1)[:, :5]
    assert 100 * (top5 == label[:, None]).any(1).mean() == pytest.approx(run.summary["test"]["top5"])
    loss = -np.log(probabilities[np.arange(360), label]).mean()
    assert loss == pytest.approx(run.summary["test"]["loss"], rel=1e-4)


def test_the_weights_that_were_tested_are_handed_out(run: Any) -> None:
    network, facts = load_model(run.folder.path)
    assert facts.classes == run.data.classes
    assert (facts.image_size, facts.channels) == (8, 1)
    assert (facts.mean, facts.std) == (run.data.mean, run.data.std)
    loader = Loader(
        run.data.test,
        None,
        batch_size=64,
        mean=facts.mean,
        std=facts.std,
        image_size=facts.image_size,
        seed=0,
        shuffle=False,
        augmentation=None,
    )
    found = facts.task.evaluate(network, loader.batches(0))
    assert found.top1 == run.summary["test"]["top1"]
    assert found.loss == pytest.approx(run.summary["test"]["loss"], rel=1e-5)


def test_examples_are_the_most_confident_mistakes(run: Any) -> None:
    rows = json.loads((run.folder.path / "examples/index.json").read_text())
    table = pq.read_table(run.folder.path / "predictions.parquet").to_pydict()
    wrong = sorted(
        (
            max(p)
            for p, a, b in zip(table["probabilities"], table["label"], table["predicted"], strict=True)
            if a != b
        ),
        reverse=True,
    )
    assert 0 < len(rows) == min(EXAMPLES, len(wrong))
    assert [row["probability"] for row in rows] == pytest.approx(wrong[: len(rows)])
    for row in rows:
        place = table["index"].index(row["index"])
        assert row["name"] == run.data.test.describe(row["index"])
        assert row["label"] == run.data.classes[table["label"][place]]
        assert row["predicted"] == run.data.classes[table["predicted"][place]] != row["label"]
        image = np.asarray(Image.open(run.folder.path / row["file"]))
        assert np.array_equal(image, run.data.test.read(row["index"])[:, :, 0])
    files = {str(p.relative_to(run.folder.path)) for p in (run.folder.path / "examples").glob("*.png")}
    assert files == {row["file"] for row in rows}


def test_the_same_seed_gives_the_same_run(run: Any, tools: Any) -> None:
    folder = tools.folder()
    torch.manual_seed(123)
    assert train(tools, folder) == run.summary
    for name in ("model.safetensors", "predictions.parquet", "metrics.csv", "genotype.json"):
        assert (folder.path / name).read_bytes() == (run.folder.path / name).read_bytes(), name
    assert events(folder) == events(run.folder)


def test_another_seed_gives_another(run: Any, tools: Any) -> None:
    folder = tools.folder()
    train(tools, folder, seed=5, epochs=1)
    assert (folder.path / "model.safetensors").read_bytes() != (
        run.folder.path / "model.safetensors"
    ).read_bytes()


def test_interrupted_and_resumed(run: Any, tools: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, original = tools.folder(), Fit.step

    def step(self: Fit, batch: Any) -> None:
        original(self, batch)
        self.keeper.stop.requested = self.iteration == 6

    with monkeypatch.context() as patch:
        patch.setattr(Fit, "step", step)
        with pytest.raises(Interrupted):
            train(tools, folder)
    assert not (folder.path / "summary.json").exists()
    assert train(tools, folder, resume=True) == run.summary
    for name in ("model.safetensors", "predictions.parquet", "metrics.csv"):
        assert (folder.path / name).read_bytes() == (run.folder.path / name).read_bytes(), name
    assert events(folder) == events(run.folder)


def test_held_out_pictures_choose_the_epoch(tools: Any) -> None:
    folder = tools.folder()
    summary = train(tools, folder, epochs=3, evaluation=EvaluationPlan(validation=0.2))
    start, *epochs = events(folder)
    assert start["pictures"] == {"train": 48, "test": 360}  # 20 % of 60 are held out
    accuracies = [event["validation_top1"] for event in epochs]
    assert summary["best_epoch"] == accuracies.index(max(accuracies)) + 1


def test_watching_the_test_pictures_is_on_record(run: Any, tools: Any) -> None:
    folder = tools.folder()
    summary = train(tools, folder, evaluation=EvaluationPlan(test_every=1))
    assert summary["test_watched"] is True
    assert events(folder)[0]["test_watched"] is True
    assert events(folder)[-1]["test_top1"] == summary["test"]["top1"] == run.summary["test"]["top1"]


def test_an_auxiliary_head_that_does_not_fit_is_left_out_with_a_note(tools: Any) -> None:
    # 8 pixels come to a 2x2 map after two reductions; 5x5 is the smallest.
    folder = tools.folder()
    train(tools, folder, epochs=1, regularisation=Regularisation(auxiliary=True))
    assert "no auxiliary head" in events(folder)[0]["notes"][-1]
    assert load_model(folder.path)[1].auxiliary is False
