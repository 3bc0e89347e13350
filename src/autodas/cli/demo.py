"""``autodas demo``: the main job on embedded data, start to end."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from autodas.cli._configuration import parse, read_preset_configuration
from autodas.cli._settings import transient


@dataclass(frozen=True)
class DemoConfig:
    """Search a network for handwritten digits, train it, test it, draw it.

    Args:
        run: folder of the demo; by default a new one under runs/.
        seed: of everything random.
        epochs: epochs of the search, for a quicker look; by default those of the preset.
        train_epochs: epochs of the trainings; by default those of the preset.
        overwrite: replace the demo that --run holds.
    """

    run: str | None = transient(None)
    seed: int = 0
    epochs: int | None = None
    train_epochs: int | None = None
    overwrite: bool = transient(False)


def run(argv: list[str]) -> int:
    """Run the command."""
    config = parse("demo", DemoConfig, argv)
    start = time.monotonic()
    from autodas.cli import search
    from autodas.training import duration

    root = Path(config.run or f"runs/demo-{time.strftime('%Y%m%d-%H%M%S')}")
    print("searching a network for 8x8 pictures of handwritten digits (SDAS, schedule B) ...", flush=True)
    searching = read_preset_configuration(
        search.SearchConfig, "search", "quickstart", ["--strategy", "sdas-b", "--seed", str(config.seed)]
    )
    searching = replace(
        searching,
        epochs=config.epochs or searching.epochs,
        run=str(root / "search"),
        overwrite=config.overwrite,
    )
    folder, result = search.run_search(searching)
    print("\n".join(search.report(folder, result)[:-1]))
    print("\ntraining the network that was found, on all training pictures ...", flush=True)
    found = _train(config, str(folder.path), root / "train")
    print("\ntraining one random architecture the same way, for comparison ...", flush=True)
    drawn = _train(config, str(_random_genotype(root, config.seed)), root / "train-random")
    pictures = _draw(folder.path, root)
    print(
        f"\nmean margin of the decisions: {result.margin:.3f}\n"
        f"one random architecture, trained the same way: {drawn['test']['top1']:.1f} %\n"
        "(digits are easy: random cells do well on them too, so the difference says little)\n"
        f"test accuracy: {found['test']['top1']:.1f} %  "
        f"({found['test']['count']} pictures, standard error {found['test']['standard_error']:.1f} points)\n"
        f"pictures of the cells: {', '.join(map(str, pictures)) or 'not drawn: pip install autodas[viz]'}\n"
        f"genotype: {folder.path / 'genotype.json'}\n"
        f"run folder: {root}  (took {duration(time.monotonic() - start)})\n"
        "next, with pictures of your own, in one folder a class:\n"
        "  autodas search --data imagefolder:PATH --preset quickstart --run runs/mine\n"
        "  autodas train runs/mine --data imagefolder:PATH --preset quickstart"
    )
    return 0


def _train(config: DemoConfig, genotype: str, folder: Path) -> dict[str, dict[str, float]]:
    from autodas.cli import train

    training = read_preset_configuration(
        train.TrainConfig, "train", "quickstart", [genotype, "--seed", str(config.seed)]
    )
    training = replace(
        training,
        epochs=config.train_epochs or training.epochs,
        run=str(folder),
        overwrite=config.overwrite,
    )
    return train.run_train(training)[1]


def _random_genotype(root: Path, seed: int) -> Path:
    from autodas.genotype import Genotype
    from autodas.spaces import get_space
    from autodas.strategies.random import random_cell

    space = get_space("cifar-o2d")
    generator = Random(seed)
    cells = {kind: random_cell(space.cell, generator) for kind in space.kinds}
    path = root / "random.json"
    Genotype(cells, "random", space.cell.name).save(path)
    return path


def _draw(folder: Path, root: Path) -> list[Path]:
    from autodas.errors import AutodasError
    from autodas.report import cells_of_genotype, draw_cells
    from autodas.zoo import load_genotype

    cells = cells_of_genotype(load_genotype(folder))
    try:
        return [*draw_cells(cells, root / "cell.svg"), *draw_cells(cells, root / "cell.png")]
    except AutodasError:
        # Drawing needs an extra; the rest of the demo does not.
        return []
