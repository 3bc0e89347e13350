"""How long one iteration of a search takes, engine against engine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from autodas.data import Batch
from autodas.search._phase import PhaseRun
from autodas.settings import OptimSettings, Precision
from autodas.spaces import Space
from autodas.strategies import choose_strategy, load_strategy
from autodas.strategies.base import SearchPlan
from autodas.supernet import Supernet


def noise(batch_size: int, channels: int, image_size: int, classes: int, device: torch.device) -> Batch:
    """Return a batch of noise: what pictures show costs nothing."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(batch_size, channels, image_size, image_size, generator=generator)
    labels = torch.randint(classes, (batch_size,), generator=generator)
    return Batch(
        images.to(device, memory_format=torch.channels_last),
        labels.to(device),
        torch.arange(batch_size, device=device),
    )


def bench_step(
    space: Space,
    engines: Sequence[str],
    *,
    repeats: int,
    batch_size: int,
    image_size: int,
    channels: int = 3,
    classes: int = 10,
    precision: Precision = "fp32",
    device: torch.device | str = "cpu",
    say: Callable[[str], None] = lambda text: None,
) -> list[dict[str, Any]]:
    """Time one iteration of DAS, a weight step and an architecture step, on several engines.

    The engines take turns, so that a slow spell of the machine meets all of them.

    Args:
        space: where to search, with its size.
        engines: names of engines, the first of which is the measure of the others.
        repeats: timed iterations of each; one more comes first and is not timed.
        batch_size: pictures a step.
        image_size: height and width of the pictures.
        channels: channels of the pictures.
        classes: number of classes.
        precision: of forward and backward passes.
        device: where.
        say: is told how far it is.

    Returns:
        For each engine: median seconds an iteration, and the ratio to the first one, median and range of
        the pairs.
    """
    where = torch.device(device)
    batch = noise(batch_size, channels, image_size, classes, where)
    runs = {}
    for engine in engines:
        torch.manual_seed(0)
        choice = choose_strategy("das")
        plan = SearchPlan(space, 10**6, 0, lambda alive: 1)
        strategy = load_strategy(choice.name)(choice.settings, plan)
        phase = strategy.phases()[0]
        strategy.start(0, where)
        supernet = Supernet(space, classes=classes, channels=channels, engine=engine).to(where)
        runs[engine] = PhaseRun(phase, 0, strategy, supernet, OptimSettings(), 10**6, where, precision)
    seconds: dict[str, list[float]] = {engine: [] for engine in engines}
    for repeat in range(repeats + 1):
        for engine, run in runs.items():
            start = time.perf_counter()
            run.step(batch, batch)
            if where.type == "cuda":
                torch.cuda.synchronize()
            if repeat > 0:
                seconds[engine].append(time.perf_counter() - start)
                say(f"{engine}: {seconds[engine][-1]:.3f} s")
    rows = []
    for engine in engines:
        ratios = [s / f for s, f in zip(seconds[engine], seconds[engines[0]], strict=True)]
        rows.append(
            {
                "engine": engine,
                "seconds_an_iteration": statistics.median(seconds[engine]),
                "ratio": statistics.median(ratios),
                "ratio_least": min(ratios),
                "ratio_most": max(ratios),
            }
        )
    return rows
