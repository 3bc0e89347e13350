"""Turns of networks, with a clock that the tests set."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable
from random import Random

import pytest

from autodas.devices._turns import AGAIN, FEWEST, FIRST, Turn, drift, rounds, take_turn, times, unfinished


class World:
    """Time passes only while a network computes; the processor has the share ``share`` of it."""

    def __init__(self, share: float = 1.0) -> None:
        self.now, self.share, self.passes = 0.0, share, 0

    def network(self, seconds: Callable[[int], float]) -> Callable[[], None]:
        def forward() -> None:
            self.now += seconds(self.passes)
            self.passes += 1

        return forward

    def elapsed(self) -> float:
        return self.now

    def processor(self) -> float:
        return self.now * self.share


def test_a_turn_is_a_tenth_of_a_second_after_a_warm_up() -> None:
    world = World()
    # Slow until the caches are warm.
    turn = take_turn(world.network(lambda n: 0.012 if n < 2 else 0.004), 7, world.elapsed, world.elapsed)
    assert turn.round == 7
    assert turn.milliseconds == pytest.approx(4)
    assert turn.passes == 25
    assert turn.seconds == pytest.approx(0.124)
    assert gc.isenabled()


def test_a_slow_network_has_one_pass_for_the_clock() -> None:
    world = World()
    turn = take_turn(world.network(lambda n: 2.0), 0, world.elapsed, world.elapsed)
    assert (turn.passes, turn.milliseconds, turn.seconds) == (1, 2000, 4)


def test_the_clock_of_passes_is_not_that_of_the_turn() -> None:
    world = World(share=0.5)
    turn = take_turn(world.network(lambda n: 0.004), 0, world.processor, world.elapsed)
    assert turn.milliseconds == pytest.approx(2)
    assert turn.passes == pytest.approx(25, abs=1)


def run(
    milliseconds: Callable[[str, int], float],
    names: str,
    seconds: float,
    turns: dict[str, list[Turn]] | None = None,
    pending: str | None = None,
) -> tuple[list[tuple[str, Turn]], dict[str, list[Turn]]]:
    turns = {name: [] for name in names} if turns is None else turns
    count = Counter[str]()

    def take(name: str, number: int) -> Turn:
        count[name] += 1
        return Turn(number, milliseconds(name, count[name]), 10, 0.25)

    taken = rounds(turns, list(pending or names), take, seconds=seconds, generator=Random(0))
    return list(taken), turns


def test_every_round_has_every_network_once_in_another_order() -> None:
    noisy = Random(1)
    taken, _ = run(lambda name, n: noisy.uniform(1, 2), "abcdefghijkl", seconds=3)
    orders = ["".join(name for name, turn in taken if turn.round == r) for r in range(12)]
    assert all(sorted(order) == list("abcdefghijkl") for order in orders)
    assert len(set(orders)) > 9


def test_quiet_networks_need_six_turns() -> None:
    taken, turns = run(lambda name, n: {"a": 3.0, "b": 5.0}[name], "ab", seconds=100)
    assert [len(turns[name]) for name in "ab"] == [6 + AGAIN] * 2
    assert len(taken) == 2 * (6 + AGAIN)
    assert unfinished(turns, 100) == []


def test_a_known_network_goes_on_while_another_is_uncertain() -> None:
    noise = Random(2)
    _, turns = run(lambda name, n: 3.0 if name == "a" else noise.uniform(3, 4), "ab", seconds=5)
    assert len(turns["a"]) == len(turns["b"]) == 20 + AGAIN  # 5 s in turns of 0.25 s
    assert unfinished(turns, 5) == []
    assert unfinished(turns, 50) == ["b"]


def test_networks_have_a_few_turns_whatever_their_time() -> None:
    _, turns = run(lambda name, n: float(n), "ab", seconds=0.1)
    assert len(turns["a"]) == FEWEST + AGAIN


def test_rounds_go_on_after_an_interruption() -> None:
    before = {"a": [Turn(r, 3.0, 10, 0.25) for r in range(9)], "b": [Turn(0, 5.0, 10, 0.25)]}
    assert unfinished(before, 100) == ["b"]
    taken, turns = run(lambda name, n: 5.0, "ab", 100, before, pending="b")
    assert [name for name, _ in taken] == ["b"] * (5 + AGAIN)
    assert [turn.round for _, turn in taken] == [*range(9, 14 + AGAIN)]
    assert len(turns["a"]) == 9


def test_nothing_is_left_to_do_after_the_end() -> None:
    noise = Random(3)
    _, turns = run(lambda name, n: noise.uniform(1, 9), "abc", seconds=2)
    assert unfinished(turns, 2) == []


def test_the_first_networks_are_measured_again() -> None:
    names = "abcdefghijkl"
    taken, _ = run(lambda name, n: 2.0, names, seconds=1)
    last = [name for name, _ in taken[-AGAIN * FIRST :]]
    assert Counter(last) == dict.fromkeys(names[:FIRST], AGAIN)


def test_drift_is_the_change_of_the_first_networks() -> None:
    _, steady = run(lambda name, n: 4.0, "abc", seconds=3)
    assert drift(steady, list("abc")) == pytest.approx(0)
    _, slower = run(lambda name, n: 4.0 * (1.2 if n > 6 else 1.0), "abc", seconds=1.5)
    assert drift(slower, list("abc")) == pytest.approx(0.2)
    # A single network that changes is no drift of the machine.
    _, one = run(lambda name, n: 4.0 * (2 if name == "b" and n > 6 else 1), "abc", seconds=1.5)
    assert drift(one, list("abc")) == pytest.approx(0)
    assert drift({"a": [Turn(0, 1.0, 1, 1.0)] * 5}, ["a"]) is None


def test_the_speed_of_rounds_does_not_count() -> None:
    _, turns = run(lambda name, n: (1 + ord(name) % 7) * (2.0 if n % 3 == 0 else 1.0), "abcdefgh", 100)
    assert len(turns["a"]) == 6 + AGAIN  # known at once, although the speed varies
    assert times(turns)["b"] == pytest.approx([1.0] * (6 + AGAIN))
