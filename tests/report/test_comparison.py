"""The table of a comparison, against numbers worked out by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from autodas.errors import AutodasError
from autodas.report import Comparison, MethodRun, read_method_run


def method_run(method: str, seed: int, error: float, count: int = 400, **facts: object) -> MethodRun:
    return MethodRun(
        method=method,
        space="cifar-o2d",
        seed=seed,
        error=error,
        count=count,
        parameters=1_500_000 + 200_000 * seed,
        multiply_adds=3_000_000,
        seconds=10.0 * (seed + 1),
        cpu_seconds=20.0,
        relaxed=90.0,
        discrete=80.0,
        skips=seed,
        margin=None,
    )


def test_rows_are_means_over_seeds() -> None:
    found = Comparison((method_run("a", 0, 9.0), method_run("b", 0, 20.0), method_run("a", 1, 11.0)))
    a, b = found.rows
    assert (a.method, a.seeds, b.method, b.seeds) == ("a", 2, "b", 1)
    assert (a.error, a.parameters, a.seconds, a.skips) == (10.0, 1_600_000, 15.0, 0.5)
    assert a.deviation == pytest.approx(math.sqrt(2))
    assert (b.error, b.deviation) == (20.0, 0.0)
    lines = found.table().splitlines()
    assert len(lines) == 4
    assert lines[2].startswith(
        "| a | cifar-o2d | 10.00 ± 1.41 | 1.600 | 3.00 | 15 | 20 | 90.0 | 80.0 | 0.5 |"
    )
    assert lines[3].startswith("| b | cifar-o2d | 20.00 | ")


def runs_of(**errors: list[float]) -> tuple[MethodRun, ...]:
    return tuple(method_run(name, seed, e) for name, own in errors.items() for seed, e in enumerate(own))


def test_one_seed_ranks_nothing() -> None:
    found = Comparison(runs_of(a=[1.0], b=[90.0]))
    assert "no method is called better or worse" in found.verdict()
    assert [row.standard_error for row in found.rows] == [None, None]


def test_losers_are_named() -> None:
    far = Comparison(runs_of(a=[10.0, 11.0], b=[20.0, 21.2], c=[10.5, 11.2], d=[11.0, 31.1]))
    # Residuals of pairs are large because of d: the difference to beat is, too.
    assert "No method is significantly worse than a" in far.verdict()
    near = Comparison(runs_of(a=[10.0, 11.0], b=[30.0, 31.2], c=[10.5, 11.2], d=[11.0, 12.1]))
    assert "Significantly worse than a: b." in near.verdict()
    # 6.825 / sqrt(2), from tables for 4 methods and 3 degrees of freedom, times the error of the shares
    # 10.5 % and 10.85 % of 400 samples each, 1.533 and 1.555.
    assert "has to exceed 10.54 points" in near.verdict()


def test_the_shipped_comparison_names_no_loser() -> None:
    # Random search has one seed there, and the two of SDAS-B differ by 7 points.
    path = Path(__file__).parents[2] / "benchmarks/results/compare_cifar10.json"
    facts = json.loads(path.read_text())
    found = Comparison(tuple(MethodRun(**run) for run in facts["runs"]))
    assert "No method is significantly worse than das" in found.verdict()
    assert facts["verdict"] == found.verdict()


def test_what_is_not_finished_is_named(tmp_path: Path) -> None:
    with pytest.raises(AutodasError, match=r"summary\.json: missing; is .* a finished run"):
        read_method_run("das", 0, tmp_path / "search", tmp_path / "train")
    for part in ("search", "train"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "summary.json").write_text("{")
    with pytest.raises(AutodasError, match=r"summary\.json: broken"):
        read_method_run("das", 0, tmp_path / "search", tmp_path / "train")
