"""How long searches take against each other, with the same number of iterations."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from autodas.data import Batch
from autodas.search._budget import supernet_multiply_adds
from autodas.search._phase import PhaseRun
from autodas.search.bench_step import noise
from autodas.settings import OptimSettings
from autodas.spaces import Space
from autodas.strategies import choose_strategy, load_strategy
from autodas.strategies.base import SearchPlan
from autodas.supernet import Supernet


def bench_search(
    space: Space,
    strategies: Sequence[str],
    *,
    iterations: int,
    seeds: int,
    batch_size: int,
    image_size: int,
    channels: int = 3,
    classes: int = 10,
    engine: str = "fused",
    device: torch.device | str = "cpu",
    say: Callable[[str], None] = lambda text: None,
) -> list[dict[str, Any]]:
    """Time whole searches with forced decisions.

    What a schedule saves depends on which operations win: a dilated 5x5 convolution is dearer than all
    others together. So the architecture parameters are drawn at random and held, which makes every
    outcome equally likely, and the median over seeds is told. Pictures are noise: their content costs
    nothing. Within a seed the methods take turns, iteration by iteration, so that a slow spell of the
    machine meets all of them.

    Args:
        space: where to search, with its size.
        strategies: names of methods, the first of which is the measure of the others.
        iterations: T, the same for all; at least the number of decisions.
        seeds: number of repetitions.
        batch_size: pictures a step.
        image_size: height and width of the pictures.
        channels: channels of the pictures.
        classes: number of classes.
        engine: how supernets are computed.
        device: where.
        say: is told how far it is.

    Returns:
        For each method: seconds an iteration and the ratio to the first method, median and range.
    """
    batch = noise(batch_size, channels, image_size, classes, torch.device(device))
    seconds: dict[str, list[float]] = {name: [] for name in strategies}
    for seed in range(seeds):
        runs = {
            name: _start(space, name, seed, iterations, batch, classes, engine, torch.device(device))
            for name in strategies
        }
        total = dict.fromkeys(strategies, 0.0)
        for iteration in range(iterations):
            for name, run in runs.items():
                start = time.perf_counter()
                _iterate(run, batch)
                if torch.device(device).type == "cuda":
                    torch.cuda.synchronize()
                if iteration > 0:  # the first iteration pays for allocations
                    total[name] += time.perf_counter() - start
        for name in strategies:
            seconds[name].append(total[name] / (iterations - 1))
            say(f"seed {seed}: {name} {seconds[name][-1]:.3f} s an iteration")
    first = seconds[strategies[0]]
    rows = []
    for name in strategies:
        ratios = [s / f for s, f in zip(seconds[name], first, strict=True)]
        rows.append(
            {
                "strategy": name,
                "seconds_an_iteration": statistics.median(seconds[name]),
                "ratio": statistics.median(ratios),
                "ratio_least": min(ratios),
                "ratio_most": max(ratios),
            }
        )
    return rows


def _start(
    space: Space,
    name: str,
    seed: int,
    iterations: int,
    batch: Batch,
    classes: int,
    engine: str,
    device: torch.device,
) -> PhaseRun:
    channels, image_size = batch.images.shape[1], batch.images.shape[-1]
    torch.manual_seed(seed)

    def multiply_adds(alive: Any) -> int:
        return supernet_multiply_adds(space, alive, classes=classes, channels=channels, image_size=image_size)

    # Parameters that stay where they were drawn: every operation is as likely to win as any other.
    choice = choose_strategy(name, initial_std=1.0, learning_rate=1e-12, weight_decay=0.0)
    plan = SearchPlan(space, iterations, seed, multiply_adds)
    strategy = load_strategy(choice.name)(choice.settings, plan)
    phase = strategy.phases()[0]
    strategy.start(0, device)
    supernet = Supernet(phase.space, classes=classes, channels=channels, engine=engine).to(device)
    return PhaseRun(phase, 0, strategy, supernet, OptimSettings(), iterations, device, "fp32")


def _iterate(run: PhaseRun, batch: Batch) -> None:
    run.step(batch, batch if run.searches else None)
    if run.strategy.after_iteration(run.iteration):
        run.let_go()
