"""Noise on edges, against what it is defined to be: every mask is read off the outputs."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor

from autodas.errors import AutodasError
from autodas.networks import CellInputs
from autodas.operations import ALL_CHANNELS, PartialChannels
from autodas.spaces import CellSlot, CellSpace, all_alive
from autodas.supernet import ENGINES, CellMixture, Noise, SupernetCell
from autodas.supernet.fused._engine import FusedEngine

pytestmark = pytest.mark.slow

OPERATIONS = ("skip_connect", "max_pool_3x3", "sep_conv_3x3")
SAMPLES, WIDTH = 400, 8
NONE = Noise()


def relaxed_cell(
    engine: str, nodes: int, stride: int = 1, partial: PartialChannels = ALL_CHANNELS
) -> SupernetCell:
    slot = CellSlot(0, "any", WIDTH, (stride, stride), 0)
    space = CellSpace("test", OPERATIONS, nodes=nodes)
    cell = SupernetCell(space, slot, CellInputs((3, 3), (1, 1)), ENGINES[engine](), partial)
    return cell.double().train()


def passed(cell: SupernetCell, weights: Tensor, edges: Tensor | None = None, noise: Noise = NONE) -> Tensor:
    torch.manual_seed(5)
    x, y = torch.randn(2, SAMPLES, 3, 4, 4, dtype=torch.float64)
    return cell(x, y, {"any": CellMixture(weights, all_alive(cell.space), edges, noise)}).detach()


@pytest.mark.parametrize("engine", list(ENGINES))
@pytest.mark.parametrize("K", [1, 4])
def test_drop_path_leaves_out_whole_edges_sample_by_sample(engine: str, K: int) -> None:
    cell, rate = relaxed_cell(engine, nodes=1, partial=PartialChannels(K)), 0.3
    weights = torch.rand(2, 3, dtype=torch.float64)
    one, other = (passed(cell, weights, torch.tensor(row, dtype=torch.float64)) for row in ([1, 0], [0, 1]))
    found = passed(cell, weights, torch.ones(2, dtype=torch.float64), Noise(drop_path=rate))
    kept = torch.zeros(2, 2)
    for a, b in product((0, 1), repeat=2):
        expected = (a * one + b * other) / (1 - rate)
        kept[a, b] = torch.isclose(found, expected).flatten(1).all(1).sum()
    assert kept.sum() == SAMPLES  # every sample is one of the four
    # Independent draws; four standard deviations.
    share = torch.tensor([rate, 1 - rate])
    expected = SAMPLES * share[:, None] * share
    assert bool(((kept - expected).abs() < 4 * expected.sqrt()).all())


@pytest.mark.parametrize("engine", list(ENGINES))
def test_skip_dropout_leaves_out_entries_of_each_edge(engine: str) -> None:
    cell, rate = relaxed_cell(engine, nodes=2), 0.4
    only_skips = torch.tensor([1.0, 0, 0], dtype=torch.float64).expand(5, 3)
    edges = torch.zeros(5, dtype=torch.float64)
    edges[[0, 2]] = 1  # both leave input 0 and enter nodes of their own
    whole = passed(cell, only_skips, edges)
    found = passed(cell, only_skips, edges, Noise(skip_dropout=rate))
    masks = found / whole * (1 - rate)
    assert torch.allclose(masks, masks.round())
    kept = masks.round()
    assert set(kept.unique().tolist()) == {0.0, 1.0}
    assert kept.mean().item() == pytest.approx(1 - rate, abs=0.01)
    # A mask of its own for each edge, and nothing in common between samples and channels.
    first, second = kept[:, :WIDTH], kept[:, WIDTH:]
    assert (first * second).mean().item() == pytest.approx((1 - rate) ** 2, abs=0.01)
    for axes in ((1, 2, 3), (0, 2, 3), (0, 1)):
        assert 0 < first.mean(axes).min() < first.mean(axes).max() < 1


@pytest.mark.parametrize("engine", list(ENGINES))
def test_skips_that_reduce_and_other_candidates_drop_nothing(engine: str) -> None:
    noise = Noise(skip_dropout=0.5)
    reducing, plain = relaxed_cell(engine, nodes=1, stride=2), relaxed_cell(engine, nodes=1)
    weights = torch.rand(2, 3, dtype=torch.float64)
    assert torch.equal(passed(reducing, weights, noise=noise), passed(reducing, weights))
    weights[:, 0] = 0
    assert torch.allclose(passed(plain, weights, noise=noise), passed(plain, weights), rtol=1e-12)


@pytest.mark.parametrize("engine", list(ENGINES))
def test_no_noise_in_evaluation(engine: str) -> None:
    cell = relaxed_cell(engine, nodes=2).eval()
    weights = torch.rand(5, 3, dtype=torch.float64)
    assert torch.equal(passed(cell, weights, noise=Noise(0.5, 0.5)), passed(cell, weights))


def test_the_fused_engine_leaves_its_fast_form_only_where_entries_are_dropped() -> None:
    cell = relaxed_cell("fused", nodes=2)
    engine, weights = cell.engine, torch.rand(5, 3, dtype=torch.float64)
    assert isinstance(engine, FusedEngine)
    plain: list[bool] = []
    for noise in (Noise(), Noise(drop_path=0.5), Noise(skip_dropout=0.5)):
        passed(cell, weights, noise=noise)
        plain = [skips for _, skips in engine._plans]
        assert plain == ([False, True] if noise.skip_dropout else [False])
    others = [len(source.others) for (_, skips), plan in engine._plans.items() for source in plan if skips]
    assert others == [2, 2, 1]  # one identity for each edge that leaves the state
    cell.eval()
    passed(cell, weights, noise=Noise(skip_dropout=0.5))
    assert [skips for _, skips in engine._plans] == plain


def test_rates_out_of_range_are_refused() -> None:
    with pytest.raises(AutodasError, match=r"drop_path=1.0 must lie in \[0, 1\)"):
        Noise(drop_path=1.0)


def test_a_mixture_keeps_its_noise_as_constants() -> None:
    noise = Noise(0.1, 0.2)
    mixture = CellMixture(torch.rand(1, 1, requires_grad=True), ((True,),), noise=noise)
    assert mixture.detach().noise == noise
    assert not mixture.detach().weights.requires_grad
