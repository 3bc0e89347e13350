"""Commands on data with several labels, and with numbers as targets; balanced classes."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from sklearn.metrics import average_precision_score, f1_score, r2_score

from autodas.cli.main import main
from autodas.runs.folder import RUNNING
from autodas.training.fit import Fit
from autodas.training.model_file import load_model

pytestmark = pytest.mark.slow

SMALL = ["--space.K=0", "--space.C1=4", "--space.C2=8", "--batch_size=16", "--check_memory=false"]
SMALL += ["--space.operations=skip_connect,max_pool_3x3,sep_conv_3x3", "--compute.threads=1"]
RUN = ["--epochs=2", "--tensorboard=false", "--quiet"]
NETWORK = ["--skeleton.K=0", "--skeleton.C1=4", "--skeleton.C2=8", "--batch_size=16", "--optim.lr=0.05"]


def write(root: Path, count: int = 96) -> None:
    """Images with a bright left half, right half, both or neither, and how bright they are."""
    generator = np.random.default_rng(0)
    rows = []
    for i in range(count):
        pixels = generator.integers(0, 60, (12, 12))
        left, right = generator.random(2) < 0.5
        light = int(generator.integers(80, 190))
        pixels[:, :6] += light * int(left)
        pixels[:, 6:] += light * int(right)
        Image.fromarray(pixels.astype(np.uint8)).save(root / f"{i}.png")
        names = "|".join(name for name, there in (("left", left), ("right", right)) if there)
        part = "test" if i % 3 == 0 else "train"
        mean = float(pixels.mean())
        rows.append((f"{i}.png", part, names, mean, 2 * mean + 1000, "dark" if i % 4 == 0 else "light"))
    for name, columns in (("labels", (0, 1, 2)), ("numbers", (0, 1, 3, 4)), ("classes", (0, 1, 5))):
        head = ("path", "split", "label", "Mean", "height", "class")
        with open(root / f"{name}.csv", "w", newline="") as file:
            csv.writer(file).writerows([[row[i] for i in columns] for row in (head, *rows)])


TASKS = {
    "labels": ["--data=imagelist:labels.csv"],
    "numbers": ["--data=imagelist:numbers.csv", "--task=regression"],
    "balanced": ["--data=imagelist:classes.csv", "--data.balance=sampler"],
    "weighted": ["--data=imagelist:classes.csv", "--data.balance=weights"],
    "positives": ["--data=imagelist:labels.csv", "--data.balance=weights", "--task=multilabel"],
    "huber": ["--data=imagelist:numbers.csv", "--data.targets=mean", "--optim.loss=huber"],
}


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Searches and trainings that nothing stops."""
    folder = tmp_path_factory.mktemp("tasks")
    write(folder)
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("labels", "numbers"):
            assert main(["search", *TASKS[name], *SMALL, *RUN, "--strategy=das", f"--run={name}"]) == 0
            more = ["--validation=0.3", "--test_every=1"]
            assert main(["train", name, *NETWORK, *RUN, *more, f"--run={name}-net"]) == 0
    return folder


