"""``autodas demo``: the whole workflow on embedded data."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from autodas.accuracy import in_words
from autodas.cli._settings import transient
from autodas.cli.config._configuration import read_preset_configuration
from autodas.cli.config._usage import Usage
from autodas.errors import AutodasError
from autodas.runs.folder import GENOTYPE, RunFolder


@dataclass(frozen=True)
class _Show:
    """Contents of a demo.

    Args:
        data: data set.
        preset: preset of search and training.
        strategy: search method.
        what: description of the data and the method.
        samples: name of the samples in messages.
        remark: remark on the comparison with a random architecture.
        folder: kind of data set for the user's own data.
        title: title of the report.
    """

    data: str
    preset: str
    strategy: str
    what: str
    samples: str
    remark: str
    folder: str
    title: str


_IMAGES = _Show(
    "digits",
    "quickstart",
    "sdas-b",
    "8x8 images of handwritten digits (SDAS, schedule B)",
    "images",
    "digits are easy: random cells do well on them too, so the difference says little",
    "imagefolder",
    "Demo: a network for handwritten digits",
)
_VIDEOS = _Show(
    "moving-digits",
    "video-quickstart",
    "sdas-c",
    "clips of moving digits, 16 frames of 32x32 (SDAS, schedule C, operations O_adv)",
    "videos",
    "the motions are easy for any cell with temporal operations, so the difference says little",
    "videofolder",
    "Demo: a network for clips of moving digits",
)
_SEARCH_LINES = (
    "each line is an epoch: loss and accuracy (top1) on the {samples} that train the weights (train) and on "
    "those that train the architecture (valid), skips in the cells, the share of edges whose leading "
    "operation has stayed the same (stability), architectures that are still possible, time"
)
_TRAIN_LINES = "each line is an epoch: loss and accuracy (top1) on the training {samples}, time"


@dataclass(frozen=True)
class DemoConfig:
    """Search for a network for handwritten digits, train it, test it, draw it.

    Args:
        video: classify clips of moving digits by their motion, instead of images.
        run: folder of the demo; by default a new one under runs/.
        seed: seed of all random numbers.
        epochs: epochs of the search, fewer for a quick look; by default those of the preset.
        train_epochs: epochs of the trainings; by default those of the preset.
        overwrite: replace the demo in --run.
    """

    video: bool = False
    run: str | None = transient(None)
    seed: int = 0
    epochs: int | None = None
    train_epochs: int | None = None
    overwrite: bool = transient(False)


USAGES = (Usage("demo", DemoConfig),)


def run(argv: list[str]) -> int:
    """Run the command."""
    config = USAGES[0].parse(argv)
    start = time.monotonic()
    from autodas.cli import search
    from autodas.progress import duration
    from autodas.report.page import write_page

    show = _VIDEOS if config.video else _IMAGES
    name = "demo-video" if config.video else "demo"
    root = Path(config.run or f"runs/{name}-{time.strftime('%Y%m%d-%H%M%S')}")
    if not config.overwrite and any(RunFolder(root / part).exists for part in ("search", "train")):
        raise AutodasError(
            f"{root}: already holds a demo; replace it with --overwrite, or choose another --run folder"
        )
    print(f"searching for a network for {show.what} ...", flush=True)
    print(_SEARCH_LINES.format(samples=show.samples), file=sys.stderr)
    words = ["--data", show.data, "--strategy", show.strategy, "--seed", str(config.seed)]
    searching = read_preset_configuration(search.SearchConfig, "search", show.preset, words)
    searching = replace(
        searching,
        epochs=config.epochs or searching.epochs,
        run=str(root / "search"),
        overwrite=config.overwrite,
    )
    folder, result, foretold = search.run_search(searching)
    print("\n".join(search.report(folder, result, foretold)))
    print(f"\ntraining the resulting network on all training {show.samples} ...", flush=True)
    print(_TRAIN_LINES.format(samples=show.samples), file=sys.stderr)
    found = _train(config, show, str(folder.path), root / "train")
    print("\ntraining one random architecture the same way, for comparison ...", flush=True)
    drawn_at_random = _random_genotype(root, searching.space.name, config.seed)
    drawn = _train(config, show, str(drawn_at_random), root / "train-random")
    drawings = _draw(folder.path, root)
    page = write_page(
        [root / "search", root / "train", root / "train-random"], root / "report.html", title=show.title
    )
    print(
        f"\none random architecture, trained the same way: {drawn['test']['top1']:.1f} %\n"
        f"({show.remark})\n"
        f"test accuracy: {in_words(found['test']['top1'], int(found['test']['count']), show.samples)}\n"
        f"drawings of the cells: {', '.join(map(str, drawings)) or 'not drawn: pip install autodas[viz]'}\n"
        f"report on the whole demo: {page}\n"
        f"genotype: {folder.path / GENOTYPE}\n"
        f"run folder: {root}  (took {duration(time.monotonic() - start)})\n"
        f"next, with your own {show.samples}, one folder per class:\n"
        f"  autodas search --data {show.folder}:PATH --preset {show.preset} --run runs/mine\n"
        f"  autodas train runs/mine"
    )
    return 0


def _train(config: DemoConfig, show: _Show, genotype: str, folder: Path) -> dict[str, dict[str, float]]:
    from autodas.cli import train

    words = [genotype, "--data", show.data, "--seed", str(config.seed)]
    training = read_preset_configuration(train.TrainConfig, "train", show.preset, words)
    training = replace(
        training,
        epochs=config.train_epochs or training.epochs,
        run=str(folder),
        overwrite=config.overwrite,
    )
    return train.run_train(training).summary


def _random_genotype(root: Path, name: str, seed: int) -> Path:
    from autodas.spaces import get_space

    path = root / "random.json"
    get_space(name).random_genotype(Random(seed), "random").save(path)
    return path


def _draw(folder: Path, root: Path) -> list[Path]:
    from autodas.report import cells_of_genotype, draw_cells
    from autodas.zoo import load_genotype

    cells = cells_of_genotype(load_genotype(folder))
    try:
        return [*draw_cells(cells, root / "cell.svg"), *draw_cells(cells, root / "cell.png")]
    except AutodasError:
        # Drawing requires an extra, the rest of the demo does not.
        return []
