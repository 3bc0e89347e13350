"""Schedules of SDAS (section 3.2) against exact arithmetic that shares nothing with the code."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from math import isqrt
from pathlib import Path

import pytest

from autodas.errors import AutodasError
from autodas.strategies import SDASSettings
from autodas.strategies._schedules import schedule, steps_due

M = 34  # two kinds of cells, 14 edges and 3 nodes with more than k = 2 predecessors each


def ceil_root(n: int) -> int:
    root = isqrt(n)
    return root if root * root == n else root + 1


# floor(M s(t/T)) in whole numbers.
EXACT: dict[str, Callable[[int, int], int]] = {
    "a": lambda t, T: M * t // T,
    "b": lambda t, T: M * t**4 // T**4,
    "c": lambda t, T: M * (T**4 - (T - t) ** 4) // T**4,
    "power:2": lambda t, T: M * t**2 // T**2,
    "power:4.0": lambda t, T: M * t**4 // T**4,
    "inverse-power:3": lambda t, T: M * (T**3 - (T - t) ** 3) // T**3,
    # Half powers: the floor of a root is the root of a floor.
    "power:1.5": lambda t, T: isqrt(M**2 * t**3 // T**3),
}


def counts(name: str, T: int, steps: int = M) -> list[int]:
    found = schedule(name)
    return [steps_due(found, t, T, steps) for t in range(T + 1)]


@pytest.mark.parametrize("T", [34, 110, 391, 19550])
@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_the_papers_schedules_at_every_iteration(name: str, T: int) -> None:
    found = counts(name, T)
    assert found == [EXACT[name](t, T) for t in range(T + 1)]
    assert found[0] == 0
    assert found[-1] == M
    assert all(later >= earlier for earlier, later in itertools.pairwise(found))


@pytest.mark.parametrize("T", [7, 34, 110, 391])
@pytest.mark.parametrize("name", ["power:2", "power:4.0", "inverse-power:3", "power:1.5"])
def test_other_powers(name: str, T: int) -> None:
    assert counts(name, T) == [EXACT[name](t, T) for t in range(T + 1)]


@pytest.mark.parametrize(("a", "b"), [(0.1, 0.0), (0.0, 0.2), (0.1, 0.2), (0.35, 0.3)])
@pytest.mark.parametrize("name", ["a", "b", "c", "power:2"])
def test_a_part_of_the_search_without_decisions(name: str, a: float, b: float) -> None:
    """Between a T and (1 - b) T the schedule is that of a shorter search, none before and all after."""
    T, shorter = 200, round(200 * (1 - a - b))
    found, exact = schedule(name), EXACT[name]
    for t in range(1, T + 1):
        inside = min(max(t - round(a * T), 0), shorter)
        assert steps_due(found, t, T, M, warmup=a, settle=b) == exact(inside, shorter), t


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"warmup": 1.0}, r"warmup must be in \[0, 1\), found 1.0"),
        ({"settle": -0.1}, r"settle must be in \[0, 1\)"),
        ({"warmup": 0.4, "settle": 0.6}, "settle must be below 0.6: the rest is before, found 0.6"),
        ({"weights_only": 0.5, "warmup": 0.1, "settle": 0.5}, "settle must be below 0.5"),
    ],
)
def test_no_time_for_decisions(settings: dict[str, float], message: str) -> None:
    with pytest.raises(AutodasError, match=message):
        SDASSettings(**settings)


def test_half_powers_hit_perfect_squares() -> None:
    # 34 (t / 34^2)^0.5 = sqrt(t): whole at every square, where floats may fall short.
    assert counts("power:0.5", M * M) == [isqrt(t) for t in range(M * M + 1)]
    # 34 (1 - (1 - t / 34^2)^0.5) = 34 - sqrt(34^2 - t).
    assert counts("inverse-power:0.5", M * M) == [M - ceil_root(M * M - t) for t in range(M * M + 1)]


# Worked out by hand: B takes its first step at t/T = 34^(-1/4) = 0.4141, half of them at
# 0.5^(1/4) = 0.8409; C at 1 - (33/34)^(1/4) = 0.00744 and 1 - 0.5^(1/4) = 0.1591; A at 1/34 and 1/2.
@pytest.mark.parametrize(
    ("name", "first", "half"),
    [("a", 0.029412, 0.5), ("b", 0.414118, 0.840896), ("c", 0.007436, 0.159104)],
)
def test_where_decisions_fall(name: str, first: float, half: float) -> None:
    T = 19550
    found = counts(name, T)
    for target, share in ((1, first), (M // 2, half)):
        t = next(t for t, count in enumerate(found) if count >= target)
        assert (t - 1) / T < share <= t / T + 1e-6


@pytest.mark.parametrize("T", [1, 2, 5, 33])
@pytest.mark.parametrize("name", ["a", "b", "c", "power:0.5", "inverse-power:2.5"])
def test_short_searches_end_with_all_steps(name: str, T: int) -> None:
    assert counts(name, T)[-1] == M


def test_letters_are_powers() -> None:
    for letter, power in (("a", "power:1"), ("b", "power:4"), ("c", "inverse-power:4")):
        assert counts(letter, 97, 51) == counts(power, 97, 51)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "my_own_schedules.py").write_text(
        "from fractions import Fraction\n"
        "def exact(share): return share * share\n"
        "def late(share): return 0 if share < 1 else 1\n"
        "def early(share): return min(1.0, 2.0 * float(share))\n"
        "def beyond(share): return 7\n"
        "def below(share): return -1.0\n"
        "number = 3\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return "my_own_schedules"


def test_functions_of_the_user(module: str) -> None:
    T = 20
    assert counts(f"{module}:exact", T) == [M * t * t // (T * T) for t in range(T + 1)]
    assert counts(f"{module}:late", T) == [0] * T + [M]
    assert counts(f"{module}:early", T) == [min(M, 2 * M * t // T) for t in range(T + 1)]
    # Out of range is clipped; at T everything is decided whatever the function says.
    assert counts(f"{module}:beyond", T) == [M] * (T + 1)
    assert counts(f"{module}:below", T) == [0] * T + [M]


BAD = ["d", "A", "", "linear", "power", "power:", "power:0", "power:-1", "power:x", "power:nan", "power:inf"]
BAD += ["inverse-power", "inverse-power:0", "inverse-power:two", "no_such_module_of_mine:f", "math:no_such"]


@pytest.mark.parametrize("name", BAD)
def test_unknown_schedules(name: str) -> None:
    with pytest.raises(AutodasError) as caught:
        schedule(name)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


@pytest.mark.parametrize("name", [n for n in BAD if "no_such" not in n])
def test_settings_refuse_them_before_anything_is_loaded(name: str) -> None:
    with pytest.raises(AutodasError, match="schedule must be"):
        SDASSettings(schedule=name)


def test_what_is_no_function_is_refused(module: str) -> None:
    for name in (f"{module}:number", ":f"):
        with pytest.raises(AutodasError):
            schedule(name)
