"""``autodas draw``: drawings of cells and networks, and animations of searches."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from autodas.cli._output import print_facts
from autodas.cli._settings import SkeletonConfig
from autodas.cli.config._usage import Usage
from autodas.errors import AutodasError
from autodas.runs.folder import EVENTS, GENOTYPE


@dataclass(frozen=True)
class DrawConfig:
    """Draw the cells and stage graphs of a genotype, each in its own file; for a search in progress, as they
    are. With --network draw the stack of cells, with --front scores against costs; to a .gif the evolution of
    a search.

    Args:
        genotype: a genotype file, a run folder, a name from the zoo, or a string of NAS-Bench-201.
        output: output file, whose ending selects the format: .svg, .png, .pdf or .dot, or .gif for the
            evolution of a search. With several kinds of cells the kind is added to the name. By default
            cell.svg, or network.svg.
        network: draw the whole network: its cells with their kinds, widths and strides.
        front: draw score against cost, for the run folder of a search with --budget.limits; to .svg or .png.
        skeleton: skeleton of the network; by default that of the run.
        json: print the names of the files as JSON.
    """

    genotype: str = field(metadata={"positional": True})
    output: Path | None = field(default=None, metadata={"short": "-o"})
    network: bool = False
    front: bool = False
    skeleton: SkeletonConfig = field(default_factory=SkeletonConfig)
    json: bool = False

    def __post_init__(self) -> None:
        if not self.network and self.skeleton != SkeletonConfig():
            raise AutodasError("--skeleton requires --network")
        if self.network and self.front:
            raise AutodasError("--network and --front exclude each other")
        if self.network and self._animated:
            raise AutodasError(f"{self.output}: cannot animate a network; use .svg, .png, .pdf or .dot")

    @property
    def _animated(self) -> bool:
        return self.output is not None and self.output.suffix.lower() == ".gif"


USAGES = (Usage("draw", DrawConfig),)


def run(argv: list[str]) -> int:
    """Run the command."""
    config = USAGES[0].parse(argv)
    files = [str(path) for path in _draw(config)]
    if config.json:
        print_facts(files, as_json=True)
    else:
        print("\n".join(files))
    return 0


def _draw(config: DrawConfig) -> list[Path]:
    from autodas.report import cells_of_genotype, cells_of_run, draw_cells, draw_evolution, draw_front
    from autodas.zoo import load_genotype

    if config.front:
        return [draw_front(config.genotype, config.output or "front.svg")]
    if config.network:
        return [_draw_network(config)]
    folder = Path(config.genotype)
    if config._animated:
        if not os.path.isdir(folder):
            raise AutodasError(f"{folder}: a .gif of the evolution requires the run folder of a search")
        return [draw_evolution(folder, config.output or "")]
    cells = cells_of_run(folder) if _unfinished(folder) else cells_of_genotype(load_genotype(config.genotype))
    return draw_cells(cells, config.output or "cell.svg")


def _draw_network(config: DrawConfig) -> Path:
    from autodas.report import draw_network, skeleton_of_run
    from autodas.spaces import fit_skeleton, get_skeleton
    from autodas.zoo import load_genotype

    folder, own = Path(config.genotype), config.skeleton
    skeleton = skeleton_of_run(folder) if own == SkeletonConfig() else None
    if skeleton is None:
        skeleton = get_skeleton(own.name).with_size(own.K, own.C1, own.C2)
    if _unfinished(folder):
        return draw_network(skeleton, config.output or "network.svg")
    genotype = load_genotype(config.genotype)
    skeleton = fit_skeleton(skeleton, genotype)
    title = f"{genotype.name}: {skeleton.name} network" if genotype.name else None
    return draw_network(skeleton, config.output or "network.svg", genotype.stages, title)


def _unfinished(folder: Path) -> bool:
    return os.path.exists(folder / EVENTS) and not os.path.exists(folder / GENOTYPE)
