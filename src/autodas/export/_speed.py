"""Time that a network takes for one sample."""

from __future__ import annotations

import statistics
import time

import torch
from torch import Tensor, nn

_WARM_UP, _FEWEST, _MOST, _SECONDS = 3, 5, 200, 1.0


def milliseconds(network: nn.Module, sample: Tensor) -> float:
    """Return the median time of a forward pass in milliseconds, from 5 to 200 passes within about a second.

    Args:
        network: network in evaluation mode on the CPU.
        sample: its input.
    """
    times: list[float] = []
    with torch.no_grad():
        for _ in range(_WARM_UP):
            network(sample)
        end = time.perf_counter() + _SECONDS
        while len(times) < _FEWEST or (len(times) < _MOST and time.perf_counter() < end):
            start = time.perf_counter()
            network(sample)
            times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)
