"""Comparison of the time of whole searches with the same number of iterations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from autodas.bench._iteration import Iteration, check_engines, is_function, make_iteration, searching
from autodas.bench._setting import BenchSetting
from autodas.bench._timing import Times, compare, timed
from autodas.errors import AutodasError
from autodas.strategies import choose_strategy

FUNCTION_EVERY = 4
"""Interval between timed iterations of a function, whose cost is constant throughout a search."""


def bench_search(
    strategies: Sequence[str],
    setting: BenchSetting,
    *,
    iterations: int,
    seeds: int,
    engine: str = "fused",
    say: Callable[[str], None] = lambda text: None,
) -> list[dict[str, Any]]:
    """Time whole searches with forced decisions.

    The savings of a schedule depend on the operations that win: a dilated 5x5 convolution is more expensive
    than all others together. So the architecture parameters are drawn at random and held fixed, which makes
    all outcomes equally likely, and the median over seeds is reported. Images are noise, since their content
    does not affect the cost. Within a seed the methods take turns, iteration by iteration, so that temporary
    slowdowns of the machine affect all of them.

    Args:
        strategies: names of methods, the first of which is the baseline of the others. A function of the
            user (:func:`~autodas.bench._iteration.make_iteration`) is a search in which everything stays
            relaxed; it takes its turn in every :data:`FUNCTION_EVERY`-th iteration.
        setting: setting of the benchmark.
        iterations: number of iterations T of each search; at least the number of decisions.
        seeds: number of repetitions.
        engine: engine of the supernets.
        say: called with progress messages.

    Returns:
        Rows for each method: seconds per iteration, as mean over the search and median over the seeds, and
        the ratios to the first method, as median and range.

    Raises:
        AutodasError: if a method, function or engine is unknown.
    """
    functions = [name for name in strategies if is_function(name)]
    check_engines([engine, *functions])
    for name in strategies:
        if name not in functions:
            choose_strategy(name)
        if strategies.count(name) > 1:
            raise AutodasError(f"'{name}' appears twice")
    # The cost of a function does not depend on the seed, so it is started only once.
    started = {name: make_iteration(name, setting) for name in functions}
    for name, iteration in started.items():
        say(f"{name}: first iteration {timed(iteration, setting.device).wall:.3f} s")
    means: dict[str, list[Times]] = {name: [] for name in strategies}
    for seed in range(seeds):
        runs = {
            name: started[name]
            if name in started
            else searching(name, engine, setting, iterations=iterations, seed=seed)
            for name in strategies
        }
        for name, taken in _search(runs, iterations, setting.device).items():
            means[name].append(_mean(taken))
            say(f"seed {seed}: {name} {means[name][-1].wall:.3f} s an iteration")
    return compare("strategy", means)


def _search(runs: dict[str, Iteration], iterations: int, device: str) -> dict[str, list[Times]]:
    times: dict[str, list[Times]] = {name: [] for name in runs}
    for number in range(iterations):
        for name, iteration in runs.items():
            if is_function(name) and number % FUNCTION_EVERY != 1:
                continue
            taken = timed(iteration, device)
            if number > 0:  # the first iteration includes allocations
                times[name].append(taken)
    return times


def _mean(times: Sequence[Times]) -> Times:
    return Times(sum(t.wall for t in times) / len(times), sum(t.cpu for t in times) / len(times))
