"""``autodas bench``: speed and memory of a search."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

from autodas.cli._output import print_facts
from autodas.cli._settings import ComputeConfig
from autodas.cli._verbs import run_verbs
from autodas.cli.search import SpaceConfig
from autodas.errors import AutodasError


@dataclass(frozen=True)
class BenchSearchConfig:
    """Compare the time of whole searches with the same number of iterations.

    Decisions are forced to uniformly random outcomes; the median over seeds is told, with the range.

    Args:
        strategies: methods; the first is the measure of the others.
        iterations: of each search.
        seeds: repetitions.
        batch_size: pictures in each gradient step.
        image_size: height and width of the pictures.
        engine: how supernets are computed.
        json: print JSON.
    """

    strategies: tuple[str, ...] = ("das", "sdas-a", "sdas-b", "sdas-c")
    space: SpaceConfig = field(default_factory=lambda: SpaceConfig(K=1, C1=24, C2=32))
    iterations: int = 40
    seeds: int = 5
    batch_size: int = 32
    image_size: int = 8
    engine: str = "fused"
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    json: bool = False

    def __post_init__(self) -> None:
        if self.iterations < 2 or self.seeds < 1 or self.batch_size < 2 or self.image_size < 4:
            raise AutodasError(
                "iterations and batch_size must be at least 2, seeds at least 1, image_size at least 4"
            )
        if not self.strategies or "random" in self.strategies:
            raise AutodasError("strategies must name at least one differentiable method, and not random")


def run(argv: list[str]) -> int:
    """Run the command."""
    return run_verbs("bench", argv, {"search": (BenchSearchConfig, _search)})


def _search(config: BenchSearchConfig) -> None:
    """Time of whole searches against each other."""
    from autodas.cli._setup import use_compute
    from autodas.search.bench import bench_search
    from autodas.spaces import get_space
    from autodas.training.run_folder import environment

    device = use_compute(config.compute)
    space = get_space(config.space.name).with_size(config.space.K, config.space.C1, config.space.C2)
    rows = bench_search(
        space,
        config.strategies,
        iterations=config.iterations,
        seeds=config.seeds,
        batch_size=config.batch_size,
        image_size=config.image_size,
        engine=config.engine,
        device=device,
        say=lambda text: print(text, file=sys.stderr, flush=True),
    )
    if config.json:
        print_facts({"results": rows, "environment": environment()}, as_json=True)
    else:
        print_facts(rows, as_json=False)
