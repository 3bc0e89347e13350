"""Times that were taken in turns, and their ratios."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

import torch

from autodas.bench._iteration import Iteration


class Times(NamedTuple):
    """How long something took.

    Args:
        wall: seconds that passed.
        cpu: seconds of computing, of all threads together.
    """

    wall: float
    cpu: float


def timed(iteration: Iteration, device: str) -> Times:
    """Run an iteration to its end and return how long it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    iteration()
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()
    return Times(time.perf_counter() - wall, time.process_time() - cpu)


def compare(label: str, times: Mapping[str, Sequence[Times]]) -> list[dict[str, Any]]:
    """Return one row for each contestant.

    Args:
        label: what the contestants are.
        times: their times; those that stand at one place were taken one after the other. The first
            contestant is the measure of the others.

    Returns:
        Median seconds of wall time and of computing; the ratio of wall times to the first contestant,
        median and range of the pairs; the median ratio of computing times.
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