@pytest.fixture
def there(runs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(runs)
    return runs


def summary(run: str) -> dict[str, Any]:
    return json.loads(Path(run, "summary.json").read_text())  # type: ignore[no-any-return]


def test_the_numbers_of_several_labels(there: Path) -> None:
    table, found = pq.read_table("labels-net/predictions.parquet"), summary("labels-net")["test"]
    probabilities = np.array(table["probabilities"].to_pylist())
    labels = np.array([[k in own for k in range(2)] for own in table["labels"].to_pylist()])
    each = [average_precision_score(labels[:, k], probabilities[:, k]) for k in range(2)]
    assert found["map"] == pytest.approx(100 * np.mean(each))
    assert found["classes"]["right"]["average_precision"] == pytest.approx(100 * each[1])
    thresholds = [own["threshold"] for own in found["classes"].values()]
    predicted = probabilities >= thresholds
    assert predicted.tolist() == [[k in own for k in range(2)] for own in table["predicted"].to_pylist()]
    assert found["micro_f1"] == pytest.approx(100 * f1_score(labels, predicted, average="micro"))
    _, facts = load_model("labels-net")
    assert list(facts.task.thresholds) == thresholds  # type: ignore[attr-defined]
    assert 0.5 not in thresholds, "found on the samples held out"


def test_the_numbers_of_regression(there: Path) -> None:
    table, found = pq.read_table("numbers-net/predictions.parquet"), summary("numbers-net")["test"]
    targets, predicted = (np.array(table[name].to_pylist()) for name in ("targets", "predicted"))
    assert found["r2"] == pytest.approx(100 * r2_score(targets, predicted))
    assert list(found["targets"]) == ["Mean", "height"]
    with open("numbers.csv") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    assert np.allclose(targets, [[float(row["Mean"]), float(row["height"])] for row in rows])
    # The network answers in the units of the data by itself.
    network, facts = load_model("numbers-net")
    path = str(there / rows[0]["path"])
    with torch.no_grad():
        answer = network(facts.preprocess(path)).mean(0)
    assert np.allclose(answer.numpy(), predicted[0], rtol=1e-4)


@pytest.mark.parametrize("name", ["labels", "numbers"])
def test_an_evaluation_of_the_same_samples_is_the_test(
    there: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = TASKS[name][0]
    assert main(["evaluate", f"{name}-net", data, "--json"]) == 0
    found, wanted = json.loads(capsys.readouterr().out), summary(f"{name}-net")["test"]
    plain = {key: value for key, value in wanted.items() if not isinstance(value, dict | list)}
    assert {key: found[key] for key in plain} == pytest.approx(plain, rel=1e-4)
    for each in (wanted.get("classes") or wanted["targets"]).items():
        assert (found.get("classes") or found["targets"])[each[0]] == pytest.approx(each[1], rel=1e-4)
    assert main(["evaluate", f"{name}-net", data]) == 0
    printed = capsys.readouterr().out
    assert ("note: average precisions: " if name == "labels" else "note: Mean: R² ") in printed
    assert main(["evaluate", f"{name}-net", data, "--task=classification"]) == 2
    task = "multilabel" if name == "labels" else "regression"
    assert f"task is classification, but {name}-net was trained with {task}" in capsys.readouterr().err


def test_an_evaluation_on_other_targets(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "numbers-net", "--data=imagelist:numbers.csv", "--data.targets=mean"]) == 2
    assert "there is no 'height', which the network answers" in capsys.readouterr().err
    Path("others.csv").write_text("path,label\n0.png,left|top\n1.png,right\n")
    assert main(["evaluate", "labels-net", "--data=imagelist:others.csv"]) == 2
    assert "the network knows no class 'top'" in capsys.readouterr().err


def test_predictions(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["0.png", "3.png", "6.png"]
    table = pq.read_table("labels-net/predictions.parquet")
    rows = [[("left", "right")[k] for k in own] for own in table["predicted"].to_pylist()[:3]]
    assert main(["predict", "labels-net", *files]) == 0
    lines = capsys.readouterr().out.splitlines()
    for file, own, line in zip(files, rows, lines, strict=True):
        assert line.startswith(f"{file}: {'no label' if not own else ''}")
        assert sorted(name for name in ("left", "right") if name in line) == own
    assert main(["predict", "labels-net", *files, "--csv"]) == 0
    printed = list(csv.DictReader(StringIO(capsys.readouterr().out)))
    for file, own in zip(files, rows, strict=True):
        assert sorted(row["class"] for row in printed if row["file"] == file) == (own or [""])
    assert main(["predict", "labels-net", *files, "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)
    assert [sorted(guess["class"] for guess in answer["top"]) for answer in answers] == rows

    table = pq.read_table("numbers-net/predictions.parquet")
    wanted = table["predicted"].to_pylist()[:3]
    assert main(["predict", "numbers-net", *files, "--csv"]) == 0
    printed = list(csv.DictReader(StringIO(capsys.readouterr().out)))
    assert list(printed[0]) == ["file", "Mean", "height"]
    for row, (mean, height) in zip(printed, wanted, strict=True):
        assert (float(row["Mean"]), float(row["height"])) == (
            pytest.approx(mean, rel=1e-3),
            pytest.approx(height, rel=1e-3),
        )
    assert main(["predict", "numbers-net", *files, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["height"] == pytest.approx(wanted[0][1], rel=1e-3)
    assert main(["predict", "numbers-net", "0.png", "--top=3"]) == 2
    assert "--top is for classes, but the network answers numbers" in capsys.readouterr().err


def test_pages(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, wanted in (
        ("labels", ("Relaxed and discrete mAP", "mAP, %", "All classes", "Mean average precision")),
        (
            "numbers",
            (
                "Relaxed and discrete R²",
                "Answers on the test samples",
                "Mean absolute error",
                "Largest errors",
            ),
        ),
    ):
        assert main(["report", name, f"{name}-net", "-o", "page.html"]) == 0
        page = Path("page.html").read_text()
        assert "This part is missing" not in page
        assert "top-1" not in page
        for text in wanted:
            assert text in page, text
    assert main(["report", "labels", "labels-net", "numbers", "numbers-net", "-o", "page.html"]) == 0
    assert "test score, %" in Path("page.html").read_text()
    log = [json.loads(line) for line in Path("labels/events.jsonl").read_text().splitlines()]
    assert log[0]["task"] == "multilabel"
    epoch = next(event for event in log if event["event"] == "epoch")
    assert {"train_micro_f1", "valid_loss"} <= epoch.keys()


def test_the_next_command_and_the_options_that_a_training_takes_over(
    there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "numbers", "--dry_run", *NETWORK, "--json"]) == 0
    printed = capsys.readouterr()
    assert "options from numbers: --data imagelist:numbers.csv --task regression" in printed.err
    facts = json.loads(printed.out)
    assert (facts["task"], facts["targets"]) == ("regression", 2)
    assert main(["train", "numbers", "--dry_run", *NETWORK, "--task=multilabel"]) == 2
    assert "0 or 1 is expected for the class 'Mean'" in capsys.readouterr().err
    assert main(["search", *TASKS["labels"], *SMALL, "--dry_run", "--json", "--epochs=1"]) == 0
    assert json.loads(capsys.readouterr().out)["task"] == "multilabel"


def test_a_check_of_the_data(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", "imagelist:numbers.csv", "--task=regression", "-o", "sheet.png"]) == 0
    printed = capsys.readouterr().out
    assert "targets" in printed
    assert "note: numbers.csv: task regression: Mean, height (--task sets another)" in printed
    assert main(["data", "check", "imagelist:labels.csv", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["task"] == "multilabel"


def test_the_task_is_an_option_of_its_own(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "--data=digits", "--task=regression", *SMALL, *RUN]) == 2
    assert "digits: its samples have one class each: omit --task regression" in capsys.readouterr().err
    assert main(["search", "--data=digits", "--task=multilable"]) == 2
    assert "unknown task 'multilable'; did you mean 'multilabel'?" in capsys.readouterr().err
    Path("my.yaml").write_text("data: digits\ntask: regression\n")
    assert main(["search", "--config=my.yaml"]) == 2
    assert "its samples have one class each" in capsys.readouterr().err
    assert main(["search", "--help"]) == 0
    printed = capsys.readouterr().out
    assert "--task {auto,classification,multilabel,regression,embedding}" in printed
    assert "--data.task" not in printed


def test_settings_that_do_not_fit(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, told in (
        ([*TASKS["labels"], "--data.balance=sampler"], "choose --data.balance weights"),
        ([*TASKS["numbers"], "--data.balance=weights"], "--data.balance is for classes"),
        ([*TASKS["numbers"], "--optim.label_smoothing=0.1"], "--optim.label_smoothing is for classes"),
        ([*TASKS["labels"], "--optim.loss=huber"], "--optim.loss huber is for regression"),
    ):
        assert main(["search", *words, *SMALL, *RUN, "--run=refused"]) == 2
        assert told in capsys.readouterr().err
        assert not Path("refused").exists()


def tensors(value: object) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [t for item in items for t in tensors(item)]


def assert_same_run(first: Path, second: Path) -> None:
    assert (first / "metrics.csv").read_bytes() == (second / "metrics.csv").read_bytes()
    logs = []
    for folder in (first, second):
        events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
        logs.append([{k: v for k, v in event.items() if k != "volatile"} for event in events])
    assert logs[0] == logs[1]
    weights = [tensors(torch.load(f / "checkpoints/last.pt", weights_only=True)) for f in (first, second)]
    assert len(weights[0]) == len(weights[1]) > 10
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))
    results = [json.loads((folder / "summary.json").read_text()) for folder in (first, second)]
    assert results[0] == results[1]
    models = [folder / "model.safetensors" for folder in (first, second)]
    if models[0].exists():
        assert models[0].read_bytes() == models[1].read_bytes()


@pytest.mark.parametrize("name", TASKS)
def test_a_search_that_is_killed_goes_on_to_the_bit(
    images: Path, name: str, killed_after: Callable[..., None]
) -> None:
    from autodas.search._phase import PhaseRun

    words = [*TASKS[name], *SMALL, *RUN, "--strategy=das", "--checkpoint_every=1", "--micro_batches=2"]
    assert main(["search", *words, "--run=whole"]) == 0
    killed_after(PhaseRun, "step", 3, "search", *words, "--run=killed")
    assert main(["search", *words, "--run=killed", "--resume=auto"]) == 0
    assert_same_run(Path("whole"), Path("killed"))


@pytest.mark.parametrize("name", TASKS)
def test_a_training_that_is_killed_goes_on_to_the_bit(
    images: Path, name: str, killed_after: Callable[..., None]
) -> None:
    words = ["darts_v2", *TASKS[name], *NETWORK, "--epochs=3", "--tensorboard=false", "--quiet"]
    words += [
        "--skeleton.C1=4",
        "--skeleton.C2=16",
        "--compute.threads=1",
        "--validation=0.25",
        "--drop_path=0.2",
    ]
    assert main(["train", *words, "--run=whole"]) == 0
    killed_after(Fit, "step", 5, "train", *words, "--run=killed")
    assert not Path("killed", RUNNING).is_dir()
    assert main(["train", *words, "--run=killed", "--resume=auto"]) == 0
    assert_same_run(Path("whole"), Path("killed"))


def test_trained_weights_are_the_start_of_another_training(
    images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["darts_v2", *NETWORK, "--skeleton.C2=16", *RUN, "--compute.threads=1"]
    assert main(["train", *words, *TASKS["huber"], "--run=first"]) == 0
    # Without a step of any size, the new network answers what the first one does: units are taken over.
    nothing = ["--optim.lr=1e-30", "--optim.weight_decay=0", "--weights=first", "--epochs=1"]
    assert main(["train", *words, *TASKS["huber"], *nothing, "--run=second"]) == 0
    (first, _), (second, _) = load_model("first"), load_model("second")
    for name, tensor in first.state_dict().items():
        if "running" not in name and "num_batches" not in name:
            assert torch.allclose(tensor, second.state_dict()[name], rtol=1e-4, atol=1e-5), name
    capsys.readouterr()
    other = [*words, *TASKS["labels"], "--weights=first", "--run=third"]
    other.remove("--quiet")
    assert main(["train", *other]) == 0
    assert "the classifier is new, because the classes differ" in capsys.readouterr().err


def test_a_comparison_shows_the_score(
    images: Path, capsys: pytest.CaptureFixture[str], forked_jobs: None
) -> None:
    own = [
        "--search.epochs=1",
        "--train.epochs=1",
        *(f"--search.{w[2:]}" for w in SMALL if "compute" not in w),
    ]
    own += [f"--train.{word[2:]}" for word in NETWORK]
    words = [*TASKS["numbers"], "--methods=das", "--seeds=2", "--compute.threads=1", "--run=all", *own]
    assert main(["compare", *words]) == 0
    printed = capsys.readouterr().out
    assert "| method | space | test R², % |" in printed
    found = json.loads(Path("all/comparison.json").read_text())
    scores = [summary(f"all/das/seed{seed}/train")["test"]["r2"] for seed in range(2)]
    row = next(row for row in found["rows"] if row["method"] == "das")
    assert 100 - row["error"] == pytest.approx(np.mean(scores))
    assert {run["task"] for run in found["runs"]} == {"regression"}


@pytest.mark.parametrize(
    ("run", "options", "score"), [("labels-net", ["--probabilities"], "map"), ("numbers-net", [], "r2")]
)
def test_an_exported_file_answers_like_its_run(
    there: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    run: str,
    options: list[str],
    score: str,
) -> None:
    """Probabilities of labels; numbers in the units of the data."""
    file, data = tmp_path / "net.onnx", TASKS[run.removesuffix("-net")][0]
    assert main(["export", run, "--to=onnx", f"--output={file}", *options]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(file), data, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[score] == pytest.approx(summary(run)["test"][score], abs=0.01)
    if score == "r2":
        words = ["export", run, "--to=onnx", f"--output={tmp_path / 'p.onnx'}", "--probabilities"]
        assert main(words) == 2
        assert "the network answers numbers" in capsys.readouterr().err
