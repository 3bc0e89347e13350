"""Benchmark of tables of costs: choices by hand, and a draw of a small table."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from tests.costs.architectures import cost_of, draw, invent_costs

from autodas.benchmark_string import benchmark_string

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return import_module("device_tables")


PREDICTED = {"a": 4.0, "b": 5.0, "c": 3.0, "d": 6.0}
MEASURED = {"a": 6.0, "b": 5.5, "c": 4.5, "d": 4.0}
ACCURACY = {"a": 70.0, "b": 60.0, "c": 50.0, "d": 80.0}


@pytest.mark.parametrize(
    ("limit", "finalists", "margin", "chosen"),
    [
        (5.0, 1, 0.0, "a"),  # d is better, but predicted to be slower
        (5.0, 2, 0.0, "b"),  # neither a nor b keeps the limit: the faster one
        (5.0, 3, 0.0, "c"),
        (5.6, 2, 0.0, "b"),
        (5.0, 3, 0.2, "d"),  # predicted to be 20 % beyond the limit
        (1.0, 3, 0.0, "c"),  # none is predicted to keep it: the fastest by prediction
    ],
)
def test_choices(script: ModuleType, limit: float, finalists: int, margin: float, chosen: str) -> None:
    assert script.choose(PREDICTED, MEASURED, ACCURACY, limit, finalists, margin) == chosen


def test_a_draw(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "CELLS", 40)
    costs = invent_costs("nasbench201", 0.3)
    latencies = {str(benchmark_string(g)): cost_of(g, "nasbench201", costs) for g in draw("nasbench201", 150)}
    others = {
        "cifar100_test": {name: 50 + latency for name, latency in latencies.items()},
        "multiply_adds": {name: float(number % 7) for number, name in enumerate(latencies)},
    }
    result = script.draw(script.Cells(list(latencies)), latencies, others, 0)
    assert result["table"]["rank_correlation"] > 0.99
    assert result["ridge"]["rank_correlation"] > 0.98
    assert result["multiply_adds"]["rank_correlation"] < 0.5
    # The more accurate, the slower: with finalists the chosen cell is close to the limit, and keeps it.
    assert 0.95 < result["table"]["finalists"]["of_limit"] <= 1
    found = script.summary({"one": [result], "other": [result]})
    assert found["table"]["finalists"] == {"over_limit": 0, "kept_and_near_best": 1}
    assert found["table"]["rank_correlation"]["one"] == result["table"]["rank_correlation"]
