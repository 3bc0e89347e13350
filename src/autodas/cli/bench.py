"""``autodas bench``: time and memory of searches."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from autodas.cli._output import print_facts
from autodas.cli._settings import ComputeConfig, transient
from autodas.cli.config._schema import tree
from autodas.cli.config._verbs import Verb, run_verbs, usages_of
from autodas.cli.search import SpaceConfig
from autodas.errors import AutodasError
from autodas.launched import process_count
from autodas.spaces import get_space

if TYPE_CHECKING:
    from autodas.bench._setting import BenchSetting

PAPER = SpaceConfig(K=2, C1=48, C2=64)
"""The search network of the papers: 8 cells, 16 channels."""

LEAST_BATCH = 2
"""Batch normalisation requires two images if a feature map has one pixel."""

LEAST_IMAGE = 4
"""Feature maps are halved twice."""


@dataclass(frozen=True)
class BenchConfig:
    """Common options of all benchmarks.

    Args:
        batch_size: images or clips in each gradient step.
        image_size: height and width of the images.
        frames: frames of a clip, in spaces for video; by default those the skeleton was designed for.
        output: JSON file for setting, results and machine.
        json: print the same JSON instead of a table.
    """

    space: SpaceConfig = field(default_factory=lambda: PAPER)
    batch_size: int = 16
    image_size: int = 32
    frames: int | None = None
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    output: str | None = transient(None)
    json: bool = transient(False)

    def __post_init__(self) -> None:
        _at_least(LEAST_BATCH, batch_size=self.batch_size)
        _at_least(LEAST_IMAGE, image_size=self.image_size)
        if self.frames is not None:
            _at_least(1, frames=self.frames)
        if self.output is not None and not os.path.isdir(Path(self.output).absolute().parent):
            raise AutodasError(f"output={self.output}: its folder does not exist")


@dataclass(frozen=True)
class BenchStepConfig(BenchConfig):
    """Compare time and peak memory of one search iteration (architecture step and weight step).

    Engines take turns in one process; memory is measured in a fresh process for each, beyond its imports. The
    defaults are the paper's search network with a smaller batch. Started by torchrun, it compares one process
    with all of them, which share the batch; memory is not measured then.

    Args:
        engines: fused, reference, or a function of your own as python:package.module:function, which is
            called with space, K, C1, C2, batch_size, image_size, channels, classes, device and precision
            and returns a function without arguments that computes one iteration. The first is the baseline
            of the others.
        repeats: timed iterations of each engine.
        memory: also measure memory.
    """

    engines: tuple[str, ...] = ("reference", "fused")
    repeats: int = 5
    memory: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        _at_least(1, repeats=self.repeats)
        if not self.engines:
            raise AutodasError("engines must name at least one")


@dataclass(frozen=True)
class BenchGrowthConfig(BenchStepConfig):
    """Measure how time and peak memory of one search iteration grow with one size.

    Args:
        vary: size to vary; C2 widens the whole network, with C1 in proportion; K normal cells in each stage
            make 3K + 2 cells.
        values: values of that size; growth is the time relative to the first.
    """

    vary: Literal["batch_size", "image_size", "K", "C2"] = "batch_size"
    values: tuple[int, ...] = (8, 16, 32)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.values:
            raise AutodasError("values must name at least one")
        least = {"batch_size": LEAST_BATCH, "image_size": LEAST_IMAGE, "K": 0, "C2": 8}[self.vary]
        _at_least(least, **{self.vary: min(self.values)})


@dataclass(frozen=True)
class BenchSearchConfig(BenchConfig):
    """Compare the time of whole searches with the same number of iterations.

    Decisions are forced to uniformly random outcomes; the median over seeds is reported, with the range.

    Args:
        strategies: search methods; the first is the baseline of the others. A function of your own, as for
            bench step, is a search that stays relaxed to its end; it takes its turn only in every fourth
            iteration.
        iterations: iterations of each search.
        seeds: number of repetitions.
        engine: engine of the supernets: fused or reference.
    """

    strategies: tuple[str, ...] = ("das", "sdas-a", "sdas-b", "sdas-c")
    space: SpaceConfig = field(default_factory=lambda: SpaceConfig(K=1, C1=24, C2=32))
    iterations: int = 40
    seeds: int = 5
    batch_size: int = 32
    image_size: int = 8
    engine: str = "fused"

    def __post_init__(self) -> None:
        super().__post_init__()
        _at_least(2, iterations=self.iterations)
        _at_least(1, seeds=self.seeds)
        if not self.strategies or "random" in self.strategies:
            raise AutodasError("strategies must name at least one differentiable method, and not 'random'")


def run(argv: list[str]) -> int:
    """Run the command."""
    return run_verbs("bench", argv, VERBS)


def _step(config: BenchStepConfig) -> None:
    """Compare time and memory of one search iteration between engines."""
    import torch

    from autodas.bench.step import bench_scaling, bench_step
    from autodas.cli._setup import connect

    setting = _setting(config)
    group = connect("bench step", config, torch.device(setting.device))
    if group.size > 1:
        rows = bench_scaling(config.engines, setting, repeats=config.repeats, group=group, say=_say)
    else:
        rows = bench_step(config.engines, setting, repeats=config.repeats, memory=config.memory, say=_say)
    if group.first:
        _report("step", config, rows)


def _growth(config: BenchGrowthConfig) -> None:
    """Measure their growth with one size: batch, images, cells or channels."""
    from autodas.bench.step import bench_growth

    _check_alone("growth")
    rows = bench_growth(
        config.engines,
        _setting(config),
        config.vary,
        config.values,
        repeats=config.repeats,
        memory=config.memory,
        say=_say,
    )
    _report("growth", config, rows)


def _search(config: BenchSearchConfig) -> None:
    """Compare the time of whole searches between methods."""
    from autodas.bench.search import bench_search

    _check_alone("search")
    rows = bench_search(
        config.strategies,
        _setting(config),
        iterations=config.iterations,
        seeds=config.seeds,
        engine=config.engine,
        say=_say,
    )
    _report("search", config, rows)


def _check_alone(verb: str) -> None:
    if process_count() > 1:
        raise AutodasError(f"'autodas bench {verb}' computes in a single process: start it without torchrun")


def _setting(config: BenchConfig) -> BenchSetting:
    """Set up the device, and return the setting of the benchmark."""
    from autodas.bench._setting import BenchSetting
    from autodas.cli._setup import use_compute

    return BenchSetting(
        get_space(config.space.name).with_size(config.space.K, config.space.C1, config.space.C2),
        config.batch_size,
        config.image_size,
        precision=config.compute.precision,
        device=str(use_compute(config.compute)),
        frames=config.frames,
        graphs=config.compute.graphs,
    )


def _report(verb: str, config: BenchConfig, rows: list[dict[str, Any]]) -> None:
    """Write and print the results."""
    from autodas.loop import environment
    from autodas.writing import write_whole

    document = {
        "benchmark": verb,
        "date": date.today().isoformat(),
        "setting": tree(config),
        "results": rows,
        "environment": environment(),
    }
    if config.output is not None:
        write_whole(Path(config.output), json.dumps(document, indent=2) + "\n")
    print_facts(document if config.json else rows, as_json=config.json)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _at_least(least: int, **numbers: int) -> None:
    for name, number in numbers.items():
        if number < least:
            raise AutodasError(f"{name}={number} must be at least {least}")


VERBS = {
    "step": Verb(BenchStepConfig, _step),
    "growth": Verb(BenchGrowthConfig, _growth),
    "search": Verb(BenchSearchConfig, _search),
}
USAGES = usages_of("bench", VERBS)
