"""``autodas bench``: speed and memory of a search."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

from autodas.cli._output import print_facts
from autodas.cli._settings import ComputeConfig
from autodas.cli._verbs import run_verbs
from autodas.cli.search import SpaceConfig
from autodas.errors import AutodasError
from autodas.spaces import Space, get_space


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
        engine: how supernets are computed: fused or reference.
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


@dataclass(frozen=True)
class BenchStepConfig:
    """Compare the time of one search iteration (weight step and architecture step) between engines.

    The defaults are the paper's search network, with a smaller batch.

    Args:
        engines: the first is the measure of the others.
        repeats: timed iterations of each engine; they take turns.
        batch_size: pictures in each gradient step.
        image_size: height and width of the pictures.
        json: print JSON.
    """

    engines: tuple[str, ...] = ("reference", "fused")
    space: SpaceConfig = field(default_factory=lambda: SpaceConfig(K=2, C1=48, C2=64))
    repeats: int = 5
    batch_size: int = 16
    image_size: int = 32
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    json: bool = False

    def __post_init__(self) -> None:
        if self.repeats < 1 or self.batch_size < 2 or self.image_size < 4 or not self.engines:
            raise AutodasError(
                "repeats must be at least 1, batch_size at least 2, image_size at least 4, engines not empty"
            )


def run(argv: list[str]) -> int:
    """Run the command."""
    verbs = {"search": (BenchSearchConfig, _search), "step": (BenchStepConfig, _step)}
    return run_verbs("bench", argv, verbs)


def _step(config: BenchStepConfig) -> None:
    """Time of one iteration, engine against engine."""
    from autodas.cli._setup import use_compute
    from autodas.search.bench_step import bench_step

    rows = bench_step(
        _space(config.space),
        config.engines,
        repeats=config.repeats,
        batch_size=config.batch_size,
        image_size=config.image_size,
        precision=config.compute.precision,
        device=use_compute(config.compute),
        say=_say,
    )
    _print(rows, config.json)


def _search(config: BenchSearchConfig) -> None:
    """Time of whole searches against each other."""
    from autodas.cli._setup import use_compute
    from autodas.search.bench_search import bench_search

    rows = bench_search(
        _space(config.space),
        config.strategies,
        iterations=config.iterations,
        seeds=config.seeds,
        batch_size=config.batch_size,
        image_size=config.image_size,
        engine=config.engine,
        device=use_compute(config.compute),
        say=_say,
    )
    _print(rows, config.json)


def _space(config: SpaceConfig) -> Space:
    return get_space(config.name).with_size(config.K, config.C1, config.C2)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _print(rows: list[dict[str, Any]], as_json: bool) -> None:
    from autodas.training.run_folder import environment

    if as_json:
        print_facts({"results": rows, "environment": environment()}, as_json=True)
    else:
        print_facts(rows, as_json=False)
