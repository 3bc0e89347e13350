"""Comparison of methods by a table: rows by hand, and what is said about differences."""

from __future__ import annotations

import pytest

from autodas.report import FoundRun, TableComparison
from autodas.tables import Table

NAMES = [f"architecture {number}" for number in range(5)]
TABLE = Table(
    "t.csv", ("a", "b"), dict(zip(NAMES, [(50, 1), (60, 2), (70, 3), (80, 4), (90, 5)], strict=True))
)


def run(method: str, seed: int, accuracy: float) -> FoundRun:
    return FoundRun(
        method=method,
        seed=seed,
        architecture="",
        accuracies={"a": accuracy, "b": accuracy / 20},
        worse=TABLE.share_worse("a", accuracy),
        regret=90 - accuracy,
        seconds=10.0 * (seed + 1),
        cpu_seconds=None,
        relaxed=40.0,
        discrete=30.0,
        skips=seed,
    )


def compared(**accuracies: list[float]) -> TableComparison:
    runs = [run(name, seed, value) for name, own in accuracies.items() for seed, value in enumerate(own)]
    return TableComparison(tuple(runs), TABLE, "a")


def test_rows_by_hand() -> None:
    first, drawn = compared(das=[80.0, 60.0]).rows
    assert (first["method"], first["seeds"], first["least"]) == ("das", 2, 60.0)
    assert first["a"] == {"mean": 70.0, "deviation": pytest.approx(200**0.5)}
    assert first["b"]["mean"] == 3.5
    # 80 is better than three of five, 60 than one; the best has 90.
    assert (first["worse"], first["regret"], first["seconds"], first["skips"]) == (0.4, 20.0, 15.0, 0.5)
    assert first["cpu_seconds"] is None
    # Of five architectures, each equally likely: 0, 1, 2, 3 or 4 of five are worse.
    assert (drawn["a"]["mean"], drawn["worse"], drawn["regret"], drawn["least"]) == (70.0, 0.4, 20.0, 50)
    lines = compared(das=[80.0, 60.0]).table().splitlines()
    assert (
        lines[2] == "| das | 2 | 70.00 ± 14.14 | 3.50 ± 0.71 | 60.00 | 40.0 % | 20.00 | 15 |  | 40.0 | 0.5 |"
    )
    assert lines[3].startswith("| a random cell |  | 70.00 ± 15.81 | 3.00 ± 1.58 | 50.00 | 40.0 % | 20.00 |")


def test_what_is_said() -> None:
    said = compared(das=[90.0, 90.5, 91.0], snas=[50.0, 49.0, 49.5], edas=[70.0, 71.0, 69.0]).verdict()
    assert "Significantly better than a random cell: das." in said
    assert "Significantly worse than a random cell: snas." in said
    assert "Significantly worse than das: edas, snas." in said
    alone = compared(das=[88.0, 52.0]).verdict()
    assert "better than a random cell: none" in alone
    assert "Significantly worse than das" not in alone
    assert "With one seed nothing can be said" in compared(das=[88.0], snas=[52.0]).verdict()
