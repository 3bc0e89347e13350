"""How far the architecture can move before the decisions, and what is said of too short a search."""

from __future__ import annotations

from typing import Any

import pytest

from autodas.search._reach import Reach, reach_of
from autodas.spaces import get_space
from autodas.strategies import FinalistsSettings, choose_strategy, load_strategy
from autodas.strategies.base import SearchPlan, Strategy
from autodas.strategies.finalists import Finalists

T = 100


def made(name: str, **settings: Any) -> Strategy:
    space = get_space("cifar-o2d").with_size(1, 8, 16)
    choice = choose_strategy(name, learning_rate=0.01, **settings)
    return load_strategy(name)(choice.settings, SearchPlan(space, T, 0, lambda alive: 1, 10))


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("das", {}, 1.0),
        ("das", {"weights_only": 0.4}, 0.6),
        # 34 decisions, the k-th once 34 t / 100 >= k: t = ceil(100 k / 34), whose sum is 1,766.
        ("sdas-a", {}, 0.01 * sum(-(-100 * k // 34) for k in range(1, 35)) / 34),
        # The schedule lies between 0.1 T and 0.8 T.
        (
            "sdas-a",
            {"warmup": 0.1, "settle": 0.2},
            0.01 * sum(-(-(340 + 70 * k) // 34) for k in range(1, 35)) / 34,
        ),
        ("pcdarts", {"weights_only": 0.3}, 0.7),
        # Of the last of three stages of 3, 3 and 4 epochs, 40 % train the weights alone.
        ("pdarts", {}, 0.24),
        # One of 28 edges at a time; two of 14 in each kind.
        ("edas", {}, 1 / 28),
        ("edas", {"edges_per_kind": 2}, 2 / 14),
    ],
)
def test_by_hand(name: str, settings: dict[str, Any], expected: float) -> None:
    found = reach_of(made(name, **settings), epochs=10)
    assert found is not None
    assert found.movement == pytest.approx(expected)


def test_random_search_has_none() -> None:
    space = get_space("cifar-o2d").with_size(1, 8, 16)
    plan = SearchPlan(space, T, 0, lambda alive: 1)
    assert reach_of(load_strategy("random")(choose_strategy("random").settings, plan), 10) is None


def test_finals_have_that_of_their_searches() -> None:
    plain = made("sdas-c")
    finals = Finalists(type(plain), plain.settings, plain.plan, FinalistsSettings(searches=2))
    assert reach_of(finals, 10) == reach_of(plain, 10)


def test_the_suggested_settings_are_enough() -> None:
    short = Reach(movement=0.05, rate=3e-3, epochs=2)
    said = short.remark()
    assert said is not None
    # 16.7 steps: 120 epochs have a movement of 3 and 1,000 steps.
    assert (
        "0.05 (learning rate times steps; 3 and more is usual). Search all your data for `epochs=120`" in said
    )
    assert Reach(0.05 * 60, 3e-3, 120).remark() is None


@pytest.mark.parametrize(
    ("reach", "told"),
    [
        (Reach(0.5, 0.0025, 1), None),
        (Reach(0.49, 0.01, 1), "`epochs=7` or more"),
        # 4.9 steps: 200 take 41 epochs, a movement of 3 takes 7.
        (Reach(0.49, 0.1, 1), "`epochs=41` or more"),
        (Reach(0.0, 0.1, 1), "usual)"),
        (Reach(10.0, 0.05, 1), None),
        (
            Reach(9.95, 0.05, 10),
            "takes 199 steps before the decisions, and in measurements with fewer than 200 ",
        ),
        (
            Reach(9.95, 0.05, 10),
            "found another cell. Search all your data for `epochs=11` or more, and compare",
        ),
    ],
)
def test_what_is_told(reach: Reach, told: str | None) -> None:
    said = reach.remark()
    assert said is None if told is None else said is not None and told in said
    # A larger rate moves the parameters by noise, a smaller one not far enough.
    assert "strategy.learning_rate" not in (said or "")
