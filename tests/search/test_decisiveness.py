"""Whether a search has decided or drawn lots: searches on noise say so, clear decisions pass."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autodas.cli.main import main
from autodas.flags import with_flags
from autodas.runs.events import Architecture, Decision, Event, Start
from autodas.search._decisiveness import decisiveness
from autodas.spaces import get_space

CELL = get_space("cifar-o2d").cell
COUNT = len(CELL.operations)


def noise(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of noise whose labels mean nothing."""
    generator = np.random.default_rng(len(split))
    return generator.integers(0, 256, (120, 8, 8, 1), dtype=np.uint8), np.arange(120) % 4


@pytest.mark.slow
def test_a_search_on_noise_says_that_its_decisions_look_random(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["search", f"--data=python:{__name__}:noise", "--strategy=das", "--strategy.learning_rate=0.1"]
    words += ["--epochs=6", "--batch_size=30", "--space.K=0", "--space.C1=8", "--space.C2=8", "--quiet"]
    words += ["--check_memory=false", "--tensorboard=false"]
    assert main([*words, f"--run={tmp_path / 'run'}"]) == 0
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    found = summary["decisiveness"]
    # 12 iterations; all decisions fall at the end, and without normal cells there is one kind.
    assert found["reach"] == pytest.approx(0.1 * 12)
    assert found["edges"] == len(CELL.edges)
    (remark,) = summary["remarks"]
    assert remark.startswith("these decisions look random")
    assert f"note: {with_flags(remark)}" in capsys.readouterr().out


def test_a_rate_too_small_for_so_few_steps_is_named() -> None:
    found = decisiveness(log(late=0, lead=0.8, iterations=3), CELL, 0, 0, 3e-4)
    assert found is not None
    (remark,) = found.remarks()
    assert "could move by at most 0.0009" in remark
    assert "Search longer (`epochs`), or raise `strategy.learning_rate`" in remark


def log(late: int, lead: float, iterations: int = 900) -> list[Event]:
    """Return the log of a search of normal cells in which operation 1 wins by ``lead``.

    Before the last third, another one led on ``late`` edges.
    """
    edges = range(len(CELL.edges))

    def table(leaders: list[int]) -> dict[str, Any]:
        alpha = [[0.9 if o == leader else 0.1 / (COUNT - 1) for o in range(COUNT)] for leader in leaders]
        return {"normal": {"alpha": alpha}}

    before = table([0 if edge < late else 1 for edge in edges])
    weights = [
        Architecture(iteration=iterations // 3, weights=table([2 for _ in edges])),
        Architecture(iteration=2 * iterations // 3, weights=before),
        Architecture(iteration=iterations, weights=table([1 for _ in edges])),
    ]
    decisions = [
        Decision(
            iteration=iterations,
            kind="normal",
            what="edge",
            edge=list(CELL.edges[edge]),
            operation=CELL.operations[1],
            priority=lead,
        )
        for edge in edges
    ]
    return [Start(), *weights, *decisions]


def test_clear_and_stable_decisions_need_no_remark() -> None:
    found = decisiveness(log(late=2, lead=0.8), CELL, 0, 0, 0.01)
    assert found is not None
    assert (found.changed, found.edges, found.margin) == (2, len(CELL.edges), pytest.approx(0.8))
    assert found.reach == pytest.approx(9.0)
    assert found.remarks() == []


@pytest.mark.parametrize(("late", "lead"), [(8, 0.8), (0, 0.05)])
def test_late_changes_and_small_leads_look_random(late: int, lead: float) -> None:
    found = decisiveness(log(late, lead), CELL, 0, 0, 0.01)
    assert found is not None
    assert found.looks_random


def test_the_margin_of_chance_is_that_of_a_random_walk() -> None:
    # 900 steps of 0.01 in random directions: normal logits of deviation 0.3.
    found = decisiveness(log(late=0, lead=0.5), CELL, 0, 0, 0.01)
    logits = np.random.default_rng(1).normal(0, 0.01 * math.sqrt(900), (100_000, COUNT))
    weights = np.sort(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), axis=1)
    assert found is not None
    assert found.chance == pytest.approx((weights[:, -1] - weights[:, -2]).mean(), rel=0.05)


def test_decisions_of_earlier_phases_do_not_count() -> None:
    first = [replace(event, iteration=50) for event in log(late=8, lead=0.1) if isinstance(event, Decision)]
    found = decisiveness([*first, *log(late=0, lead=0.8)], CELL, 100, 0, 0.01)
    assert found is not None
    assert found.margin == pytest.approx(0.8)
    assert decisiveness(first, CELL, 100, 0, 0.01) is None
