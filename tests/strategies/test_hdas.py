"""H-DAS: depth of stage graphs, the epoch that is kept, and cells that are handed on."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from autodas.data import Batch
from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.loop import Compute
from autodas.loop.tasks import Classification
from autodas.search._phase import PhaseRun
from autodas.settings import OptimSettings
from autodas.spaces import alive_of, get_space, stage_graphs
from autodas.strategies import HDASSettings
from autodas.strategies._depth import edge_probabilities, expected_depth
from autodas.strategies.base import SearchPlan
from autodas.strategies.hdas import HDAS
from autodas.supernet import Supernet, frozen_statistics
from autodas.zoo import load_zoo


def make(tools: Any, space: str = "cifar_stages-darts", iterations: int = 6, **settings: Any) -> HDAS:
    options = {"cells_a_stage": 3, "learning_rate": 0.05, **settings}
    return HDAS(HDASSettings(**options), tools.plan(tools.space(space), iterations))


class TestDepth:
    def test_by_hand(self) -> None:
        graph = stage_graphs(3)
        probabilities = {
            2: torch.tensor([0.5, 0.5]),  # of the inputs
            3: torch.tensor([0.2, 0.3, 0.5]),  # of states 0, 1, 2
            4: torch.tensor([0.1, 0.4, 0.5]),  # of states 1, 2, 3
        }
        first = (0.5 * 1 + 0.5 * 1) / 2
        second = (0.2 * 1 + 0.3 * 1 + 0.5 * (first + 1)) / 3
        third = (0.1 * 1 + 0.4 * (first + 1) + 0.5 * (second + 1)) / 3
        expected = (first + second + third) / 3
        assert expected_depth(graph, probabilities).item() == pytest.approx(expected, abs=1e-6)
        assert (first, round(second, 5), round(third, 5)) == (0.5, 0.41667, 0.46944)

    def test_by_hand_where_lengths_are_searched(self) -> None:
        graph = stage_graphs(3, lengths=(2, 3))
        even = {state: torch.full((n,), 1 / n) for state, n in ((2, 2), (3, 3), (4, 3))}
        first = 1 / 2  # (0.5 + 0.5) / 2
        second = (1 + 1 + first + 1) / 3 / 3
        third = (1 + first + 1 + second + 1) / 3 / 3
        # The last cell of two is number 1, that of three is number 2.
        expected = (first + (1 + 1 * 0.3) * second + (1 + 2 * 0.7) * third) / 3
        found = expected_depth(graph, even, torch.tensor([0.3, 0.7]))
        assert found.item() == pytest.approx(expected, abs=1e-6)

    def test_an_edge_is_as_likely_as_its_best_operation_but_none(self) -> None:
        graph = stage_graphs(2)
        alpha = [torch.zeros(4) for _ in graph.edges]
        alpha[0] = torch.tensor([1.0, 0.0, 0.5, 9.0])  # "none", the last one, does not count
        alpha[4] = torch.tensor([-1.0, 2.0, 0.0, 0.0])
        found = edge_probabilities(graph, alpha)
        torch.testing.assert_close(found[2], torch.tensor([1.0, 0.0]).softmax(0))
        torch.testing.assert_close(found[3], torch.tensor([0.0, 0.0, 2.0]).softmax(0))

    def test_the_strength_of_the_default(self, tools: Any) -> None:
        """The gradient at the start, for the network of the public settings: 6 cells in each of 3 stages.

        The sum of raw logits over the window, in place of the softmax and without 1/m, has a gradient of norm
        0.850 there (an independent implementation); ours has 0.025 for weight 1.
        """
        strategy = make(tools, level="stages", genotype="darts_v1", cells_a_stage=6, initial_std=0.0)
        assert strategy.settings.depth_weight == HDASSettings().depth_weight == 30
        strategy.start(0, "cpu")
        for edges in strategy.alpha.values():
            for edge in edges.values():
                edge.data[0] = 1e-3  # one best operation on each edge, as after a random start
        penalty = strategy.penalty()
        assert penalty is not None
        gradients = torch.autograd.grad(penalty, list(strategy.parameters().values()))
        norm = torch.cat([g.flatten() for g in gradients]).norm().item()
        assert norm / 30 == pytest.approx(0.025, abs=0.001)

    def test_edges_are_ranked_as_in_the_depth_loss(self, tools: Any) -> None:
        """The two with the largest parameter other than that of none, whatever the softmax of an edge."""
        differs = 0
        for seed in range(20):
            strategy = make(tools, level="stages", genotype="darts_v1", cells_a_stage=4)
            strategy.start(0, "cpu")
            generator = torch.Generator().manual_seed(seed)
            for edges in strategy.alpha.values():
                for edge in edges.values():
                    edge.data = torch.randn(4, generator=generator)
            cell, choices = strategy.space.cell, strategy.choices()
            none = cell.operations.index("none")
            for kind, edges in strategy.alpha.items():
                best = {e: max(v for o, v in enumerate(p.tolist()) if o != none) for e, p in edges.items()}
                softmax = {e: p.softmax(0)[:none].max().item() for e, p in edges.items()}
                for state, (kept, lead) in choices[kind].nodes.items():
                    ranked = sorted(cell.incoming(state), key=lambda e: -best[e])
                    assert set(kept) == set(ranked[:2])
                    shares = torch.tensor([best[e] for e in ranked]).softmax(0).tolist()
                    assert lead == pytest.approx(shares[1] - shares[2], abs=1e-6)
                    differs += set(kept) != set(sorted(ranked, key=lambda e: -softmax[e])[:2])
        assert differs > 20, "another rule than the softmax of each edge"

    def test_the_loss_of_all_stages(self, tools: Any) -> None:
        strategy = make(tools, level="stages", genotype="darts_v1", depth_weight=0.7)
        strategy.start(0, "cpu")
        tools.wander(strategy, 1)
        graph = stage_graphs(3)
        depths = [
            expected_depth(graph, edge_probabilities(graph, list(edges.values()))).item()
            for edges in strategy.alpha.values()
        ]
        assert len(depths) == 3
        penalty = strategy.penalty()
        assert penalty is not None
        assert penalty.item() == pytest.approx(-0.7 * sum(depths), rel=1e-5)

    def test_it_makes_graphs_deep(self, tools: Any) -> None:
        strategy = make(tools, level="stages", genotype="darts_v1")
        strategy.start(0, "cpu")
        optimiser = strategy.optimiser()
        assert optimiser is not None
        for _ in range(60):
            optimiser.zero_grad()
            strategy.penalty().backward()  # type: ignore[union-attr]
            optimiser.step()
        strategy.after_epoch(lambda: 50.0)
        genotype = strategy.finish().genotype
        assert genotype is not None
        for stage in genotype.stages.values():
            # The last cell reads the one before it, and that one the first: the chain is there.
            assert 3 in {edge.predecessor for edge in stage.nodes[2]}
            assert 2 in {edge.predecessor for edge in stage.nodes[1]}

    @pytest.mark.parametrize("settings", [{"level": "cells"}, {"depth_weight": 0.0}])
    def test_where_there_is_none(self, tools: Any, settings: dict[str, Any]) -> None:
        strategy = make(tools, **settings)
        strategy.start(len(strategy.phases()) - 1, "cpu")
        assert strategy.penalty() is None

    def test_only_lengths_are_moved_where_depth_has_no_weight(self, tools: Any) -> None:
        strategy = make(tools, depth_weight=0.0, lengths=(2, 3))
        strategy.start(len(strategy.phases()) - 1, "cpu")
        penalty = strategy.penalty()
        assert penalty is not None
        penalty.backward()
        moved = {name.split(".")[0] for name, p in strategy.parameters().items() if p.grad is not None}
        assert moved == {"gamma"}


@pytest.mark.slow
def test_the_depth_loss_has_a_step_of_its_own(tools: Any) -> None:
    torch.manual_seed(0)
    strategy = make(tools, "cifar-darts", level="stages", genotype="darts_v1", cells_a_stage=2)
    phase = strategy.phases()[0]
    strategy.start(0, "cpu")
    supernet = Supernet(phase.space, classes=3, channels=1, cells=phase.cells)
    run = PhaseRun(phase, 0, strategy, supernet, Classification(3), OptimSettings(), 2, Compute())
    images, labels = torch.randn(4, 1, 8, 8), torch.randint(3, (4,))
    batch = Batch(images, labels, torch.arange(4))

    # By hand: Adam along the data's gradient, then along the loss of what that left.
    parameters = list(strategy.parameters().values())
    before = [p.detach().clone() for p in parameters]
    optimiser = strategy.optimiser()
    assert optimiser is not None
    with frozen_statistics(supernet.train()):
        loss = F.cross_entropy(supernet(images, strategy.mixture()), labels)
    for gradients in (
        lambda: torch.autograd.grad(loss, parameters),
        lambda: _gradients(strategy, parameters),
    ):
        for parameter, gradient in zip(parameters, gradients(), strict=True):
            parameter.grad = gradient.clone()
        optimiser.step()
    expected = [p.detach().clone() for p in parameters]
    with torch.no_grad():
        for parameter, value in zip(parameters, before, strict=True):
            parameter.copy_(value)

    run.step(batch, batch)
    moved = [p.detach() for p in strategy.parameters().values()]
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(moved, expected, strict=True))
    assert not any(torch.allclose(a, b, atol=1e-3) for a, b in zip(moved, before, strict=True))


def _gradients(strategy: HDAS, parameters: list[Any]) -> tuple[Tensor, ...]:
    penalty = strategy.penalty()
    assert penalty is not None
    return torch.autograd.grad(penalty, parameters)


def test_the_best_epoch_is_kept(tools: Any) -> None:
    strategy = make(tools, level="cells")
    strategy.start(0, "cpu")
    kept = {}
    for epoch, accuracy in enumerate((10.0, 30.0, 20.0, 30.0), 1):
        tools.wander(strategy, epoch)
        kept[epoch] = {name: p.detach().clone() for name, p in strategy.parameters().items()}
        strategy.after_epoch(lambda accuracy=accuracy: accuracy)
    outcome = strategy.finish()
    assert outcome.facts == {"epoch": 2, "epoch_top1": 30.0}
    assert outcome.genotype is not None
    cell = get_space("cifar_stages-darts").cell
    for kind, found in outcome.genotype.cells.items():
        for state, edge in found.edges():
            number = cell.edges.index((edge.predecessor, state))
            alpha = kept[2][f"alpha.{kind}.{number}"].clone()
            alpha[0] = -99  # none
            assert cell.operations[int(alpha.argmax())] == edge.operation


@pytest.mark.parametrize("space", ["cifar_stages-darts", "cifar-o2d", "imagenet_stages-o2d"])
def test_stages_wire_the_cells_that_were_found(tools: Any, space: str) -> None:
    strategy = make(tools, space, iterations=7)
    phases = strategy.phases()
    assert [(phase.name, phase.iterations) for phase in phases] == [("cells", 3), ("stages", 4)]
    assert phases[1].space.kinds == ("stage1", "stage2", "stage3")
    strategy.start(0, "cpu")
    tools.wander(strategy, 1)
    strategy.after_epoch(lambda: 1.0)
    cells = strategy.finish().genotype
    assert cells is not None
    phases[0].space.validate(cells)
    assert strategy.start(1, "cpu").cells == cells
    assert strategy.phases() == phases, "what is planned does not change"
    tools.wander(strategy, 2)
    strategy.after_epoch(lambda: 1.0)

    # A new process knows nothing of the first phase but what the state says.
    buffer = io.BytesIO()
    torch.save(strategy.state_dict(), buffer)
    buffer.seek(0)
    resumed = make(tools, space, iterations=7)
    assert resumed.start(1, "cpu", torch.load(buffer, weights_only=True)).cells == cells
    found = strategy.finish().genotype
    assert resumed.finish().genotype == found
    assert found is not None
    assert found.cells == cells.cells
    phases[1].space.validate(found)
    assert Genotype.from_json(found.to_json()) == found


def test_lengths_are_searched(tools: Any) -> None:
    options = {"level": "stages", "genotype": "darts_v1", "lengths": (2, 4), "depth_weight": 0.0}
    strategy = make(tools, **options, length_weight=0.4)
    (phase,) = strategy.phases()
    strategy.start(0, "cpu")
    assert phase.space.cell.nodes == 4
    assert strategy.remaining() == phase.space.architectures
    # Graphs of two cells: 9 edges' choices for the first, 3 pairs of them for the second; and so on.
    assert phase.space.architectures == (9 * 27 + 9 * 27**3) ** 3
    for kind, logits in {"stage1": [0.0, 1.0], "stage2": [0.5, 0.0], "stage3": [0.0, 0.0]}.items():
        strategy.gamma[kind][0].data.copy_(torch.tensor(logits))
    likely = torch.tensor([[0.0, 1.0], [0.5, 0.0], [0.0, 0.0]]).softmax(1)
    penalty = strategy.penalty()
    assert penalty is not None
    assert penalty.item() == pytest.approx(0.4 * (likely * torch.tensor([2.0, 4.0])).sum().item(), rel=1e-5)
    outputs = strategy.mixture()["stage1"].outputs
    assert outputs is not None
    torch.testing.assert_close(outputs.detach(), likely[0])

    buffer = io.BytesIO()
    strategy.after_epoch(lambda: 1.0)
    torch.save(strategy.state_dict(), buffer)
    buffer.seek(0)
    resumed = make(tools, **options)
    resumed.start(0, "cpu")
    resumed.load_state_dict(torch.load(buffer, weights_only=True))
    outcome = strategy.finish()
    assert resumed.finish() == outcome
    genotype = outcome.genotype
    assert genotype is not None
    phase.space.validate(genotype)
    assert {kind: len(stage.nodes) for kind, stage in genotype.stages.items()} == {
        "stage1": 4,
        "stage2": 2,
        "stage3": 2,  # the first of equals
    }
    assert genotype.stages["stage2"].concat == (2, 3)
    decided = [(d.kind, d.detail) for d in outcome.decisions if d.what == "length"]
    assert decided == [("stage1", {"nodes": 4}), ("stage2", {"nodes": 2}), ("stage3", {"nodes": 2})]
    assert strategy.alive() == {kind: alive_of(s, phase.space.cell) for kind, s in genotype.stages.items()}
    assert strategy.remaining() == 1


def test_before_cells_are_found_the_dearest_stand_for_them(tools: Any) -> None:
    cells = make(tools).phases()[1].cells
    assert cells is not None
    assert {e.operation for cell in cells.cells.values() for _, e in cell.edges()} == {"sep_conv_5x5"}


@pytest.mark.parametrize(
    ("space", "settings", "message"),
    [
        ("cifar-o2d", {"level": "cell"}, "level must be cells, stages or both, found 'cell'"),
        ("cifar-o2d", {"level": "stages"}, "the cells to wire are required at level"),
        (
            "cifar-o2d",
            {"level": "cells", "genotype": "darts_v1"},
            "the cells to wire are required at level",
        ),
        ("cifar-o2d", {"lengths": (5, 4)}, "lengths must be ascending numbers of at least 2"),
        ("cifar-o2d", {"cells_a_stage": 1}, "cells_a_stage must be at least 2"),
        ("cifar-o2d", {"level": "stages", "genotype": "darts_v9"}, "unknown zoo architecture 'darts_v9'"),
        ("nasbench201", {}, "'nasbench201' has no form whose cells are wired by stage graphs"),
    ],
)
def test_what_cannot_be(tools: Any, space: str, settings: dict[str, Any], message: str) -> None:
    plan = SearchPlan(get_space(space), 4, 0, lambda alive: 1)

    def new() -> HDAS:
        return HDAS(HDASSettings(**settings), plan)

    with pytest.raises(AutodasError, match=message):
        new()


def test_without_normal_cells_there_is_nothing_to_wire(tools: Any) -> None:
    with pytest.raises(AutodasError, match="with K=0 stages have no cells"):
        HDAS(HDASSettings(), tools.plan(tools.space("cifar-o2d", K=0)))


def test_stages_over_cells_of_another_method(tools: Any) -> None:
    strategy = make(tools, "cifar-o2d", level="stages", genotype="pdarts")
    (phase,) = strategy.phases()
    assert phase.cells == load_zoo("pdarts")
    strategy.start(0, "cpu")
    found = strategy.finish().genotype
    assert found is not None
    assert found.cells == load_zoo("pdarts").cells
    assert found.space == "darts"
