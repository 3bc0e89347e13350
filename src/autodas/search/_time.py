"""Estimate of the duration of a search: some iterations are timed and extrapolated by the schedule."""

from __future__ import annotations

from functools import partial
from itertools import islice
from random import Random

import torch

from autodas.data import Loader
from autodas.search._cost import supernet_multiply_adds
from autodas.search._loop import LATE, Search
from autodas.search._phase import PhaseRun
from autodas.spaces import alive_of, random_cell
from autodas.strategies.base import Phase, Strategy
from autodas.supernet import CellMixture, Mixture, mixture_of
from autodas.time_estimate import TimeEstimate, timed, times_of

POINTS = 50
"""Number of points of a phase at which the cost of an iteration is evaluated."""

EVALUATIONS = 4
"""Passes over the validation half for the accuracies of a result, besides one over the training half."""


def estimate_time(search: Search) -> TimeEstimate:
    """Estimate the duration of :meth:`Search.run`. The search cannot be used afterwards; nothing is written.

    The first iterations run on the real data, with the architecture step and, if the search begins without
    it, also without; then, if the schedule makes iterations cheaper, one near the end, after decisions with
    random outcomes. Later phases are scaled by their multiply-adds. Evaluations are timed on one batch.

    Args:
        search: a search that has not run yet.
    """
    run = search.start_phase(0)
    strategy, phase, device = search.strategy, run.phase, run.device
    train, validation = search.halves.train.stream(0), search.halves.validation.stream(0)

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    def step() -> None:
        run.step(next(train), next(validation) if run.searches else None)
        if strategy.after_iteration(run.iteration):
            run.let_go()

    def paces(iteration: int) -> list[float]:
        run.iteration = iteration
        if strategy.after_iteration(iteration):
            run.let_go()
        # Recording on a GPU pays off only after some iterations.
        warm_up = 1 if device.type == "cpu" else 6
        return times_of(step, wait, warm_up, search.group.longest)

    few, mixture = search.halves.validation_few, strategy.mixture()
    relaxed, discrete = (
        timed(partial(_evaluate_batch, run, each, few), wait) / few.batch_size
        for each in (mixture, _discrete(phase, run))
    )
    alone = paces(0) if phase.weights_only else []
    both = paces(phase.weights_only) if phase.weights_only < phase.iterations else alone
    last = paces(phase.iterations - 1) if _falls(strategy) else both
    weights, first, end = (sum(times) / len(times) if times else 0.0 for times in (alone, both, last))
    if not alone:  # only later phases have weight steps alone: about half of an iteration with both
        weights = first / 2

    seconds = 0.0
    halves = {name: len(indices) for name, indices in search.halves.indices.items()}
    sizes = [_multiply_adds(search, each) for each in search.phases] if len(search.phases) > 1 else [1]
    for number, (each, size) in enumerate(zip(search.phases, sizes, strict=True), 1):
        mean = sum(_pace(strategy, (i + 0.5) / POINTS, first, end) for i in range(POINTS)) / POINTS
        share = size / sizes[0]
        seconds += share * (each.weights_only * weights + (each.iterations - each.weights_only) * mean)
        seconds += share * halves["validation"] * _pace(strategy, 1.0, relaxed, discrete)
        if strategy.scores_epochs:
            seconds += share * each.iterations / search.length * halves["validation"] * relaxed
        for iteration in range(max(1, each.iterations - LATE + 1), each.iterations + 1):
            before, after = ((iteration - i) / each.iterations for i in (1, 0))
            if strategy.expected_cost(before) != strategy.expected_cost(after):  # there is a decision
                seconds += 2 * search.halves.few * _pace(strategy, after, relaxed, discrete)
        if strategy.chooses == "best" or number == len(search.phases):
            seconds += share * (EVALUATIONS * halves["validation"] + halves["train"]) * discrete
    return TimeEstimate.around(seconds, both)


def _evaluate_batch(run: PhaseRun, mixture: Mixture, loader: Loader) -> None:
    run.supernet.eval()
    run.task.evaluate(lambda images: run.supernet(images, mixture), islice(loader.batches(0), 1))


def _discrete(phase: Phase, run: PhaseRun) -> dict[str, CellMixture]:
    """Return the mixture of a random architecture."""
    generator, cell = Random(0), phase.space.cell
    alive = {kind: alive_of(random_cell(cell, generator), cell) for kind in phase.space.kinds}
    return mixture_of(alive, run.device)


def _falls(strategy: Strategy) -> bool:
    return strategy.expected_cost(1.0) < strategy.expected_cost(0.0)


def _pace(strategy: Strategy, share: float, first: float, end: float) -> float:
    """Return a cost at some point of a phase, interpolated between its start and its end."""
    if not _falls(strategy):
        return first
    most, least = strategy.expected_cost(0.0), strategy.expected_cost(1.0)
    return end + (first - end) * (strategy.expected_cost(share) - least) / (most - least)


def _multiply_adds(search: Search, phase: Phase) -> int:
    return supernet_multiply_adds(
        phase.space,
        phase.alive,
        task=search.task,
        shape=search.size.shape,
        partial_channels=search.size.partial_channels,
        cells=phase.cells,
    )
