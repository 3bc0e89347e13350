"""Comparison of the cost of a search iteration between engines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from autodas.bench._iteration import check_engines, is_function, make_iteration
from autodas.bench._setting import BenchSetting, Varied
from autodas.bench._timing import Times, compare, timed
from autodas.bench.memory import peak_memory
from autodas.errors import AutodasError
from autodas.loop import Group, check_micro_batches

Say = Callable[[str], None]


def bench_step(
    engines: Sequence[str],
    setting: BenchSetting,
    *,
    repeats: int,
    memory: bool = True,
    say: Say = lambda text: None,
) -> list[dict[str, Any]]:
    """Measure one iteration of DAS, an architecture step and a weight step, on several engines.

    The engines take turns in one process, so that temporary slowdowns of the machine affect all of them.
    Memory is measured first, for each engine in a fresh process.

    Args:
        engines: names of engines, or functions of the user
            (:func:`~autodas.bench._iteration.make_iteration`); the first is the baseline of the others.
        setting: setting of the benchmark.
        repeats: timed iterations of each engine, after an untimed one (three on a GPU).
        memory: whether to measure memory.
        say: called with progress messages.

    Returns:
        Rows for each engine: median seconds per iteration (wall time, and CPU time of all threads), the
        ratios to the first engine, and optionally peak memory in MiB (``None`` if not available) with its
        ratio to the first engine's.

    Raises:
        AutodasError: if an engine is unknown, or fails.
    """
    check_engines(engines)
    peaks = _peaks(engines, setting, say) if memory else {}
    iterations = {engine: make_iteration(engine, setting) for engine in engines}
    times: dict[str, list[Times]] = {engine: [] for engine in engines}
    # The first iteration includes allocations; on a GPU the third one the recording of a CUDA graph.
    not_timed = 3 if setting.device.startswith("cuda") else 1
    for repeat in range(repeats + not_timed):
        for engine, iteration in iterations.items():
            taken = timed(iteration, setting.device)
            if repeat >= not_timed:
                times[engine].append(taken)
                say(f"{engine}: {taken.wall:.3f} s")
    return [row | peaks.get(row["engine"], {}) for row in compare("engine", times)]


def bench_scaling(
    engines: Sequence[str],
    setting: BenchSetting,
    *,
    repeats: int,
    group: Group,
    say: Say = lambda text: None,
) -> list[dict[str, Any]]:
    """Measure one iteration of DAS by a single process, and by several that share its batch.

    Both take turns: the other processes wait while the first one computes alone.

    Args:
        engines: names of engines.
        setting: setting of the benchmark, with the batch of all processes together.
        repeats: timed iterations, after an untimed one (three on a GPU).
        group: the processes, all of which call this.
        say: called with progress messages.

    Returns:
        For each engine a row for one process and one for all: median seconds per iteration of the first
        process, and the ratios to one process.

    Raises:
        AutodasError: if an engine is unknown or a function of the user, or the batch cannot be shared.
    """
    for engine in engines:
        if is_function(engine):
            raise AutodasError(f"engine '{engine}': a function computes in one process, not in {group.size}")
    check_engines(engines)
    check_micro_batches(1, setting.batch_size, group.size)
    rows: list[dict[str, Any]] = []
    for engine in engines:
        alone = make_iteration(engine, setting) if group.first else lambda: None
        together = make_iteration(engine, setting, group)
        times: dict[str, list[Times]] = {name: [] for name in (_processes(1), _processes(group.size))}
        not_timed = 3 if setting.device.startswith("cuda") else 1
        for repeat in range(repeats + not_timed):
            for name, iteration in zip(times, (alone, together), strict=True):
                group.gather(None)  # waits for all
                taken = timed(iteration, setting.device)
                if repeat >= not_timed:
                    times[name].append(taken)
                    say(f"{engine}, {name}: {taken.wall:.3f} s")
        rows += [{"engine": engine, **row} for row in compare("processes", times)] if group.first else []
    return rows


def _processes(count: int) -> str:
    return f"{count} {'process' if count == 1 else 'processes'}"


def bench_growth(
    engines: Sequence[str],
    setting: BenchSetting,
    vary: Varied,
    values: Sequence[int],
    *,
    repeats: int,
    memory: bool = True,
    say: Say = lambda text: None,
) -> list[dict[str, Any]]:
    """Measure how the cost of an iteration grows with one size.

    Args:
        engines: as for :func:`bench_step`.
        setting: all other sizes.
        vary: size to vary.
        values: values of that size; the first is the baseline of the others.
        repeats: timed iterations of each engine at each value. Engines take turns, values do not.
        memory: whether to measure memory.
        say: called with progress messages.

    Returns:
        Rows of :func:`bench_step` for each value, with the value and ``growth``: median seconds divided by
        those of the same engine at the first value.

    Raises:
        AutodasError: if a value is out of range, or an engine is unknown or fails.
    """
    settings = [setting.vary(vary, value) for value in values]  # check all before anything runs
    rows: list[dict[str, Any]] = []
    first: dict[str, float] = {}
    for value, varied in zip(values, settings, strict=True):
        say(f"{vary} {value}")
        for row in bench_step(engines, varied, repeats=repeats, memory=memory, say=say):
            seconds = row["seconds_an_iteration"]
            growth = seconds / first.setdefault(row["engine"], seconds)
            rows.append({vary: value, **row, "growth": growth})
    return rows


def _peaks(engines: Sequence[str], setting: BenchSetting, say: Say) -> dict[str, dict[str, float | None]]:
    peaks: dict[str, dict[str, float | None]] = {}
    first = None
    for engine in engines:
        peak = peak_memory(engine, setting)
        first = first or peak
        say(f"{engine}: " + ("memory not available: no /proc" if peak is None else f"{peak:,.0f} MiB"))
        peaks[engine] = {"peak_mib": peak, "memory_ratio": peak and first and peak / first}
    return peaks
