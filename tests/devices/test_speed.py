"""Speed of a machine that varies."""

from __future__ import annotations

import numpy as np
import pytest

from autodas.devices._speed import ENOUGH, without_speed


def test_exact_factors_are_taken_out() -> None:
    networks = {name: 1.0 + number for number, name in enumerate("abcdefgh")}
    speeds = [1.0, 2.2, 1.0, 0.7, 1.0]
    times = {name: {r: own * speed for r, speed in enumerate(speeds)} for name, own in networks.items()}
    del times["c"][1], times["d"][4], times["d"][0]  # interrupted rounds are of use, too
    times["a"].pop(3)
    speeds_kept = without_speed({**times, "i": {r: 9.0 * s for r, s in enumerate(speeds)}, "j": {}})
    for name, own in networks.items():
        assert list(speeds_kept[name].values()) == pytest.approx([own] * len(times[name]))
    assert speeds_kept["j"] == {}


def test_a_machine_of_two_speeds() -> None:
    """Medians of raw times are off by chance; without the speed they are exact to the noise of turns."""
    generator = np.random.default_rng(0)
    costs = generator.uniform(3, 9, 20)
    speed = generator.choice([1.0, 2.0], 30, p=[0.55, 0.45])
    times = {
        n: {r: cost * speed[r] * generator.lognormal(0, 0.02) for r in range(30) if generator.random() < 0.8}
        for n, cost in enumerate(costs)
    }
    raw = np.array([np.median(list(own.values())) for own in times.values()])
    found = np.array([np.median(list(own.values())) for own in without_speed(times).values()])
    usual = costs * np.median(speed)
    assert np.max(np.abs(found / usual - 1)) < 0.03
    assert np.max(np.abs(raw / usual - 1)) > 0.1


def test_outliers_of_single_turns_stay() -> None:
    times = {n: dict.fromkeys(range(7), 2.0) for n in range(ENOUGH)}
    times[3][4] = 50.0
    assert without_speed(times)[3][4] == pytest.approx(50.0)
    assert without_speed(times)[2][4] == pytest.approx(2.0)


def test_few_networks_keep_their_times() -> None:
    times = {n: {0: 1.0, 1: 3.0} for n in range(ENOUGH - 1)}
    assert without_speed(times) == times
    assert without_speed({"a": {}}) == {"a": {}}
