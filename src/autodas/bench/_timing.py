"""Times of contestants that take turns, and their ratios."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

import torch

from autodas.bench._iteration import Iteration


class Times(NamedTuple):
    """Wall and CPU time of an iteration.

    Args:
        wall: wall time in seconds.
        cpu: CPU time of all threads together, in seconds.
    """

    wall: float
    cpu: float


def timed(iteration: Iteration, device: str) -> Times:
    """Run an iteration to completion and return its times."""
    wall, cpu = time.perf_counter(), time.process_time()
    iteration()
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
    return Times(time.perf_counter() - wall, time.process_time() - cpu)


def compare(label: str, times: Mapping[str, Sequence[Times]]) -> list[dict[str, Any]]:
    """Return one row for each contestant.

    Args:
        label: kind of contestants.
        times: times of each contestant; those at the same index were measured in direct succession. The
            first contestant is the baseline of the others.

    Returns:
        Rows with the medians of wall and CPU time in seconds; the ratio of wall times to the first contestant
        as median and range over pairs; the median ratio of CPU times.
    """
    first = next(iter(times.values()))
    rows = []
    for name, own in times.items():
        ratios = [ours.wall / theirs.wall for ours, theirs in zip(own, first, strict=True)]
        rows.append(
            {
                label: name,
                "seconds_an_iteration": median(t.wall for t in own),
                "cpu_seconds": median(t.cpu for t in own),
                "ratio": median(ratios),
                "ratio_least": min(ratios),
                "ratio_most": max(ratios),
                "cpu_ratio": median(a.cpu / b.cpu for a, b in zip(own, first, strict=True)),
            }
        )
    return rows
