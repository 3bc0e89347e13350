"""Leading operations, folded from the log."""

from __future__ import annotations

from typing import Any

import pytest

from autodas.runs.events import Decision, Epoch, Event
from autodas.runs.leaders import WINDOW, Leaders


def epoch(iteration: int, *leaders: str | None) -> Epoch:
    return Epoch(iteration=iteration, kinds={"normal": {"leaders": list(leaders)}})


def test_the_latest_evaluations_before_an_iteration() -> None:
    assert WINDOW == 5
    history = Leaders(epoch(10 * n, f"a{n}", "b") for n in range(1, 7))
    # With the iteration itself they are five.
    assert history.before(70, 0, "normal", 0) == [(30, "a3"), (40, "a4"), (50, "a5"), (60, "a6")]
    assert history.before(60, 0, "normal", 1) == [(20, "b"), (30, "b"), (40, "b"), (50, "b")]
    # A phase that trains the architecture after iteration 40.
    assert history.before(70, 40, "normal", 0) == [(50, "a5"), (60, "a6")]
    assert history.before(70, 70, "normal", 0) == []
    assert history.before(70, 0, "reduction", 0) == []


def test_decisions() -> None:
    decision = Decision(iteration=5, kind="normal", what="edge", edge=[0, 2], operation="skip_connect")
    node = Decision(iteration=6, kind="normal", what="node", state=2, kept=[0], removed=[1])
    history = Leaders([decision, node])
    assert history.decided("normal", (0, 2)) == "skip_connect"
    assert history.decided("normal", (1, 2)) is None
    assert history.decided("reduction", (0, 2)) is None


@pytest.mark.parametrize("kinds", [None, {}, {"normal": {}}, {"normal": {"leaders": 3}}], ids=str)
def test_logs_without_leaders(kinds: Any) -> None:
    events: list[Event] = [Epoch(iteration=10, kinds=kinds), epoch(20, "a"), epoch(30, None)]
    assert Leaders(events).before(40, 0, "normal", 0) == [(20, "a")]
    assert Leaders(events).before(40, 0, "normal", 1) == []
