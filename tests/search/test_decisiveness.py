"""Whether a cell is close to a random choice: searches on noise say so, clear and stable decisions pass."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autodas.cli import search
from autodas.cli.main import main
from autodas.flags import with_flags
from autodas.runs.events import Decision, Epoch, Event, Start
from autodas.search._decisiveness import decisiveness
from autodas.spaces import all_alive, get_space
from autodas.strategies.base import Phase

SPACE = get_space("cifar-o2d")
CELL = SPACE.cell
COUNT = len(CELL.operations)

VERDICT = (
    "this cell is close to a random choice: another seed would probably find another one, equally justified"
)


PHASE = Phase("search", SPACE, 900, 0, {"normal": all_alive(CELL)})


def noise(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of noise whose labels mean nothing."""
    generator = np.random.default_rng(len(split))
    return generator.integers(0, 256, (120, 8, 8, 1), dtype=np.uint8), np.arange(120) % 4


@pytest.mark.slow
def test_a_search_on_noise_says_that_its_cell_is_close_to_a_draw(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["search", f"--data=python:{__name__}:noise", "--strategy=das", "--strategy.learning_rate=0.1"]
    words += ["--epochs=6", "--batch_size=30", "--space.K=0", "--space.C1=8", "--space.C2=8", "--quiet"]
    words += ["--check_memory=false", "--tensorboard=false"]
    assert main([*words, f"--run={tmp_path / 'run'}"]) == 0
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    found = summary["decisiveness"]
    # 12 iterations in 6 epochs; all decisions fall at the end, and without normal cells there is one kind.
    assert found["reach"] == pytest.approx(0.1 * 12)
    assert found["edges"] == len(CELL.edges)
    (remark,) = summary["remarks"]
    assert remark.startswith(f"{VERDICT}, since ")
    # 12 steps in 6 epochs: 200 take 100 epochs.
    assert remark.endswith(
        ". Search all your data for `epochs=100` or more, and compare seeds (autodas compare)"
    )
    # Of so short a search it was said before.
    printed = "".join(capsys.readouterr())
    assert printed.count("close to a random choice") == 1
    assert "the cell will be close to a random choice" in printed
    assert printed.count("--epochs 100 or more") == 1


@pytest.mark.slow
def test_what_was_not_said_before_is_said_at_the_end(tmp_path: Path) -> None:
    """As when a search is resumed."""
    words = [f"--data=python:{__name__}:noise", "--strategy=das", "--strategy.learning_rate=0.1", "--quiet"]
    words += ["--epochs=6", "--batch_size=30", "--space.K=0", "--space.C1=8", "--space.C2=8"]
    words += ["--check_memory=false", "--tensorboard=false", f"--run={tmp_path / 'run'}"]
    folder, result, foretold = search.run_search(search.USAGES[0].parse(words))
    assert foretold
    (remark,) = result.remarks
    line = f"note: {with_flags(remark)}"
    assert line in search.report(folder, result, foretold=False)
    assert line not in search.report(folder, result, foretold=True)


def test_a_rate_too_small_for_so_few_steps_is_named() -> None:
    found = decisiveness(log(late=0, lead=0.8, iterations=3), PHASE, 0, 3e-4)
    assert found is not None
    (remark,) = found.remarks(3e-4, 2)
    assert remark.startswith(f"{VERDICT}. ")
    assert "could move by at most 0.0009" in remark
    # Three steps of 3e-4 in two epochs: a movement of 3 takes 10,000 steps.
    assert "Search all your data for `epochs=6667` or more" in remark
    assert "learning_rate" not in remark


def log(late: int, lead: float, iterations: int = 900, epochs: int = 9) -> list[Event]:
    """Return the log of a search of normal cells in which operation 1 wins by ``lead``.

    On ``late`` edges another one led until the last epoch but two; operation 2 led everywhere before the last
    five.
    """
    edges = range(len(CELL.edges))

    def kinds(leaders: list[int]) -> dict[str, Any]:
        return {"normal": {"leaders": [CELL.operations[leader] for leader in leaders]}}

    evaluations = [
        Epoch(
            iteration=iterations * number // epochs,
            kinds=kinds([2 if left >= 5 else 0 if left >= 2 and edge < late else 1 for edge in edges]),
        )
        for number, left in ((number, epochs - number) for number in range(1, epochs + 1))
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
    return [Start(), *evaluations, *decisions]


def test_clear_and_stable_decisions_need_no_remark() -> None:
    found = decisiveness(log(late=2, lead=0.8), PHASE, 0, 0.01)
    assert found is not None
    assert (found.margin, found.edges) == (pytest.approx(0.8), 14)
    assert found.stability == pytest.approx(12 / 14)
    assert found.reach == pytest.approx(9.0)
    assert found.remarks(0.01, 9) == []
    assert "up to its decision: 0.86 (random steps would give 0.38)" in found.told()[1]


@pytest.mark.parametrize(
    ("late", "lead", "reasons"),
    [
        (8, 0.8, "its leading operations changed almost as often as by random steps"),
        (0, 0.05, "the margin of its decisions is hardly larger than that of random steps"),
        (
            8,
            0.05,
            "the margin of its decisions is hardly larger than that of random steps and its leading "
            "operations changed almost as often as by random steps",
        ),
    ],
)
def test_late_changes_and_small_leads_are_close_to_a_draw(late: int, lead: float, reasons: str) -> None:
    found = decisiveness(log(late, lead), PHASE, 0, 0.01)
    assert found is not None
    (remark,) = found.remarks(0.01, 9)
    assert remark.startswith(f"{VERDICT}, since {reasons}. Search all your data for `epochs=18` or more")


def test_each_decision_is_judged_by_the_epochs_before_it() -> None:
    """As in SDAS: one edge after the other, in the middle of epochs."""
    a, b = CELL.operations[:2]

    def epoch(iteration: int, *leaders: str) -> Epoch:
        return Epoch(iteration=iteration, kinds={"normal": {"leaders": list(leaders)}})

    def decision(iteration: int, number: int, operation: str) -> Decision:
        edge = list(CELL.edges[number])
        return Decision(iteration=iteration, kind="normal", what="edge", edge=edge, operation=operation)

    events = [
        decision(8, 0, a),  # before the first evaluation: unknown
        epoch(10, a, b, a, b),
        decision(15, 1, b),  # as before
        epoch(20, a, b, a, a),
        decision(25, 2, b),  # another than before
        # Of an epoch that ends with a decision, the decision is written first.
        decision(30, 3, a),  # as in the epoch before, but not in the first one
        epoch(30, a, b, b, a),
        epoch(40, a, b, b, a),
    ]
    found = decisiveness(events, PHASE, 0, 0.1)
    assert found is not None
    assert (found.stability, found.edges) == (pytest.approx(1 / 3), 3)
    assert found.reach == pytest.approx(0.1 * (8 + 15 + 25 + 30) / 4)
    # The architecture is trained from iteration 12 on: before, leaders are those of the start.
    found = decisiveness(events, replace(PHASE, weights_only=12), 0, 0.1)
    assert found is not None
    assert (found.stability, found.edges) == (pytest.approx(1 / 2), 2)
    assert found.reach == pytest.approx(0.1 * (0 + 3 + 13 + 18) / 4)


def test_without_earlier_evaluations_the_stability_is_unknown() -> None:
    found = decisiveness(log(late=0, lead=0.8, epochs=1), PHASE, 0, 0.01)
    assert found is not None
    assert (found.stability, found.stability_chance, found.edges) == (None, None, 0)
    assert len(found.told()) == 1
    assert found.remarks(0.01, 1) == []


def test_the_stability_of_chance_is_that_of_a_random_walk() -> None:
    found = decisiveness(log(late=0, lead=0.8, iterations=18), PHASE, 0, 0.1)
    steps = np.random.default_rng(1).normal(size=(50_000, 18, COUNT))
    leaders = steps.cumsum(axis=1).argmax(axis=2)[:, [9, 11, 13, 15, 17]]
    assert found is not None
    assert found.stability_chance == pytest.approx((leaders == leaders[:, :1]).all(1).mean(), abs=0.02)


def test_the_margin_of_chance_is_that_of_a_random_walk() -> None:
    # 900 steps of 0.01 in random directions: normal logits of deviation 0.3.
    found = decisiveness(log(late=0, lead=0.5), PHASE, 0, 0.01)
    logits = np.random.default_rng(1).normal(0, 0.01 * math.sqrt(900), (100_000, COUNT))
    weights = np.sort(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), axis=1)
    assert found is not None
    assert found.chance == pytest.approx((weights[:, -1] - weights[:, -2]).mean(), rel=0.05)


def test_decisions_of_earlier_phases_do_not_count() -> None:
    first = [replace(event, iteration=50) for event in log(late=8, lead=0.1) if isinstance(event, Decision)]
    found = decisiveness([*first, *log(late=0, lead=0.8)], PHASE, 100, 0.01)
    assert found is not None
    assert found.margin == pytest.approx(0.8)
    assert decisiveness(first, PHASE, 100, 0.01) is None


def test_few_candidates_and_parameters_that_are_rarely_trained() -> None:
    """As in the last stage of P-DARTS and in EDAS: a quarter of 900 steps of 0.01, three operations."""
    three = tuple(tuple(o < 3 for o in range(COUNT)) for _ in CELL.edges)
    phase = replace(PHASE, alive={"normal": three})
    found = decisiveness(log(late=0, lead=0.5), phase, 0, 0.01, 0.25)
    logits = np.random.default_rng(1).normal(0, 0.01 * math.sqrt(225), (100_000, 3))
    weights = np.sort(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), axis=1)
    assert found is not None
    assert found.chance == pytest.approx((weights[:, -1] - weights[:, -2]).mean(), rel=0.05)
    assert found.reach == pytest.approx(2.25)
