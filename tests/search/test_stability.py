"""Stability in time: the share of edges with the same leading operation in the last five epochs."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.search.test_exact_resume import FEW, SMALL

import autodas
from autodas.cli.main import main
from autodas.runs import events
from autodas.runs.leaders import WINDOW, Leaders
from autodas.search._collapse import Diagnosis, diagnose, plain, summary, with_history
from autodas.search._phase import PhaseRun
from autodas.strategies import choose_strategy, load_strategy
from autodas.strategies.base import SearchPlan

SPACE = autodas.get_space("cifar-o2d").with_size(K=1, C1=4, C2=8)
SKIP, POOL, LARGE = "skip_connect", "max_pool_3x3", "sep_conv_3x3"
ALL = range(14)


def start(name: str, iterations: int) -> Any:
    choice = choose_strategy(name)
    strategy = load_strategy(name)(choice.settings, SearchPlan(SPACE, iterations, 0, lambda alive: 1))
    strategy.start(0, "cpu")
    return strategy


def lead(strategy: Any, operation: str, edges: Any, by: float = 1.0, kind: str = "normal") -> None:
    """Let an operation lead on some edges."""
    column = SPACE.cell.operations.index(operation)
    for edge in set(edges) & set(strategy.alpha[kind]):
        strategy.alpha[kind][edge].data = by * torch.eye(len(SPACE.cell.operations))[column]


class Log:
    """Evaluations of a search, as its loop makes them."""

    def __init__(self, strategy: Any, since: int = 0) -> None:
        self.strategy, self.since, self.lines = strategy, since, []

    def evaluate(self, iteration: int) -> dict[str, Diagnosis]:
        """Diagnose, and write the epoch. All that is known of the past is the log."""
        history = Leaders(self.lines)
        found = with_history(diagnose(self.strategy, SPACE), history, SPACE.cell, self.since, iteration)
        self.lines.append(events.Epoch(iteration=iteration, kinds=plain(found)))
        return found

    def decide(self, iteration: int) -> list[str]:
        decisions = self.strategy.after_iteration(iteration)
        for each in decisions:
            facts = {key: value for key, value in asdict(each).items() if key != "detail"}
            self.lines.append(events.Decision(iteration=iteration, **each.detail, **facts))
        return [each.detail["operation"] for each in decisions]


def test_a_method_that_decides_at_the_end() -> None:
    strategy = start("das", 60)
    log = Log(strategy)
    lead(strategy, SKIP, ALL)
    lead(strategy, SKIP, ALL, kind="reduction")
    found = log.evaluate(10)
    assert found["normal"].leaders == [SKIP] * 14
    assert found["normal"].stability is None, "there is nothing to compare with"
    assert summary(found, SPACE)["stability"] is None
    lead(strategy, LARGE, [0, 1, 2])
    for iteration in (20, 30, 40, 50):
        found = log.evaluate(iteration)
        assert found["normal"].leaders == [LARGE] * 3 + [SKIP] * 11
        assert (found["normal"].stability, found["reduction"].stability) == (11 / 14, 1.0)
        assert summary(found, SPACE)["stability"] == pytest.approx((11 / 14 + 1) / 2)
    # The first evaluation is the sixth last now.
    assert log.evaluate(60)["normal"].stability == 1.0
    # An edge that returns to its leader has changed in between.
    lead(strategy, SKIP, [0])
    assert log.evaluate(70)["normal"].stability == pytest.approx(13 / 14)
    lead(strategy, LARGE, [0])
    assert log.evaluate(80)["normal"].stability == pytest.approx(13 / 14)


def test_a_method_that_decides_step_by_step() -> None:
    strategy = start("sdas-a", 34)  # a decision in each iteration
    log = Log(strategy)
    lead(strategy, SKIP, ALL)
    assert log.evaluate(1)["normal"].leaders == [SKIP] * 14
    # Decided for what has led before.
    lead(strategy, SKIP, [0], by=5.0)
    assert log.decide(1) == [SKIP]
    found = log.evaluate(2)["normal"]
    assert (found.leaders, found.stability) == ([SKIP] * 14, 1.0)
    assert found.margins[0] is None
    # Decided for what has only led since.
    lead(strategy, LARGE, [1], by=5.0)
    assert log.decide(2) == [LARGE]
    for iteration in (3, 4, 5, 6):
        found = log.evaluate(iteration)["normal"]
        assert found.leaders == [SKIP, LARGE, *[SKIP] * 12]
        # Of evaluations 1 and 2 the second one is one of the last five in iteration 6.
        assert found.stability == pytest.approx(13 / 14)
        assert found.margins[:2] == [None, None]
    # A decision no longer changes.
    assert log.evaluate(7)["normal"].stability == 1.0


def test_edges_of_a_decided_node_keep_what_was_decided() -> None:
    strategy = start("sdas-a", 34)
    log = Log(strategy)
    lead(strategy, POOL, ALL)
    log.evaluate(1)
    incoming = SPACE.cell.incoming(3)
    for iteration, edge in enumerate(incoming, 1):
        lead(strategy, POOL, [edge], by=5.0)
        assert log.decide(iteration) == [POOL]
    kept = strategy.decisions.fix_node("normal", 3, incoming[:2], 0.0).detail["removed"]
    assert kept == [2]
    found = log.evaluate(5)["normal"]
    assert (found.leaders, found.stability) == ([POOL] * 14, 1.0)


def test_what_is_not_trained_is_not_stable() -> None:
    strategy = start("das", 60)
    log = Log(strategy, since=20)
    for iteration in (10, 20, 30):
        assert log.evaluate(iteration)["normal"].stability is None
    assert log.evaluate(40)["normal"].stability == 1.0


def test_a_method_without_relaxation_has_none() -> None:
    strategy = start("random", 60)
    log = Log(strategy)
    assert log.evaluate(10) == log.evaluate(20) == {}
    assert summary({}, SPACE)["stability"] is None


WORDS = [
    *("search", "--data=digits", "--data.subset=48", "--strategy.learning_rate=0.1"),
    *(word for word in SMALL if not word.startswith("--epochs")),
]


def read(folder: Path) -> tuple[list[dict[str, Any]], list[float | None]]:
    """Return the epochs of a run, and the column of its metrics."""
    lines = map(json.loads, (folder / "events.jsonl").read_text().splitlines())
    rows = csv.DictReader((folder / "metrics.csv").read_text().splitlines())
    column = [float(row["stability"]) if row["stability"] else None for row in rows]
    return [line for line in lines if line["event"] == "epoch"], column


def by_hand(evaluations: list[list[str]]) -> float | None:
    """Return the share of edges with one leader in the last five evaluations."""
    last = evaluations[-5:]
    same = [len(set(names)) == 1 for names in zip(*last, strict=True)]
    return sum(same) / len(same) if len(last) > 1 else None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["das", "sdas-b"])
def test_a_resumed_search_remembers(name: str, tmp_path: Path, killed_after: Callable[..., None]) -> None:
    words = [*WORDS, *FEW, f"--strategy={name}", "--epochs=7"]
    assert main([*words, f"--run={tmp_path / 'whole'}"]) == 0
    # Two iterations an epoch: killed in the fifth epoch.
    killed_after(PhaseRun, "step", 9, *words, f"--run={tmp_path / 'killed'}")
    assert main([*words, f"--run={tmp_path / 'killed'}", "--resume=auto"]) == 0
    epochs, column = read(tmp_path / "whole")
    resumed, again = read(tmp_path / "killed")
    assert again == column
    assert [epoch["kinds"] for epoch in resumed] == [epoch["kinds"] for epoch in epochs]
    leaders = [epoch["kinds"]["reduction"]["leaders"] for epoch in epochs]
    assert len({tuple(names) for names in leaders}) > 1
    assert column == [by_hand(leaders[: n + 1]) for n in range(7)]
    # All edges have an operation, also those that are decided.
    assert all(len(names) == 14 and all(names) for names in leaders)


@pytest.mark.slow
def test_each_phase_has_its_own_history(tmp_path: Path) -> None:
    words = [*WORDS, "--strategy=pdarts", "--strategy.weights_only=0", "--epochs=6"]
    assert main([*words, f"--run={tmp_path / 'run'}"]) == 0
    epochs, column = read(tmp_path / "run")
    assert [epoch["phase"] for epoch in epochs] == [f"stage {n}" for n in (1, 1, 2, 2, 3, 3)]
    leaders = [epoch["kinds"]["reduction"]["leaders"] for epoch in epochs]
    first, second, third = (by_hand(leaders[n : n + 2]) for n in (0, 2, 4))
    assert column == [None, first, None, second, None, third]
    assert WINDOW > 2
