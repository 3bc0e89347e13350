"""Phases of a search, from the first line of its log."""

from __future__ import annotations

import pytest

from autodas.runs.events import Start
from autodas.runs.phases import Stretch, phase_name, phases_of

STAGES = [
    {"name": "stage 1", "iterations": 12, "weights_only": 5},
    {"name": "stage 2", "iterations": 8, "weights_only": 3},
]


def test_phases_follow_each_other() -> None:
    first, second = phases_of(Start(phases=STAGES))
    assert first.whole == Stretch("stage 1", 0, 12)
    assert first.parts == (Stretch("weights only", 0, 5),)
    assert second.whole == Stretch("stage 2", 12, 20)
    assert second.parts == (Stretch("weights only", 12, 15),)


@pytest.mark.parametrize(
    ("told", "parts"),
    [
        ({"warmup": 10, "settle": 20}, [("warm-up", 0, 10), ("settle", 80, 100)]),
        ({"weights_only": 4, "warmup": 10}, [("weights only", 0, 4), ("warm-up", 4, 10)]),
        ({"weights_only": 10, "warmup": 10}, [("weights only", 0, 10)]),
        ({"settle": 1000}, [("settle", 0, 100)]),
        ({}, []),
    ],
)
def test_parts_of_a_phase(told: dict[str, int], parts: list[tuple[str, int, int]]) -> None:
    (phase,) = phases_of(Start(phases=[{"name": "search", "iterations": 100, **told}]))
    assert [tuple(part) for part in phase.parts] == parts


def test_older_logs() -> None:
    assert phases_of(Start()) == []
    assert phases_of(Start(phases=[{"name": "search", "iterations": 4}, {"name": "no length"}])) == []


def test_the_phase_of_an_iteration() -> None:
    phases = phases_of(Start(phases=STAGES))
    expected = {0: "stage 1", 1: "stage 1", 12: "stage 1", 13: "stage 2", 20: "stage 2", 21: ""}
    assert {iteration: phase_name(phases, iteration) for iteration in expected} == expected
    assert phase_name(phases[:1], 5) == "", "a single phase needs no name"
