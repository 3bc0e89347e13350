"""The table of a comparison, against numbers worked out by hand."""

from __future__ import annotations

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


def test_no_error_on_few_items_ranks_nothing() -> None:
    # None wrong of 10 and two wrong of 10 is no difference; without an error bar on 0 it would be one.
    found = Comparison((method_run("a", 0, 0.0, 10), method_run("b", 0, 20.0, 10)))
    assert "No two methods differ" in found.verdict()


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


def test_nothing_is_ranked_inside_two_standard_errors() -> None:
    # Standard errors at 400 items and one seed: 1.5 at 10 %, 1.785 at 15 %: two of both together are 4.66.
    near = Comparison((method_run("a", 0, 10.0), method_run("b", 0, 14.5)))
    assert "No two methods differ" in near.verdict()
    far = Comparison((method_run("a", 0, 10.0), method_run("b", 0, 15.0)))
    assert "Worse than a by more than two standard errors: b." in far.verdict()
    # Ten times as many items tell the first two apart.
    many = Comparison((method_run("a", 0, 10.0, 4000), method_run("b", 0, 14.5, 4000)))
    assert "Worse than a by more than two standard errors: b." in many.verdict()


def test_what_is_not_finished_is_named(tmp_path: Path) -> None:
    with pytest.raises(AutodasError, match=r"summary\.json: missing; is .* a finished run"):
        read_method_run("das", 0, tmp_path / "search", tmp_path / "train")
    for part in ("search", "train"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "summary.json").write_text("{")
    with pytest.raises(AutodasError, match=r"summary\.json: broken"):
        read_method_run("das", 0, tmp_path / "search", tmp_path / "train")
