"""What a search tells about its own collapse, and that it can stop for it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.narrow_spaces import small

import autodas
from autodas.search._collapse import diagnose, summary, warning
from autodas.strategies import choose_strategy, load_strategy
from autodas.strategies.base import SearchPlan, Strategy

SPACE = autodas.get_space("cifar-o2d").with_size(K=1, C1=4, C2=8)
SKIP, LARGE = 0, 3  # columns of skip_connect and sep_conv_3x3


def start(name: str, iterations: int = 40) -> Any:
    choice = choose_strategy(name)
    strategy = load_strategy(name)(choice.settings, SearchPlan(SPACE, iterations, 0, lambda alive: 1))
    strategy.start(0, "cpu")
    return strategy


def lean(strategy: Any, column: int, by: float) -> None:
    """Let one operation lead on all edges of all kinds."""
    for edges in strategy.alpha.values():
        for alpha in edges.values():
            alpha.data.zero_()
            alpha.data[column] = by


@pytest.mark.parametrize("name", ["das", "sdas-a"])
def test_by_hand(name: str) -> None:
    strategy = start(name)
    lean(strategy, SKIP, 1.0)
    found = diagnose(strategy, SPACE)
    # Softmax of (1, 0, 0, 0, 0, 0, 0).
    first, other = math.e / (math.e + 6), 1 / (math.e + 6)
    entropy = -(first * math.log(first) + 6 * other * math.log(other)) / math.log(7)
    for kind in ("normal", "reduction"):
        assert (found[kind].skips, found[kind].edges) == (8, 8)
        assert found[kind].entropy == pytest.approx(entropy, abs=1e-5)
        assert found[kind].margin == pytest.approx(first - other, abs=1e-5)
        assert len(found[kind].margins) == 14
    metrics = summary(found, SPACE)
    assert metrics["skips"] == 8
    assert metrics["margin"] == pytest.approx(first - other, abs=1e-5)
    line = warning(found, SPACE)
    assert line is not None
    assert "8 of the 8 edges of normal cells" in line
    lean(strategy, LARGE, 1.0)
    found = diagnose(strategy, SPACE)
    assert found["normal"].skips == 0
    assert warning(found, SPACE) is None


@pytest.mark.parametrize(("name", "limit"), [("pdarts", {"skip_limit": 2}), ("edas", {"skip_limit": 1})])
def test_a_limit_on_skips_hides_nothing(name: str, limit: dict[str, int]) -> None:
    choice = choose_strategy(name, **limit)
    strategy = load_strategy(name)(choice.settings, SearchPlan(SPACE, 40, 0, lambda alive: 1))
    strategy.start(0, "cpu")
    lean(strategy, SKIP, 5.0)
    found = diagnose(strategy, SPACE)
    assert (found["normal"].skips, found["normal"].edges) == (8, 8)
    assert warning(found, SPACE) is not None
    # What is derived has no more than the limit.
    derived = strategy.choices()["normal"].kept(SPACE.cell)
    assert sum(column == SKIP for column in derived.values()) == limit["skip_limit"]


def test_what_cannot_win_has_no_lead() -> None:
    space = autodas.get_space("cifar-darts").with_size(K=1, C1=4, C2=8)
    choice = choose_strategy("das")
    strategy = load_strategy("das")(choice.settings, SearchPlan(space, 40, 0, lambda alive: 1))
    strategy.start(0, "cpu")
    lean(strategy, space.cell.operations.index("none"), 3.0)
    found = diagnose(strategy, space)
    assert found["normal"].margin == pytest.approx(0, abs=1e-6)
    assert found["normal"].entropy is not None
    assert found["normal"].entropy < 0.9


def test_decided_edges_have_no_margin() -> None:
    strategy = start("sdas-a", iterations=34)
    lean(strategy, SKIP, 0.5)
    decisions = [d for i in range(1, 12) for d in strategy.after_iteration(i)]
    assert len(decisions) == 11
    found = diagnose(strategy, SPACE)
    decided = sum(margin is None for d in found.values() for margin in d.margins)
    assert decided == sum(d.what == "edge" for d in decisions)
    assert found["normal"].skips == 8


@pytest.mark.parametrize("name", ["das", "sdas-a", "sdas-c"])
def test_what_leads_is_what_is_derived_now(name: str) -> None:
    """Against the end of a search whose parameters no longer move."""
    strategy = start(name, iterations=20)
    generator = torch.Generator().manual_seed(0)
    for parameter in strategy.parameters().values():
        parameter.data += torch.randn(parameter.shape, generator=generator)
    leading = strategy.leading()
    for iteration in range(1, 21):
        strategy.after_iteration(iteration)
    genotype = strategy.finish().genotype
    for kind, kept in leading.items():
        operations = [SPACE.cell.operations[column] for column in kept.values()]
        edges = [(SPACE.cell.edges[e][1], SPACE.cell.edges[e][0]) for e in kept]
        expected = [(state, e.predecessor, e.operation) for state, e in genotype.cells[kind].edges()]
        assert [(*edge, o) for edge, o in zip(edges, operations, strict=True)] == expected


def search(folder: Path, name: str, **options: Any) -> autodas.SearchResult:
    choice = choose_strategy(name, learning_rate=0.05)
    return autodas.Search(
        autodas.open_dataset("digits", subset=200),
        small(SPACE),
        choice,
        keeping=autodas.Keeping(autodas.RunFolder(folder).create(), tensorboard=False, quiet=True),
        epochs=3,
        batch_size=50,
        compute=autodas.Compute(check_memory=False),
        **options,
    ).run()


def events(folder: Path, kind: str) -> list[dict[str, Any]]:
    lines = map(json.loads, (folder / "events.jsonl").read_text().splitlines())
    return [event for event in lines if event["event"] == kind]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["das", "sdas-b"])
def test_a_search_stops_and_can_be_read(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Skips lead from the first draw on, by so much that nothing catches up.
    method = load_strategy(name)
    begin = method.begin

    def leaning(self: Strategy, phase: int, device: Any) -> None:
        begin(self, phase, device)
        lean(self, SKIP, 3.0)

    monkeypatch.setattr(method, "begin", leaning)
    result = search(tmp_path / "stopped", name, stop_at_skips=3)
    epochs = events(tmp_path / "stopped", "epoch")
    assert len(epochs) == 1
    assert epochs[0]["kinds"]["normal"]["skips"] == 4
    assert epochs[0]["skips"] == 4
    assert len(events(tmp_path / "stopped", "stopped")) == len(events(tmp_path / "stopped", "warning")) == 1
    operations = [edge.operation for _, edge in result.genotype.cells["normal"].edges()]
    assert operations == ["skip_connect"] * 4
    assert (tmp_path / "stopped/summary.json").exists()
    header, row = (tmp_path / "stopped/metrics.csv").read_text().splitlines()
    metrics = dict(zip(header.split(","), row.split(","), strict=True))
    assert float(metrics["skips"]) == 4
    assert 0 < float(metrics["entropy"]) < 1
    assert 0 < float(metrics["margin"]) < 1
    search(tmp_path / "whole", name)
    assert len(events(tmp_path / "whole", "epoch")) == 3


def test_bad_input(tmp_path: Path) -> None:
    with pytest.raises(autodas.AutodasError, match="stop_at_skips=-1 must be at least 0"):
        search(tmp_path / "run", "das", stop_at_skips=-1)
