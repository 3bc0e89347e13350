"""A run that is killed and resumed equals one that was not, to the bit."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from autodas.cli.main import main
from autodas.runs.folder import RUNNING
from autodas.search._phase import PhaseRun
from autodas.strategies import strategy_info
from autodas.strategies.settings import ALIASES
from autodas.strategies.settings import STRATEGIES as STRATEGY_TABLE

pytestmark = pytest.mark.slow

SMALL = [
    "--space.K=0",
    "--space.C1=4",
    "--space.C2=8",
    "--epochs=2",
    "--batch_size=16",
    "--compute.threads=1",
    "--checkpoint_every=2",
    "--tensorboard=false",
    "--check_memory=false",
    "--quiet",
]

BESIDE = {
    "das": ["--strategy.weights_only=0.3", "--strategy.beta_decay=5"],
    "sdas-a": ["--strategy.select=drop", "--strategy.stability=true"],
    "sdas-b": ["--micro_batches=3", "--strategy.smoothing=0.3", "--strategy.auxiliary_skip=1"],
    "sdas-c": ["--strategy.warmup=0.3", "--strategy.settle=0.3", "--strategy.weights_only=0.2"],
    "snas": ["--strategy.weights_only=0.2"],
    "pcdarts": ["--space.C2=32", "--strategy.smoothing=0.3"],
    "pdarts": ["--strategy.skip_dropout=0.2,0.4,0.7", "--strategy.auxiliary_skip=1"],
    "edas": ["--strategy.random_share=0.2"],
    "hdas": ["--space.name=cifar_stages-darts", "--space.K=1", "--strategy.cells_a_stage=2"],
    # Each candidate is trained for several times as many iterations: an epoch is enough.
    "random": ["--strategy.candidates=2", "--epochs=1"],
}
"""What a method needs, or what makes it harder to resume."""


FEW = ["--space.operations=skip_connect,max_pool_3x3,sep_conv_3x3"]
"""A third of the work. P-DARTS drops eight operations step by step."""


def options_of(name: str) -> list[str]:
    rate = ["--strategy.learning_rate=0.05"] if hasattr(strategy_info(name).settings, "learning_rate") else []
    few = [] if name == "pdarts" else FEW
    return [f"--strategy={name}", *rate, *few, *BESIDE.get(name, [])]


# A method that is added to the registry is killed and resumed, too.
STRATEGIES = {name: options_of(name) for name in [*STRATEGY_TABLE, *ALIASES] if name != "sdas"}

FINALS = [*options_of("das"), "--finalists.searches=2", "--finalists.random=1", "--finalists.epochs=1"]


def search(folder: Path, words: list[str], resume: str = "never") -> None:
    assert main(["search", *words, f"--run={folder}", f"--resume={resume}"]) == 0


def steady_events(folder: Path) -> list[dict]:
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    for event in events:
        event.pop("volatile", None)
    return events


def tensors(value: object) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        return [t for item in value.values() for t in tensors(item)]
    if isinstance(value, list | tuple):
        return [t for item in value for t in tensors(item)]
    return []


def assert_same_run(first: Path, second: Path) -> None:
    assert (first / "genotype.json").read_text() == (second / "genotype.json").read_text()
    assert steady_events(first) == steady_events(second)
    assert (first / "metrics.csv").read_bytes() == (second / "metrics.csv").read_bytes()
    assert (first / "split.json").read_bytes() == (second / "split.json").read_bytes()
    weights = [tensors(torch.load(f / "checkpoints/last.pt", weights_only=True)) for f in (first, second)]
    assert len(weights[0]) == len(weights[1]) > 10
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))


@pytest.fixture
def copied_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Path, Path], None]:
    """Copies a folder before an iteration of a search, as it would be if the process were killed there."""
    step = PhaseRun.step

    def copy(iterations: int, folder: Path, to: Path) -> None:
        done = 0

        def copy_and_go_on(self: PhaseRun, *arguments: Any) -> None:
            nonlocal done
            if done == iterations:
                # The lock names this process, which is alive.
                shutil.copytree(folder, to, ignore=shutil.ignore_patterns(RUNNING))
            done += 1
            step(self, *arguments)

        monkeypatch.setattr(PhaseRun, "step", copy_and_go_on)

    return copy


@pytest.mark.parametrize("name", STRATEGIES)
def test_killed_search_in_memory(
    name: str, tmp_path: Path, copied_after: Callable[[int, Path, Path], None]
) -> None:
    words = ["--data=digits", "--data.subset=72", *SMALL, *STRATEGIES[name]]
    copied_after(random.Random(name).randrange(2, 6), tmp_path / "whole", tmp_path / "killed")
    search(tmp_path / "whole", words)
    assert not (tmp_path / "killed/genotype.json").exists()
    search(tmp_path / "killed", words, resume="auto")
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


@pytest.fixture(scope="module")
def whole_of_finals(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A search with finals that nothing stops, and its words."""
    words = ["--data=digits", "--data.subset=72", *SMALL, *FINALS]
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("finals") / "run"
    search(folder, words)
    return folder, words


