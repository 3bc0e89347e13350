"""Commands from start to end on small settings, and what they print."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.data.videos import write_classes

from autodas.cli.config._configuration import read_preset_configuration
from autodas.cli.main import COMMANDS, main
from autodas.cli.search import SearchConfig
from autodas.cli.train import TrainConfig
from autodas.presets import preset_commands, preset_names

pytestmark = pytest.mark.slow

SMALL_SEARCH = ["--space.K=0", "--space.C1=4", "--space.C2=8", "--check_memory=false", "--quiet"]
FEW = "--space.operations=skip_connect,max_pool_3x3,sep_conv_3x3"
"""A third of the work; for images."""
FEW_OF_VIDEOS = "--space.operations=skip_connect,max_pool_3x3x3,sep3d_conv_3x3x3"
SMALL_TRAIN = ["--skeleton.K=0", "--skeleton.C1=4", "--skeleton.C2=8", "--quiet"]
VIDEO_GENOTYPE = Path(__file__).parents[2] / "docs/genotypes/oadv_example.json"
VERBS = {
    "zoo": ["list", "show"],
    "space": ["list", "show"],
    "data": ["list", "check"],
    "bench": ["step", "growth", "search"],
    "device": ["sample", "measure", "fit", "predict"],
}


def printed_json(capsys: pytest.CaptureFixture[str], *words: str) -> object:
    assert main(list(words)) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    "words",
    [[], *([c] for c in COMMANDS), *([c, verb] for c, verbs in VERBS.items() for verb in verbs)],
    ids=" ".join,
)
def test_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = main([*words, "--help"])
    except SystemExit as leave:
        code = leave.code
    assert not code
    assert "usage: autodas" in capsys.readouterr().out


def test_help_does_not_wait_for_torch() -> None:
    script = (
        "import sys\nfrom autodas.cli.main import COMMANDS, main\n"
        "for command in COMMANDS:\n"
        "    try: main([command, '--help'])\n"
        "    except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Few videos, for presets that evaluate many clips of each."""
    pytest.importorskip("av")
    return write_classes(tmp_path_factory.mktemp("videos"), train=12, test=1)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        pytest.param(c, n, id=f"{n}-{c}")
        for c in preset_commands()
        for n in preset_names(c)
        if not n.startswith("detection")
    ],  # needs boxes: see test_detection_commands.py
)
def test_every_preset_runs(command: str, name: str, videos: Path, tmp_path: Path) -> None:
    epochs = 2 if name.startswith("pdarts") else 1  # three stages in two iterations an epoch
    words = [f"--preset={name}", f"--epochs={epochs}", f"--run={tmp_path / 'run'}", "--tensorboard=false"]
    video = any(part in name for part in ("video", "kinetics", "ucf101", "hmdb51"))
    clips = [f"--data=videofolder:{videos}", "--data.image_size=16", "--data.frames=4"]
    data = clips if video else ["--data=digits", "--data.subset=40"]
    words += [*data, "--data.workers=0", "--batch_size=10"]
    if command == "search":
        # A quarter of the channels has to be an even number of them.
        words += [w.replace("C2=8", "C2=32") if name.startswith("pcdarts") else w for w in SMALL_SEARCH]
        # P-DARTS drops candidates step by step.
        words += [] if name.startswith("pdarts") else [FEW_OF_VIDEOS if video else FEW]
        words += ["--strategy.cells_a_stage=2"] if name.startswith("hdas") else []
    else:
        size = ["--data.image_size=16"] if "imagenet" in name else []
        genotype = "hdas_imagenet_darts_v1" if name.startswith("hdas") else "darts_v2"
        genotype = str(VIDEO_GENOTYPE) if video else genotype
        words = [genotype, *words, *SMALL_TRAIN, *size]
    assert main([command, *words]) == 0
    assert json.loads((tmp_path / "run/summary.json").read_text())["command"] == command


