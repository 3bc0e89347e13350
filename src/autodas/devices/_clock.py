"""Clock of a measurement."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal, NamedTuple

from autodas.measure_options import MeasureSettings

_FINE = 1e-6


class Clock(NamedTuple):
    """Clock that times forward passes.

    Args:
        name: ``"processor"`` for the time that the processor spends on this thread, ``"elapsed"`` for the
            time that passes.
        read: function that returns its time in seconds.
    """

    name: Literal["processor", "elapsed"]
    read: Callable[[], float]


def clock_for(settings: MeasureSettings) -> Clock:
    """Return the clock of a measurement.

    With one thread on a CPU it is the time that the processor spends on the thread. On an idle machine this
    is the elapsed time; on a busy one it leaves out the waits while other programs have the processor.
    """
    alone = settings.device == "cpu" and settings.threads == 1
    if alone and time.get_clock_info("thread_time").resolution <= _FINE:  # coarse on Windows
        return Clock("processor", time.thread_time)
    return Clock("elapsed", time.perf_counter)
