"""What commands take over, print as the next command, and predict: with real files."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from autodas.cli._predictions import Predictions
from autodas.cli.main import main
from autodas.loop.tasks import Classification
from autodas.train_command import data_words

pytestmark = pytest.mark.slow

SPACE = ["--space.K=0", "--space.C1=8", "--space.C2=8"]
SPACE += ["--space.operations=skip_connect,max_pool_3x3,sep_conv_3x3"]
TINY = ["--epochs=1", "--batch_size=8", *SPACE, "--quiet", "--check_memory=false", "--tensorboard=false"]
DATA = "imagefolder:my pictures"
TINY_NETWORK = ["--epochs=1", "--skeleton.K=0", "--skeleton.C1=8", "--skeleton.C2=8"]


def write_pictures(root: Path) -> None:
    generator = np.random.default_rng(0)
    for split, count in (("train", 12), ("test", 4)):
        for label, name in enumerate(("dark", "light", "other")):
            folder = root / "my pictures" / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = generator.integers(0, 80, (16, 16, 3)) + 80 * label
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i}.png")


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Two of three classes are recognised by their brightness; the folder's name has a space."""
    write_pictures(tmp_path)
    monkeypatch.chdir(tmp_path)
    return DATA


@pytest.fixture(scope="module")
def one_search(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with pictures and a search in it, and what the search has printed."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("searched")
    write_pictures(folder)
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as printed:
        patch.chdir(folder)
        search(DATA)
    return folder, printed.getvalue()


@pytest.fixture
def searched(one_search: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Pictures as above with a search of them; gives what the search has printed."""
    shutil.copytree(one_search[0], tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return one_search[1]


def search(pictures: str, *words: str) -> None:
    assert (
        main(["search", "--data", pictures, "--preset=quickstart", "--run=runs/found it", *TINY, *words]) == 0
    )


def configuration(folder: str) -> str:
    return Path(folder, "config.yaml").read_text()


def test_the_printed_command_runs_as_printed(pictures: str, capsys: pytest.CaptureFixture[str]) -> None:
    search(pictures, "--data.classes=dark,other", "--data.flip=false", "--data.image_size=8")
    (line,) = re.findall(r"^  (autodas train .*)$", capsys.readouterr().out, flags=re.MULTILINE)
    assert line == "autodas train 'runs/found it'"
    assert main(["report", "runs/found it"]) == 0
    page = Path("report.html").read_text()
    assert line.replace("'", "&#x27;") in page
    program, *words = shlex.split(line)
    assert program == "autodas"
    assert main([*words, *TINY_NETWORK, "--run=net", "--quiet"]) == 0
    summary = json.loads(Path("net/summary.json").read_text())
    assert summary["data"] == pictures
    assert list(summary["test"]["recalls"]) == ["dark", "other"]
    # The same with all options, which it says.
    capsys.readouterr()
    assert main([*words, *TINY_NETWORK, "--run=short"]) == 0
    assert configuration("short") == configuration("net")
    (taken,) = re.findall(r"^options from runs/found it: (.*)$", capsys.readouterr().err, flags=re.MULTILINE)
    assert taken == (
        "--preset=quickstart --data 'imagefolder:my pictures' --data.classes dark,other --data.image_size 8 "
        "--data.max_image_size 32 --data.flip false"
    )
    assert main([*words, *shlex.split(taken), *TINY_NETWORK, "--run=long", "--quiet"]) == 0
    assert configuration("long") == configuration("net")


def test_a_search_without_normal_cells_says_what_its_network_needs(
    searched: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (line,) = re.findall(r"^  autodas (train .*)$", searched, flags=re.MULTILINE)
    small = ["--epochs=1", "--skeleton.C1=8", "--skeleton.C2=8", "--quiet"]
    assert main([*shlex.split(line), *small, "--run=printed"]) == 0
    assert main(["train", "runs/found it", *small, "--run=taken"]) == 0
    capsys.readouterr()
    words = ["train", "runs/found it/genotype.json", "--data", DATA, *small, "--run=none"]
    assert "has no cell of kind normal" in (told := refusal(capsys, *words))
    assert "give it none (--skeleton.K 0)" in told


def test_another_training_gives_its_settings(pictures: str, capsys: pytest.CaptureFixture[str]) -> None:
    search(pictures, "--data.image_size=8")
    assert main(["train", "runs/found it", *TINY_NETWORK, "--optim.lr=0.01", "--run=net", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["train", "net", "--run=again"]) == 0
    assert "options from net: --skeleton.K 0 --skeleton.C1 8" in capsys.readouterr().err
    assert configuration("again") == configuration("net").replace("genotype: runs/found it", "genotype: net")
    assert main(["train", "net", "--optim.lr=0.02", "--data=digits", "--data.subset=40", "--run=other"]) == 0
    text = configuration("other")
    assert all(
        part in text for part in ("lr: 0.02", "epochs: 1\n", "C1: 8", "name: digits", "image_size: null")
    )


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"\xff\xfe", b"[1, 2]\n"])
def test_a_damaged_configuration_is_told(
    searched: str, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("runs/found it/config.yaml").write_bytes(content)
    again = ["search", "--data", DATA, *TINY, "--run=runs/found it", "--resume=auto"]
    for words in (again, ["search", "--resume=runs/found it"], ["train", "runs/found it"]):
        assert "runs/found it/config.yaml: " in (told := refusal(capsys, *words))
        assert "is required" not in told


@pytest.mark.parametrize("command", ["search", "train"])
def test_a_folder_that_holds_a_run_is_refused_before_the_data_are_read(
    searched: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [command, *(["darts_v2"] if command == "train" else []), "--run=runs/found it"]
    assert "already holds a run" in refusal(capsys, *words, "--data=imagefolder:nowhere")


def test_options_win_over_what_the_search_had(pictures: str) -> None:
    search(pictures, "--data.image_size=8", "--data.flip=false")
    assert (
        main(["train", "runs/found it", *TINY_NETWORK, "--run=net", "--data.image_size=12", "--quiet"]) == 0
    )
    assert "image_size: 12" in configuration("net")
    assert "flip: false" in configuration("net")
    # Other data: nothing of how the search read its own.
    words = ["train", "runs/found it", "--data=digits", "--data.subset=40", *TINY_NETWORK, "--run=other"]
    assert main([*words, "--quiet"]) == 0
    assert "flip: null" in configuration("other")
    assert "name: digits" in configuration("other")


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(list(words)) == 2
    return capsys.readouterr().err


def test_no_command_takes_data_that_nobody_named(searched: str, capsys: pytest.CaptureFixture[str]) -> None:
    genotype = "runs/found it/genotype.json"
    for words in (["search"], ["evaluate", "net"], ["compare"]):
        assert f"--data is required; see 'autodas {words[0]} --help'" in refusal(capsys, *words)
    for reference in (genotype, "darts_v2", "resnet50-3d"):
        said = refusal(capsys, "train", reference)
        assert f"--data is required: '{reference}' is not a run, whose data would be taken over" in said


def test_what_is_to_be_trained_is_said_before_its_data(
    searched: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, expected in {
        "found it": "'found it' is neither a file nor a run folder; did you mean 'runs/found it'?",
        "darts_v3": "'darts_v3' is neither a file nor a run folder; unknown zoo architecture 'darts_v3'; did",
        "resnet51-3d": "unknown hand-crafted network 'resnet51-3d'; did you mean 'resnet50-3d'?",
        "runs/lost": "runs/lost: no such file or run folder",
    }.items():
        assert f"autodas: error: {expected}" in refusal(capsys, "train", name)


def test_a_preset_of_other_data_is_not_taken_for_an_answer(
    searched: str, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refusal(capsys, "train", "runs/found it", "--preset=cifar10-eval")
    assert "preset 'cifar10-eval' is for cifar10, but runs/found it has imagefolder:my pictures" in message
    assert "choose one with --data" in message


def test_words_of_every_kind_of_option() -> None:
    data = {
        "name": "videofolder:a b",
        "classes": ["one, two", "three"],
        "value_range": [0.0, 4095.0],
        "groups": r"_g(\d+)_",
        "max_bad": 0.0,
        "fps": None,
        "storage": "auto",
        "workers": 2,
        "flip": False,
        "cutout": 0,
        "color_jitter": 0.4,
    }
    assert data_words(data) == [
        *("--data", "videofolder:a b", "--data.classes", '["one, two", "three"]'),
        *("--data.value_range", "0.0,4095.0", "--data.groups", r"_g(\d+)_", "--data.max_bad", "0.0"),
        *("--data.workers", "2", "--data.flip", "false", "--data.color_jitter", "0.4"),
    ]


def test_words_come_back_as_the_same_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    from autodas.cli.config._configuration import parse
    from autodas.cli.config._schema import tree
    from autodas.cli.search import SearchConfig

    said = [
        "--data=x",
        '--data.classes=["one, two", "three"]',
        "--data.value_range=-1,1",
        "--data.flip=false",
    ]
    config = parse("search", SearchConfig, said, presets="search")
    again = parse("search", SearchConfig, data_words(tree(config)["data"]), presets="search")
    assert again == config


@pytest.mark.parametrize("command", ["search", "train"])
def test_dry_run_predicts_time_and_writes_nothing(
    command: str, pictures: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(tmp_path.rglob("*"))
    sizes = SPACE if command == "search" else TINY_NETWORK[1:]
    words = [command, *(["darts_v2"] if command == "train" else []), "--data", pictures, "--batch_size=8"]
    found = {}
    for epochs in (10, 1000):
        assert main([*words, *sizes, f"--epochs={epochs}", "--dry_run", "--json"]) == 0
        found[epochs] = json.loads(capsys.readouterr().out)
    # What does not grow with the epochs, reading and the last evaluations, is little; machines are uneven.
    assert 10 < found[1000]["time_seconds"] / found[10]["time_seconds"] < 500
    assert re.fullmatch(r"about .* \(.* to .*\)", found[10]["time"])
    assert found[10]["pictures"] == {"train": 36, "test": 12}
    assert sorted(tmp_path.rglob("*")) == before


def test_plain_logs_say_how_far_it_is(pictures: str, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["--data", pictures, "--batch_size=8", "--epochs=2", "--tensorboard=false"]
    assert main(["search", *words, *SPACE, "--check_memory=false", "--run=found"]) == 0
    first, second = re.findall(r"^search epoch .*$", capfd.readouterr().err, flags=re.MULTILINE)
    assert first.startswith("search epoch 1/2: ")
    assert first.endswith(" left")
    assert second.startswith("search epoch 2/2: ")
    assert not second.endswith(" left")
    assert main(["train", "found", *words, *TINY_NETWORK, "--epochs=2", "--run=net"]) == 0
    first, second = re.findall(r"^epoch .*$", capfd.readouterr().err, flags=re.MULTILINE)
    assert re.fullmatch(r"epoch 1/2: train loss .*, \d+ s, \d+ s left", first)
    assert not second.endswith(" left")


# In a process of its own: streams and their buffers are those that users have.
def test_predictions_before_an_interruption_are_kept(pictures: str, tmp_path: Path) -> None:
    words = ["--data", pictures, *TINY_NETWORK, "--run=net", "--quiet"]
    assert main(["train", "darts_v2", *words]) == 0
    ready, many = "my pictures/test/dark/0.png", 20_000
    output = tmp_path / "output"
    with open(output, "w") as printed:
        process = subprocess.Popen(
            [sys.executable, "-m", "autodas", "predict", "net", *[ready] * many, "--csv"],
            stdout=printed,
            stderr=subprocess.DEVNULL,
        )
    try:
        while len(output.read_text().splitlines()) < 7:  # printed as they come
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 130
    finally:
        process.kill()
    rows = output.read_text().splitlines()[1:]
    assert 6 <= len(rows) < 3 * many
    assert rows[-1].startswith(ready)


def test_json_of_an_interrupted_command_is_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    top = [{"class": "cat", "probability": 0.75}]

    def predict() -> None:
        with Predictions(Classification(("cat", "dog")), "json", 2) as printed:
            printed.add(Path("a.png"), top)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict()
    assert json.loads(capsys.readouterr().out) == [{"file": "a.png", "top": top}]