def test_presets_hold_the_published_numbers() -> None:
    # SDAS (Qiu et al., 2019), sections 5.3, 6.1 and 6.2.
    search = read_preset_configuration(SearchConfig, "search", "cifar10-search")
    assert (search.space.K, search.space.C1, search.space.C2) == (2, 48, 64)
    assert (search.epochs, search.batch_size, search.optim.lr, search.optim.final_lr) == (50, 64, 0.025, 0.0)
    assert search.strategy.settings.learning_rate == 3e-4
    cifar = read_preset_configuration(TrainConfig, "train", "cifar10-eval", ["x"])
    assert (cifar.skeleton.K, cifar.skeleton.C1, cifar.skeleton.C2) == (6, 108, 144)
    assert (cifar.epochs, cifar.batch_size, cifar.data.cutout, cifar.drop_path) == (600, 96, 16, 0.2)
    imagenet = read_preset_configuration(TrainConfig, "train", "imagenet-eval", ["x"])
    assert (imagenet.skeleton.K, imagenet.skeleton.C1, imagenet.skeleton.C2) == (4, 24, 192)
    assert (imagenet.epochs, imagenet.batch_size, imagenet.optim.lr) == (250, 128, 0.1)
    assert (imagenet.optim.weight_decay, imagenet.optim.decay) == (3e-5, 0.97)
    # SDAS, sections 5.2, 5.3, 7.1, 7.2 and 7.3.
    for name, epochs in (("kinetics10", 96), ("ucf101", 320), ("hmdb51", 320)):
        search = read_preset_configuration(SearchConfig, "search", f"{name}-search")
        assert search.data.name == name
        assert (search.data.frames, search.data.image_size) == (16, 112)
        assert (search.space.name, search.space.K, search.space.C1, search.space.C2) == (
            "video-oadv",
            2,
            16,
            64,
        )
        assert (search.epochs, search.batch_size, search.optim.lr, search.optim.final_lr) == (
            epochs,
            64,
            0.025,
            0,
        )
        assert (search.strategy.name, search.strategy.settings.schedule) == ("sdas", "c")
        assert search.strategy.settings.learning_rate == 3e-4
        train = read_preset_configuration(TrainConfig, "train", f"{name}-eval", ["x"])
        assert (train.skeleton.name, train.skeleton.K, train.skeleton.C1, train.skeleton.C2) == (
            "video",
            2,
            32,
            128,
        )
        assert (train.epochs, train.batch_size, train.test_clips, train.data.frames) == (epochs, 64, 20, 16)
    kinetics = read_preset_configuration(TrainConfig, "train", "kinetics400-eval", ["x"])
    assert (kinetics.skeleton.K, kinetics.skeleton.C1, kinetics.skeleton.C2) == (4, 64, 512)
    assert (kinetics.epochs, kinetics.batch_size, kinetics.test_clips) == (128, 256, 20)
    # The methods' papers and public code.
    cells = {"pdarts": 1, "pcdarts": 2, "snas": 2}
    lengths = {"pdarts": (75, 96, 0.025, 0.0), "pcdarts": (50, 256, 0.1, 0.0), "snas": (150, 64, 0.025, 1e-3)}
    for name, K in cells.items():
        found = read_preset_configuration(SearchConfig, "search", f"{name}-cifar10-search")
        optim = found.optim
        assert found.strategy.name == name
        assert (found.space.K, found.space.C1, found.space.C2) == (K, 48, 64)
        assert (found.epochs, found.batch_size, optim.lr, optim.final_lr) == lengths[name]
    for data, rates in (("cifar10", (0.0, 0.4, 0.7)), ("cifar100", (0.1, 0.2, 0.3))):
        found = read_preset_configuration(SearchConfig, "search", f"pdarts-{data}-search")
        assert found.data.name == data
        assert found.strategy.settings.skip_dropout == rates
        train = read_preset_configuration(TrainConfig, "train", f"pdarts-{data}-eval", ["x"])
        assert (train.data.name, train.batch_size, train.drop_path) == (data, 128, 0.3)


def test_presets_of_hdas_hold_the_published_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    # H-DAS (Liu et al., 2021), the commands of its public code.
    for level, decay in (("cells", 3e-4), ("stages", 2.7e-3)):
        search = read_preset_configuration(SearchConfig, "search", f"hdas-cifar10-{level}")
        assert (search.strategy.name, search.strategy.settings.level) == ("hdas", level)
        assert (search.epochs, search.batch_size, search.space.C2) == (50, 64, 64)
        assert (search.optim.lr, search.optim.final_lr, search.optim.weight_decay) == (0.025, 0.001, decay)
        assert search.strategy.settings.cells_a_stage == 6
    cifar = read_preset_configuration(TrainConfig, "train", "hdas-cifar10-eval", ["x"])
    assert (cifar.epochs, cifar.batch_size, cifar.drop_path, cifar.data.cutout) == (600, 64, 0.2, 16)
    imagenet = read_preset_configuration(TrainConfig, "train", "hdas-imagenet-eval", ["x"])
    assert (imagenet.epochs, imagenet.batch_size, imagenet.optim.lr) == (250, 105, 0.1)
    for preset in ("hdas-cifar10-eval", "cifar10-eval"):
        words = ("profile", "hdas_cifar_darts_v1", "--preset", preset, "--json")
        assert printed_json(capsys, *words)["parameters_with_auxiliary"] == 4_697_796
    words = ("profile", "hdas_imagenet_darts_v1", "--preset", "hdas-imagenet-eval", "--json")
    profile = printed_json(capsys, *words)
    assert [stage["cells"] for stage in profile["stages"]] == [0, 4, 1, 4, 1, 4, 0]
    assert profile["classes"] == 1000


