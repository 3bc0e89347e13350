"""Speed of a machine that varies, estimated from networks that take turns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np

ENOUGH = 8
"""Smallest number of networks in a round whose common change is ascribed to the machine.

With few, the change would follow from their own errors, which would seem smaller than they are."""
_STEPS = 20

Key = TypeVar("Key")


def without_speed(times: Mapping[Key, Mapping[int, float]]) -> dict[Key, dict[int, float]]:
    r"""Return times of networks, divided by the common factor of each round.

    .. math:: \log t_{n,r} = a_n + b_r + \varepsilon_{n,r}

    is fitted by median polish (Tukey, Exploratory data analysis, 1977): the a are medians over rounds, and
    the b over networks, in turn, until nothing changes. The median b of all rounds is 0, so times are those
    at the machine's usual speed. Rounds of fewer than eight networks stay as they are.

    Args:
        times: for each network its times by round, above 0.
    """
    numbers = sorted({number for own in times.values() for number in own})
    if not numbers:
        return {key: {} for key in times}
    column = {number: index for index, number in enumerate(numbers)}
    logs = np.full((len(times), len(numbers)), np.nan)
    for row, own in zip(logs, times.values(), strict=True):
        for number, value in own.items():
            row[column[number]] = np.log(value)
    measured = ~np.isnan(logs).all(axis=1)
    common = np.isfinite(logs).sum(axis=0) >= ENOUGH
    speed = np.zeros(len(numbers))
    if common.any():
        logs = logs[measured]
        for _ in range(_STEPS):
            networks = np.nanmedian(logs - speed, axis=1, keepdims=True)
            before, speed = speed, np.where(common, np.nanmedian(logs - networks, axis=0), 0.0)
            speed[common] -= np.median(speed[common])
            if np.allclose(before, speed, atol=1e-6):
                break
    factors = np.exp(speed)
    return {
        key: {number: float(value / factors[column[number]]) for number, value in own.items()}
        for key, own in times.items()
    }
