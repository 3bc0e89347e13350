"""What the supernet computes: equation 2 of SDAS by an independent walk, and only what is active."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.narrow_spaces import narrow
from torch import Tensor, nn
from torch.nn import functional as F

from autodas.errors import AutodasError
from autodas.spaces import Space, all_alive, get_space
from autodas.supernet import (
    ENGINES,
    CellMixture,
    ReferenceEngine,
    Supernet,
    frozen_statistics,
    mixture_of,
)

MakeSpace = Callable[[str], Space]
Mask = tuple[tuple[bool, ...], ...]


def random_mixture(
    space: Space, seed: int, share: float = 1.0, edges: bool = True, dtype: torch.dtype = torch.float64
) -> dict[str, CellMixture]:
    """Random weights of both signs, a random part of the candidates active."""
    generator = torch.Generator().manual_seed(seed)
    mixture = {}
    for kind in space.kinds:
        shape = (len(space.cell.edges), len(space.cell.operations))
        active: Mask = tuple(tuple(row) for row in (torch.rand(shape, generator=generator) < share).tolist())
        weights = torch.randn(shape, generator=generator, dtype=dtype)
        factors = torch.randn(shape[0], generator=generator, dtype=dtype) if edges else None
        mixture[kind] = CellMixture(weights, active, factors)
    return mixture


def naive(supernet: Supernet, x: Tensor, mixture: dict[str, CellMixture], dtype: torch.dtype) -> Tensor:
    """Equations 1 and 2 of SDAS, term by term; modules are found by their names only."""
    space = supernet.space
    stem = supernet.get_submodule("stem.norm")(supernet.get_submodule("stem.conv")(x))
    outputs = [stem, stem]
    nodes, skeleton = space.cell.nodes, space.skeleton
    kinds = ["normal"] * skeleton.K + (["reduction"] + ["normal"] * skeleton.K) * 2
    for index, kind in enumerate(kinds):
        given_mixture = mixture[kind]
        states = [
            supernet.get_submodule(f"cells.{index}.preprocess0")(outputs[-2]),
            supernet.get_submodule(f"cells.{index}.preprocess1")(outputs[-1]),
        ]
        side = -(-states[1].shape[-1] // (2 if kind == "reduction" else 1))
        row = 0
        for node in range(2, 2 + nodes):
            total = torch.zeros(len(x), states[0].shape[1], side, side, dtype=dtype)
            for predecessor in range(node):
                factor = 1.0 if given_mixture.edges is None else float(given_mixture.edges[row])
                for column, name in enumerate(space.cell.operations):
                    if name != "none" and given_mixture.active[row][column]:
                        place = f"cells.{index}.edges.{predecessor}-{node}.{name}"
                        y = supernet.get_submodule(place)(states[predecessor])
                        total = total + factor * float(given_mixture.weights[row, column]) * y
                row += 1
            states.append(total)
        outputs.append(torch.cat(states[2:], 1))
    features = outputs[-1].mean((2, 3))
    return features @ supernet.classifier.weight.T + supernet.classifier.bias


@pytest.fixture(scope="module", params=["o2d", "darts"])
def doubles(request: pytest.FixtureRequest, small_space: MakeSpace) -> Supernet:
    torch.manual_seed(1)
    return Supernet(narrow(small_space(request.param)), classes=5).double()


@pytest.mark.slow
@settings(max_examples=7, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**31),
    share=st.sampled_from([0.1, 0.5, 1.0]),
    edges=st.booleans(),
    training=st.booleans(),
    side=st.sampled_from([4, 5, 8]),
)
def test_equation_2(
    doubles: Supernet, seed: int, share: float, edges: bool, training: bool, side: int
) -> None:
    mixture = random_mixture(doubles.space, seed, share, edges)
    x = torch.randn(3, 3, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    doubles.train(training)
    with torch.no_grad(), frozen_statistics(doubles):
        torch.testing.assert_close(
            doubles(x, mixture), naive(doubles, x, mixture, x.dtype), rtol=1e-9, atol=1e-10
        )


@torch.no_grad()
def test_the_factor_of_an_edge_multiplies_its_weights(tiny: Space) -> None:
    supernet = Supernet(tiny).double().eval()
    mixture = random_mixture(tiny, 3)
    folded = {
        kind: CellMixture(m.weights * m.edges[:, None], m.active)  # type: ignore[index]
        for kind, m in mixture.items()
    }
    x = torch.randn(2, 3, 6, 6, dtype=torch.float64)
    torch.testing.assert_close(supernet(x, mixture), supernet(x, folded), rtol=1e-10, atol=1e-12)


@pytest.mark.slow
def test_parameters_of_the_darts_supernet() -> None:
    # The public code of DARTS: 8 cells, C=16, 1,930,842 parameters of which 224 are alphas.
    space = get_space("cifar-darts")
    assert (space.skeleton.K, space.skeleton.C1, space.skeleton.C2) == (2, 48, 64)
    with torch.device("meta"):
        supernet = Supernet(space)
    assert sum(p.numel() for p in supernet.parameters()) == 1_930_618
    assert 2 * len(space.cell.edges) * len(space.cell.operations) == 224


def candidates(supernet: Supernet) -> dict[str, nn.Module]:
    """Every candidate by ``kind/row/operation`` of each cell."""
    found = {}
    for index, cell in enumerate(supernet.relaxed_cells()):
        for row, (predecessor, state) in enumerate(supernet.space.cell.edges):
            for name, module in cell.edges[f"{predecessor}-{state}"].items():
                found[f"{index}/{cell.slot.kind}/{row}/{name}"] = module
    return found


class TestActive:
    @pytest.mark.slow
    @torch.no_grad()
    def test_only_active_candidates_are_computed(self, tiny: Space) -> None:
        supernet = Supernet(tiny)
        calls: Counter[str] = Counter()
        for name, module in candidates(supernet).items():
            module.register_forward_hook(lambda *_, name=name: calls.update([name]))
        x = torch.randn(2, 3, 4, 4)
        everything = {kind: all_alive(tiny.cell) for kind in tiny.kinds}
        for seed in range(4):
            calls.clear()
            mixture = random_mixture(tiny, seed, 0.4, dtype=torch.float32)
            supernet(x, mixture)
            expected = {
                name
                for name in candidates(supernet)
                for _, kind, row, operation in [name.split("/")]
                if mixture[kind].active[int(row)][tiny.cell.operations.index(operation)]
            }
            assert calls == Counter(expected)  # each exactly once
            assert 0 < len(expected) < len(candidates(supernet))
        calls.clear()
        supernet(x, mixture_of(everything))  # all come back
        assert calls == Counter(list(candidates(supernet)))

    @torch.no_grad()
    def test_what_was_inactive_comes_back_unchanged(self, tiny: Space) -> None:
        supernet = Supernet(tiny).eval()
        x = torch.randn(2, 3, 4, 4)
        full = random_mixture(tiny, 0, dtype=torch.float32)
        before = supernet(x, full)
        assert not torch.equal(supernet(x, random_mixture(tiny, 1, 0.3, dtype=torch.float32)), before)
        assert torch.equal(supernet(x, full), before)

    @torch.no_grad()
    def test_statistics_of_inactive_candidates_stay(self, tiny: Space) -> None:
        supernet = Supernet(tiny).train()
        before = {k: v.clone() for k, v in supernet.state_dict().items()}
        mixture = random_mixture(tiny, 2, 0.5, dtype=torch.float32)
        supernet(torch.randn(4, 3, 8, 8), mixture)
        kinds = [cell.slot.kind for cell in supernet.relaxed_cells()]
        rows = {f"{p}-{s}": row for row, (p, s) in enumerate(tiny.cell.edges)}
        for name, value in supernet.state_dict().items():
            parts = name.split(".")
            active = True
            if "edges" in parts:
                column = tiny.cell.operations.index(parts[4])
                active = mixture[kinds[int(parts[1])]].active[rows[parts[3]]][column]
            if "running_" in name:
                assert torch.equal(value, before[name]) != active, name

    @torch.no_grad()
    def test_weights_of_inactive_candidates_do_not_matter(self, tiny: Space) -> None:
        supernet = Supernet(tiny).eval()
        x = torch.randn(2, 3, 4, 4)
        mixture = random_mixture(tiny, 4, 0.5, dtype=torch.float32)
        spoilt = {
            kind: CellMixture(m.weights.masked_fill(~torch.tensor(m.active), torch.nan), m.active, m.edges)
            for kind, m in mixture.items()
        }
        assert torch.equal(supernet(x, spoilt), supernet(x, mixture))

    @pytest.mark.slow
    @pytest.mark.parametrize("training", [True, False])
    @torch.no_grad()
    def test_the_weight_of_none_does_not_matter(self, small_space: MakeSpace, training: bool) -> None:
        space = narrow(small_space("darts"))
        supernet = Supernet(space).train(training)
        x = torch.randn(2, 3, 4, 4)
        mixture = random_mixture(space, 5, dtype=torch.float32)
        changed = {}
        for kind, m in mixture.items():
            weights = m.weights.clone()
            weights[:, space.cell.operations.index("none")] = torch.nan
            inactive = tuple((False, *row[1:]) for row in m.active)
            changed[kind] = CellMixture(weights, inactive, m.edges)
        assert torch.equal(supernet(x, changed), supernet(x, mixture))

    @pytest.mark.slow
    @torch.no_grad()
    def test_none_takes_its_share_of_a_softmax(self, small_space: MakeSpace) -> None:
        space = narrow(small_space("darts"))
        supernet = Supernet(space).eval()
        x = torch.randn(2, 3, 4, 4)
        alpha = torch.zeros(14, 8)
        loud = alpha.clone()
        loud[:, space.cell.operations.index("none")] = 30.0
        alive = all_alive(space.cell)
        outputs = [
            next(supernet.run_cells(x, {k: CellMixture(a.softmax(-1), alive) for k in space.kinds}))
            for a in (alpha, loud)
        ]
        assert outputs[0].abs().max() > 0.01
        assert outputs[1].abs().max() < 1e-6  # nothing is left for the others

    @torch.no_grad()
    def test_a_cell_without_any_active_candidate_is_zeros(self, tiny: Space) -> None:
        supernet = Supernet(tiny).eval()
        off = tuple(tuple(False for _ in tiny.cell.operations) for _ in tiny.cell.edges)
        mixture = {k: CellMixture(torch.ones(5, 5), off) for k in tiny.kinds}
        outputs = list(supernet.run_cells(torch.randn(2, 3, 7, 7), mixture))
        assert [tuple(y.shape) for y in outputs] == [
            (2, 8, 7, 7),
            (2, 16, 4, 4),
            (2, 16, 4, 4),
            (2, 32, 2, 2),
            (2, 32, 2, 2),
        ]
        assert all((y == 0).all() for y in outputs)


class TestEngines:
    def test_an_unknown_engine_names_the_engines(self, tiny: Space) -> None:
        with pytest.raises(AutodasError, match=r"unknown engine 'warp'.*reference"):
            Supernet(tiny, engine="warp")

    @pytest.mark.slow
    @torch.no_grad()
    def test_computed_by_another_engine_for_a_while(
        self, tiny: Space, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Doubled(ReferenceEngine):
            def __call__(self, *arguments: object) -> Tensor:
                return 2 * super().__call__(*arguments)  # type: ignore[arg-type]

        monkeypatch.setitem(ENGINES, "doubled", Doubled)
        supernet = Supernet(tiny).eval()
        own = [cell.engine for cell in supernet.relaxed_cells()]
        state = {k: v.clone() for k, v in supernet.state_dict().items()}
        x = torch.randn(2, 3, 4, 4)
        mixture = random_mixture(tiny, 0, dtype=torch.float32)
        before = supernet(x, mixture)
        with supernet.computed_by("doubled"):
            assert all(type(cell.engine) is Doubled for cell in supernet.relaxed_cells())
            assert len({id(cell.engine) for cell in supernet.relaxed_cells()}) == 5  # each its own
            assert not torch.equal(supernet(x, mixture), before)
        assert [cell.engine for cell in supernet.relaxed_cells()] == own
        assert torch.equal(supernet(x, mixture), before)
        with pytest.raises(RuntimeError, match="inside"), supernet.computed_by("doubled"):
            raise RuntimeError("inside")
        assert [cell.engine for cell in supernet.relaxed_cells()] == own
        assert all(torch.equal(v, state[k]) for k, v in supernet.state_dict().items())
        assert type(Supernet(tiny, engine="doubled").relaxed_cells()[0].engine) is Doubled


@pytest.mark.slow
def test_channels_are_last_in_memory(small_space: MakeSpace) -> None:
    supernet = Supernet(narrow(small_space("o2d")))
    for name, p in supernet.named_parameters():
        if p.dim() == 4:
            assert p.stride() == torch.empty(p.shape, memory_format=torch.channels_last).stride(), name
    seen = []
    for cell in supernet.cells:
        cell.register_forward_hook(
            lambda m, i, y: seen.append(y.is_contiguous(memory_format=torch.channels_last))
        )
    supernet(torch.randn(2, 3, 8, 8), random_mixture(supernet.space, 0, dtype=torch.float32))
    assert seen == [True] * 5


def test_names_of_parameters(tiny: Space) -> None:
    # Checkpoints, both engines and extraction find parameters under these names.
    supernet = Supernet(tiny)
    names = set(supernet.state_dict())
    assert "cells.0.edges.1-3.sep_conv_3x3.0.depthwise.weight" in names
    assert "cells.1.edges.0-2.skip_connect.straight.weight" in names  # strided in a reduction cell
    assert not any(".none." in name for name in names)
    assert {n.split(".")[3] for n in names if ".edges." in n} == {"0-2", "1-2", "0-3", "1-3", "2-3"}


@pytest.mark.parametrize("training", [True, False])
def test_affine_free_normalisation_follows_every_pool(tiny: Space, training: bool) -> None:
    # DARTS: pools are normalised in the supernet, and normalisation in cells learns nothing there.
    supernet = Supernet(tiny).train(training)
    for cell in supernet.relaxed_cells():
        norms = [m for m in cell.modules() if isinstance(m, nn.BatchNorm2d)]
        assert not any(m.affine for m in norms)
        pool = cell.edges["1-2"]["max_pool_3x3"]
        x = torch.randn(4, cell.slot.width, 8, 8)
        with torch.no_grad(), frozen_statistics(pool):
            y = F.max_pool2d(x, 3, cell.slot.stride, 1)
            running = pool.norm.running_mean, pool.norm.running_var
            given = (None, None) if training else running
            expected = F.batch_norm(y, *given, training=training)
            torch.testing.assert_close(pool(x), expected)
    assert supernet.stem.norm.affine