def test_facts(capsys: pytest.CaptureFixture[str]) -> None:
    space = printed_json(capsys, "space", "show", "cifar-o2d", "--json")
    assert space["architectures"] == 1_076_746_950_455_072_400  # the paper prints 1.07e18
    assert (space["steps"], space["edges"], space["deciding_nodes"]) == (34, 28, 6)
    assert len(space["operations"]) == 7
    names = [entry["name"] for entry in printed_json(capsys, "zoo", "list", "--json")]
    assert {"darts_v2", "amoebanet", "snas_aggressive"} <= set(names)
    profile = printed_json(capsys, "profile", "darts_v2", "--preset", "cifar10-eval", "--json")
    assert profile["parameters"] == 3_349_342
    assert profile["parameters_with_auxiliary"] == 3_349_342 + 476_426
    assert round(profile["multiply_adds"] / 1e6, 2) == 528.36
    imagenet = printed_json(capsys, "profile", "pdarts", "--preset", "imagenet-eval", "--json")
    assert imagenet["parameters"] == 4_944_352
    shown = printed_json(capsys, "zoo", "show", "pdarts", "--json")
    assert shown["schema"] == 1
    assert {row["name"] for row in printed_json(capsys, "data", "list", "--json")} >= {
        "digits",
        "imagefolder",
    }
    assert printed_json(capsys, "data", "check", "digits", "--json")["classes"]


def test_search_train_evaluate_predict_draw(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = ["--data=digits", "--data.subset=100"]
    small = [*SMALL_SEARCH, FEW, "--tensorboard=false"]
    assert main(["search", *data, "--epochs=2", "--batch_size=16", *small, "--run=found"]) == 0
    text = capsys.readouterr().out
    assert "logits equal to the bit" in text
    assert "relaxed, before derivation" in text
    assert main(["train", "found", *data, "--epochs=2", *SMALL_TRAIN, "--auxiliary=true", "--run=net"]) == 0
    text = capsys.readouterr().out
    assert "test accuracy:" in text
    assert "95 % interval" in text
    summary = json.loads(Path("net/summary.json").read_text())
    evaluated = printed_json(capsys, "evaluate", "net", "--data=digits", "--json")
    assert evaluated["top1"] == summary["test"]["top1"]
    examples = sorted(Path("net/examples").glob("*.png"))
    assert examples, "two epochs of a tiny network get something wrong"
    predicted = printed_json(capsys, "predict", "net", str(examples[0]), "--top", "3", "--json")
    assert len(predicted[0]["top"]) == 3
    index = json.loads(Path("net/examples/index.json").read_text())
    assert predicted[0]["top"][0]["class"] in {row["predicted"] for row in index}
    assert main(["draw", "found", "-o", "cell.png"]) == 0
    assert Path("cell.png").read_bytes().startswith(b"\x89PNG")
    # The effective configuration starts the same run again.
    assert (
        main(["search", "--config=found/config.yaml", "--run=again", "--check_memory=false", "--quiet"]) == 0
    )
    assert Path("again/genotype.json").read_text() == Path("found/genotype.json").read_text()


def test_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--epochs=1", "--train_epochs=1"]) == 0
    captured = capsys.readouterr()
    text = captured.out
    (run,) = (tmp_path / "runs").iterdir()
    for name in ("search/genotype.json", "train/model.safetensors", "cell-normal.svg", "cell-reduction.png"):
        assert (run / name).exists()
    page = (run / "report.html").read_text()
    for part in ("comparison", "run-1-evolution", "run-2-confusion", "run-3-training"):
        assert f'<section id="{part}">' in page
    assert "This part is missing" not in page
    assert "<h1>Demo: a network for handwritten digits</h1>" in page
    assert "<title>Demo: a network for handwritten digits</title>" in page
    labels = [f"{run.name}/{part}" for part in ("search", "train", "train-random")]
    assert re.findall(r'<h2 id="run-\d-top" class="run">([^<]*)<', page) == labels
    lines = [line for line in captured.err.splitlines() if not line.startswith("note: ")]
    assert [line.partition(":")[0] for line in lines] == [
        *("each line is an epoch", "search epoch 1/1"),
        *("each line is an epoch", "epoch 1/1", "epoch 1/1"),
    ]
    assert f"report on the whole demo: {Path('runs') / run.name / 'report.html'}" in text
    assert "mean margin of the decisions" in text
    assert "one random architecture" in text
    last = text.split("one random architecture")[-1]
    assert "test accuracy: " in last
    assert "imagefolder:PATH" in last
    # What is printed during the search is not repeated; the training takes its options from the search.
    assert text.count("mean margin of the decisions") == 1
    assert last.endswith("\n  autodas train runs/mine\n")


def test_dry_run_estimates_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    size = [*SMALL_SEARCH, "--space.operations=skip_connect,max_pool_3x3"]
    found = {
        words: printed_json(capsys, "search", "--data=digits", "--dry_run", "--json", *size, *words)
        for words in (
            ("--batch_size=32",),
            ("--batch_size=64",),
            ("--batch_size=128",),
            ("--batch_size=128", "--micro_batches=4"),
        )
    }
    few, more, most, *smaller = (facts["memory_bytes"] for facts in found.values())
    # What is needed for pictures grows with the batch, the rest does not.
    assert (most - more) / (more - few) == pytest.approx(2.0, rel=0.05)
    assert max(smaller) < most - 2**20
    assert all(facts["free_memory_bytes"] > most for facts in found.values())
    assert list(tmp_path.iterdir()) == []
