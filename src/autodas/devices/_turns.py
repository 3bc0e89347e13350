"""Turns: short measurements of networks in random order."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from statistics import median
from typing import NamedTuple, TypeVar

from autodas.devices._interval import is_narrow

WARM_UP, TIMED = 0.02, 0.1
"""Seconds of a turn: passes that are not timed, since the caches hold another network, and those that are."""
FEWEST = 3
"""Turns of each network, however long they take."""
FIRST, AGAIN = 5, 3
"""Number of networks that are measured again at the end, and of their turns."""
DRIFT = 0.05
"""Relative change of the times of a machine that is reported."""

Key = TypeVar("Key")


class Turn(NamedTuple):
    """One turn of a network.

    Args:
        milliseconds: median time of a timed pass.
        passes: number of timed passes.
        seconds: time that the whole turn took.
    """

    milliseconds: float
    passes: int
    seconds: float


def take_turn(forward: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> Turn:
    """Pass through a network for a tenth of a second, at least once to warm up and once for the clock.

    Args:
        forward: one pass, finished when it returns.
        clock: time in seconds.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        begin = now = clock()
        while now == begin or now - begin < WARM_UP:
            forward()
            now = clock()
        start, times = now, list[float]()
        while not times or now - start < TIMED:
            before = clock()
            forward()
            now = clock()
            times.append(now - before)
    finally:
        if collecting:
            gc.enable()
    return Turn(1000 * median(times), len(times), now - begin)


def rounds(
    turns: Mapping[Key, list[Turn]], take: Callable[[Key], Turn], *, seconds: float, generator: Random
) -> Iterator[tuple[Key, Turn]]:
    """Take turns until the median of each network is known well, or it has had its time.

    In a round every network has one turn, in a random order, so that what slows the machine down for a while
    hits all alike. A network whose median is known goes on as long as others do, for the same reason. At
    the end the first networks are measured again, for :func:`drift`.

    Args:
        turns: turns that each network has had, which are completed.
        take: takes a turn of a network.
        seconds: time for each network.
        generator: generator of the order.

    Yields:
        The network and its turn, after each.
    """
    while True:
        open_ = [key for key, own in turns.items() if _has_time(own, seconds)]
        if all(is_known(turns[key]) for key in open_):
            break
        yield from _round(open_, turns, take, generator)
    for _ in range(AGAIN):
        yield from _round(list(turns)[:FIRST], turns, take, generator)


def is_known(turns: Sequence[Turn]) -> bool:
    """Return whether the median of a network's turns is known well enough."""
    return is_narrow([turn.milliseconds for turn in turns])


def is_finished(turns: Sequence[Turn], seconds: float) -> bool:
    """Return whether a network needs no further turn: its median is known, or it has had its time."""
    return is_known(turns) or not _has_time(turns, seconds)


def drift(turns: Mapping[Key, Sequence[Turn]]) -> float:
    """Return by how much the first networks took longer at the end than at the beginning, as a share.

    Args:
        turns: turns of each network, of which the first networks were measured again at the end.
    """
    changes = [
        median(turn.milliseconds for turn in own[-AGAIN:]) / median(turn.milliseconds for turn in own[:AGAIN])
        for own in list(turns.values())[:FIRST]
        if len(own) >= 2 * AGAIN
    ]
    return median(changes) - 1 if changes else 0.0


def _has_time(turns: Sequence[Turn], seconds: float) -> bool:
    return len(turns) < FEWEST or sum(turn.seconds for turn in turns) < seconds


def _round(
    keys: Sequence[Key], turns: Mapping[Key, list[Turn]], take: Callable[[Key], Turn], generator: Random
) -> Iterator[tuple[Key, Turn]]:
    for key in generator.sample(keys, len(keys)):
        turn = take(key)
        turns[key].append(turn)
        yield key, turn
