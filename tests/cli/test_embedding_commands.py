"""``autodas train --task embedding``: unseen classes, data in the layout of Market-1501, resumed runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from autodas.cli.main import main
from autodas.data import open_dataset
from autodas.training.model_file import load_model

pytestmark = pytest.mark.slow

SMALL = ["--skeleton.K=0", "--skeleton.C1=4", "--skeleton.C2=8", "--quiet", "--tensorboard=false"]
TASK = ["--task=embedding", "--batch_size=16", "--embedding.dimensions=8", "--optim.lr=0.05"]
UNSEEN = ["--data=digits", "--data.classes=0,1,2,3,4", "--data.test_classes=5,6,7,8,9"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that tests classes which it has not trained."""
    run = tmp_path_factory.mktemp("embedding") / "run"
    assert main(["train", "darts_v2", *UNSEEN, *SMALL, *TASK, "--epochs=2", f"--run={run}"]) == 0
    return run


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits as persons: the class is the person, even samples are of camera 1, odd ones of camera 2."""
    root, digits = tmp_path_factory.mktemp("market"), open_dataset("digits")
    for split, folder, persons in (
        (digits.train, "bounding_box_train", range(5)),
        (digits.test, "query", range(5, 10)),
        (digits.train, "bounding_box_test", range(5, 10)),
    ):
        (root / folder).mkdir()
        for person in persons:
            for n, index in enumerate(np.flatnonzero(split.labels == person)[:12].tolist()):
                camera, name = n % 2 + 1, f"{person + 1:04d}_c{n % 2 + 1}s1_{n:06d}_00.png"
                Image.fromarray(split.read(index).squeeze(-1)).save(root / folder / name)
                assert camera in (1, 2)
    for name in ("-1_c1s1_000001_00.png", "0000_c2s1_000001_00.png"):
        shutil.copy(root / "query" / "0006_c1s1_000000_00.png", root / "bounding_box_test" / name)
    return root


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    assert main([*words, "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert main(list(words)) == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_unseen_classes(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The summary, an evaluation of the same classes, and the table of vectors agree."""
    summary = json.loads((run / "summary.json").read_text())
    assert summary["test"]["identities"] == 5
    assert summary["test"]["count"] == sum(open_dataset("digits").test.labels >= 5)
    assert summary["test"]["map"] > summary["test"]["chance"]
    found = printed(capsys, "evaluate", str(run), "--data=digits", "--data.classes=5,6,7,8,9")
    assert found["map"] == pytest.approx(summary["test"]["map"])
    table = pq.read_table(run / "predictions.parquet")
    vectors = np.array(table["embedding"].to_pylist())
    identity = table["identity"].to_numpy()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    order = np.argsort(-(unit @ unit.T), axis=1, kind="stable")
    first = [next(other for other in row if other != query) for query, row in enumerate(order.tolist())]
    assert found["rank1"] == pytest.approx(100 * np.mean(identity[first] == identity))


def test_the_network_answers_vectors(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network, facts = load_model(run)
    assert facts.classes == ("0", "1", "2", "3", "4")
    assert network(torch.zeros(3, 1, 8, 8)).shape == (3, 8)
    picture = tmp_path / "picture.png"
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(picture)
    (found,) = printed(capsys, "predict", str(run), str(picture))
    vector = [found[f"e{number}"] for number in range(8)]
    wanted = network(facts.preprocess(picture))[0].detach().numpy()
    np.testing.assert_allclose(vector, wanted / np.linalg.norm(wanted), atol=1e-5)
    file = tmp_path / "net.onnx"
    printed(capsys, "export", str(run), "--to=onnx", f"--output={file}")
    (exported,) = printed(capsys, "predict", str(file), str(picture))
    np.testing.assert_allclose([exported[f"e{number}"] for number in range(8)], vector, atol=1e-4)
    assert main(["report", str(run), f"--output={tmp_path / 'report.html'}"]) == 0
    assert "rank-1" in (tmp_path / "report.html").read_text()


def test_a_stopped_run_resumes_to_itself(run: Path, tmp_path: Path, killed_after: Any) -> None:
    from autodas.training.fit import Fit

    words = ["train", "darts_v2", *UNSEEN, *SMALL, *TASK, "--epochs=2", f"--run={tmp_path / 'again'}"]
    killed_after(Fit, "step", 60, *words)
    assert main([*words, "--resume=auto"]) == 0
    ours, theirs = load_model(run)[0].state_dict(), load_model(tmp_path / "again")[0].state_dict()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name


def test_market1501(market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Junk is left out, distractors stay, queries look for the other camera."""
    data = open_dataset(f"market1501:{market}")
    assert data.task == "embedding"
    assert data.classes == ("0001", "0002", "0003", "0004", "0005")
    assert len(data.train) == len(data.test) - 61 == 60  # 60 queries, 60 of the gallery, one distractor
    run = tmp_path / "run"
    words = [f"--data=market1501:{market}", *SMALL, *TASK, "--epochs=1", f"--run={run}"]
    assert main(["train", "darts_v2", *words]) == 0
    test = json.loads((run / "summary.json").read_text())["test"]
    assert (test["queries"], test["identities"]) == (60, 5)
    assert test["chance"] == pytest.approx(100 * 6 / 55)
    assert printed(capsys, "evaluate", str(run), f"--data=market1501:{market}")["map"] == test["map"]
    assert printed(capsys, "data", "check", f"market1501:{market}")["task"] == "embedding"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([*UNSEEN, "--batch_size=30", "--task=embedding"], "--batch_size 30 must be a multiple of"),
        (["--data=digits", "--data.test_classes=1"], "data.test_classes is for --task embedding"),
        (["--data=digits", "--task=embedding", "--data.test_classes=ten"], "unknown class 'ten'"),
        (["--data=digits", "--embedding.dimensions=9"], "are for --task embedding, not for classification"),
        ([*UNSEEN, "--task=embedding", "--data.balance=sampler"], "--data.balance is for classes"),
        (["--data=market1501:nowhere"], "there is no folder bounding_box_train"),
    ],
)
def test_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    assert message in refusal(capsys, "train", "darts_v2", *words, *SMALL, f"--run={tmp_path / 'run'}")


def test_more_refusals(
    run: Path,
    market: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = f"--data=market1501:{market}"
    assert "folders say what is tested" in refusal(
        capsys, "train", "darts_v2", data, "--task=embedding", "--data.classes=0001"
    )
    assert "choose --task embedding" in refusal(capsys, "train", "darts_v2", data, "--task=regression")
    assert "a search needs classes" in refusal(capsys, "search", data, "--epochs=1", "--run=r")
    file = f"--output={tmp_path / 'net.onnx'}"
    assert "answers a vector" in refusal(capsys, "export", str(run), "--to=onnx", file, "--probabilities")
    shutil.copytree(market, tmp_path / "named")
    (tmp_path / "named" / "query" / "0006_c1s1_000000_00.png").rename(tmp_path / "named" / "query" / "x.png")
    assert "x.png: its name does not begin with the numbers of person and camera" in refusal(
        capsys, "train", "darts_v2", f"--data=market1501:{tmp_path / 'named'}"
    )
    monkeypatch.setitem(__import__("sys").modules, "pytorch_metric_learning", None)
    assert "autodas[embedding]" in refusal(capsys, "train", "darts_v2", data, *SMALL)