@pytest.mark.parametrize("iterations", [8, 14])  # the second of two searches, the first of five finalists
def test_killed_before_and_in_the_finals(
    iterations: int,
    whole_of_finals: tuple[Path, list[str]],
    tmp_path: Path,
    killed_after: Callable[..., None],
) -> None:
    whole, words = whole_of_finals
    killed_after(PhaseRun, "step", iterations, "search", *words, f"--run={tmp_path / 'killed'}")
    search(tmp_path / "killed", words, resume="auto")
    assert_same_run(whole, tmp_path / "killed")
    index = json.loads((whole / "candidates/index.json").read_text())
    finalists = [record for record in index if record["derived"]]
    origins = ["search 1", "search 2", "neighbour of search 1", "neighbour of search 2", "random"]
    assert [record["origin"] for record in finalists] == origins
    best = max(finalists, key=lambda record: record["discrete"])
    assert (whole / best["file"]).read_text() == (whole / "genotype.json").read_text()


@pytest.fixture(scope="module")
def folder_of_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Colourful noise of three brightnesses, in class folders."""
    root = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    for split, count in (("train", 32), ("test", 4)):
        for label in range(3):
            (root / split / f"class{label}").mkdir(parents=True)
            for i in range(count):
                pixels = generator.integers(0, 80, (12, 12, 3)) + 80 * label
                image = Image.fromarray(pixels.astype(np.uint8))
                image.save(root / split / f"class{label}" / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def whole_of_images(
    folder_of_images: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[str]]:
    """A search that nothing stops, with files read by its own process; and its words but for that."""
    data = [f"--data=imagefolder:{folder_of_images}", "--data.storage=stream"]
    words = [*data, *SMALL, *STRATEGIES["sdas-a"]]
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("whole") / "run"
    search(folder, [*words, "--data.workers=0"])
    return folder, words


@pytest.mark.parametrize("workers", [0, 2])
def test_killed_search_with_files_read_by_workers(
    workers: int, whole_of_images: tuple[Path, list[str]], tmp_path: Path, killed_after: Callable[..., None]
) -> None:
    whole, words = whole_of_images
    words = [*words, f"--data.workers={workers}"]
    killed_after(PhaseRun, "step", 5, "search", *words, f"--run={tmp_path / 'killed'}")
    search(tmp_path / "killed", words, resume="auto")
    assert_same_run(whole, tmp_path / "killed")


@pytest.fixture(scope="module")
def whole_of_digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A search of digits that nothing stops, and its words."""
    words = ["--data=digits", "--data.subset=60", *SMALL, *STRATEGIES["sdas-a"]]
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("digits") / "run"
    search(folder, [*words, "--seed=3"])
    return folder, words


def test_resume_by_folder_takes_the_run_s_own_settings(
    whole_of_digits: tuple[Path, list[str]], tmp_path: Path, killed_after: Callable[..., None]
) -> None:
    whole, words = whole_of_digits
    words = [*words, "--seed=3"]
    killed_after(PhaseRun, "step", 3, "search", *words, f"--run={tmp_path / 'killed'}")
    assert main(["search", f"--resume={tmp_path / 'killed'}", "--quiet"]) == 0
    assert_same_run(whole, tmp_path / "killed")


def test_a_killed_run_is_never_continued_with_other_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], killed_after: Callable[..., None]
) -> None:
    words = ["--data=digits", "--data.subset=60", *SMALL, *STRATEGIES["das"]]
    killed_after(PhaseRun, "step", 3, "search", *words, f"--run={tmp_path / 'killed'}")
    before = (tmp_path / "killed/events.jsonl").read_bytes()
    changed = [*words, "--epochs=4", f"--run={tmp_path / 'killed'}", "--resume=auto"]
    assert main(["search", *changed]) == 2
    assert "epochs: 2 there, epochs: 4 here" in capsys.readouterr().err
    assert (tmp_path / "killed/events.jsonl").read_bytes() == before


def test_same_seed_same_genotype_other_seed_other_split(
    whole_of_digits: tuple[Path, list[str]], tmp_path: Path
) -> None:
    first, words = whole_of_digits
    for name, seed in (("second", 3), ("other", 4)):
        search(tmp_path / name, [*words, f"--seed={seed}"])
    assert_same_run(first, tmp_path / "second")
    assert (first / "split.json").read_text() != (tmp_path / "other/split.json").read_text()
