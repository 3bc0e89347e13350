"""Turns: short measurements of networks in random order."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from statistics import median
from typing import NamedTuple, TypeVar

from autodas.devices._interval import is_narrow
from autodas.devices._speed import without_speed

WARM_UP, TIMED = 0.02, 0.1
"""Seconds of a turn: passes that are not timed, since the caches hold another network, and those that are."""
FEWEST = 3
"""Turns of each network, however long they take."""
FIRST, AGAIN = 8, 3
"""Number of networks that are measured again at the end, and of their turns."""
DRIFT = 0.05
"""Relative change of the times of a machine that is reported."""

Key = TypeVar("Key")


class Turn(NamedTuple):
    """One turn of a network.

    Args:
        round: number of the round.
        milliseconds: median time of a timed pass.
        passes: number of timed passes.
        seconds: time that the whole turn took.
    """

    round: int
    milliseconds: float
    passes: int
    seconds: float


def take_turn(
    forward: Callable[[], object],
    number: int,
    clock: Callable[[], float],
    elapsed: Callable[[], float] = time.perf_counter,
) -> Turn:
    """Pass through a network for a tenth of a second, at least once to warm up and once for the clock.

    Args:
        forward: one pass, finished when it returns.
        number: number of the round.
        clock: time in seconds, for single passes.
        elapsed: elapsed time in seconds, for the turn.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        begin = elapsed()
        forward()
        while elapsed() - begin < WARM_UP:
            forward()
        start, times = elapsed(), list[float]()
        while not times or elapsed() - start < TIMED:
            before = clock()
            forward()
            times.append(clock() - before)
    finally:
        if collecting:
            gc.enable()
    return Turn(number, 1000 * median(times), len(times), elapsed() - begin)


def rounds(
    turns: Mapping[Key, list[Turn]],
    pending: Sequence[Key],
    take: Callable[[Key, int], Turn],
    *,
    seconds: float,
    generator: Random,
) -> Iterator[tuple[Key, Turn]]:
    """Take turns until the median of each network is known well, or it has had its time.

    In a round every network has one turn, in a random order, so that what slows the machine down for a while
    hits all alike. A network whose median is known goes on as long as others do, for the same reason. At
    the end the first networks are measured again, for :func:`drift`.

    Args:
        turns: turns that each network has had, which are completed.
        pending: networks that take turns.
        take: takes the turn of a network in a round, given by its number.
        seconds: time for each network.
        generator: generator of the order.

    Yields:
        The network and its turn, after each.
    """
    number = 1 + max((turn.round for own in turns.values() for turn in own), default=-1)

    def round_of(keys: Sequence[Key]) -> Iterator[tuple[Key, Turn]]:
        for key in generator.sample(keys, len(keys)):
            turn = take(key, number)
            turns[key].append(turn)
            yield key, turn

    while True:
        open_, found = [key for key in pending if _has_time(turns[key], seconds)], times(turns)
        if all(is_narrow(found[key]) for key in open_):
            break
        yield from round_of(open_)
        number += 1
    for _ in range(AGAIN):
        yield from round_of(pending[:FIRST])
        number += 1


def times(turns: Mapping[Key, Sequence[Turn]]) -> dict[Key, list[float]]:
    """Return the times of each network's turns in milliseconds, at the usual speed of the machine."""
    rounds_of = {key: {turn.round: turn.milliseconds for turn in own} for key, own in turns.items()}
    return {key: list(own.values()) for key, own in without_speed(rounds_of).items()}


def unfinished(turns: Mapping[Key, Sequence[Turn]], seconds: float) -> list[Key]:
    """Return the networks that need more turns: their median is not known well, and they have time."""
    found = times(turns)
    return [key for key, own in turns.items() if _has_time(own, seconds) and not is_narrow(found[key])]


def drift(turns: Mapping[Key, Sequence[Turn]], pending: Sequence[Key]) -> float | None:
    """Return by how much the first networks took longer at the end than at the beginning, as a share.

    Args:
        turns: turns of each network.
        pending: the networks that took turns, of which the first were measured again at the end.

    Returns:
        The median change; ``None`` if no network has enough turns.
    """
    changes = [
        median(turn.milliseconds for turn in own[-AGAIN:]) / median(turn.milliseconds for turn in own[:AGAIN])
        for own in (turns[key] for key in pending[:FIRST])
        if len(own) >= 2 * AGAIN
    ]
    return median(changes) - 1 if changes else None


def _has_time(turns: Sequence[Turn], seconds: float) -> bool:
    return len(turns) < FEWEST or sum(turn.seconds for turn in turns) < seconds
