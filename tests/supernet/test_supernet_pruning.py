"""Giving up candidates for good, and the discrete network that remains."""

from __future__ import annotations

import copy
import gc
import weakref
from collections.abc import Callable

import pytest
import torch

from autodas.errors import AutodasError
from autodas.genotype import CellGenotype, Edge, Genotype
from autodas.networks import Network
from autodas.spaces import Alive, CellSpace, Space, alive_of, all_alive
from autodas.supernet import Supernet, genotype_mixture, mixture_of
from autodas.supernet.fused._engine import FusedEngine

pytestmark = pytest.mark.slow

MakeSpace = Callable[[str], Space]
Draw = Callable[[CellSpace, int], Genotype]


def trained(space: Space, steps: int = 2) -> Supernet:
    """With running statistics that are not those of a new supernet."""
    supernet = Supernet(space, classes=6).train()
    everything = mixture_of({kind: all_alive(space.cell) for kind in space.kinds})
    with torch.no_grad():
        for _ in range(steps):
            supernet(3 * torch.randn(4, 3, 8, 8) + 1, everything)
    return supernet


def masks(space: Space, genotype: Genotype) -> dict[str, Alive]:
    return {kind: alive_of(genotype.cells[kind], space.cell) for kind in space.kinds}


class TestPrune:
    def test_parameters_and_statistics_are_gone(self, tiny: Space) -> None:
        supernet = Supernet(tiny)
        before = dict(supernet.state_dict())
        sizes = {name: p.numel() for name, p in supernet.named_parameters()}
        # Edge 0 (0 -> 2) of normal cells keeps two operations, edge 4 (2 -> 3) of both kinds none.
        everything = [list(row) for row in all_alive(tiny.cell)]
        normal, reduction = [list(row) for row in everything], [list(row) for row in everything]
        normal[0] = [name in ("sep_conv_3x3", "skip_connect") for name in tiny.cell.operations]
        normal[4] = reduction[4] = [False] * 5
        supernet.prune({"normal": tuple(map(tuple, normal)), "reduction": tuple(map(tuple, reduction))})

        def gone(name: str) -> bool:
            normal_cell = name.startswith(("cells.0.", "cells.2.", "cells.4."))
            on_first = ".edges.0-2." in name and ("max_pool" in name or "dil_conv" in name)
            return ".edges.2-3." in name or (normal_cell and on_first)

        assert set(supernet.state_dict()) == {name for name in before if not gone(name)}
        kept = {name for name, _ in supernet.named_parameters()}
        assert kept == {name for name in sizes if not gone(name)}
        assert 0 < len(kept) < len(sizes)
        assert set(supernet.relaxed_cells()[0].edges["0-2"]) == {"skip_connect", "sep_conv_3x3"}
        for name, value in supernet.state_dict().items():
            assert value.data_ptr() == before[name].data_ptr()  # what stays is not copied

    def test_memory_is_given_back(self, tiny: Space, draw_genotype: Draw) -> None:
        supernet = Supernet(tiny)
        held = {name: weakref.ref(p) for name, p in supernet.named_parameters()}
        held |= {name: weakref.ref(b) for name, b in supernet.named_buffers()}
        supernet.prune(masks(tiny, draw_genotype(tiny.cell, 1)))
        gc.collect()
        kept = set(dict(supernet.named_parameters())) | set(dict(supernet.named_buffers()))
        assert {name for name, reference in held.items() if reference() is not None} == kept
        assert len(kept) < len(held)

    @torch.no_grad()
    def test_what_is_alive_computes_as_before(self, tiny: Space, draw_genotype: Draw) -> None:
        supernet = trained(tiny).eval()
        genotype = draw_genotype(tiny.cell, 2)
        mixture = genotype_mixture(genotype, tiny.cell)
        x = torch.randn(2, 3, 8, 8)
        before = supernet(x, mixture)
        supernet.prune(masks(tiny, genotype))
        assert torch.equal(supernet(x, mixture), before)
        supernet.prune(masks(tiny, genotype))  # twice is once
        assert torch.equal(supernet(x, mixture), before)

    @torch.no_grad()
    def test_a_state_goes_into_a_supernet_pruned_alike(self, tiny: Space, draw_genotype: Draw) -> None:
        genotype = draw_genotype(tiny.cell, 3)
        mixture = genotype_mixture(genotype, tiny.cell)
        first, second = trained(tiny).eval(), Supernet(tiny, classes=6).eval()
        x = torch.randn(2, 3, 8, 8)
        for supernet in (first, second):
            supernet.prune(masks(tiny, genotype))
        assert not torch.equal(first(x, mixture), second(x, mixture))
        # Plain dictionaries, as checkpoints hold them: without the metadata of torch.
        second.load_tensors({name: t.clone() for name, t in first.state_dict().items()})
        assert torch.equal(first(x, mixture), second(x, mixture))
        with pytest.raises(AutodasError, match="another supernet"):
            second.load_tensors(Supernet(tiny, classes=6).state_dict())


class TestExtract:
    @pytest.mark.parametrize(("name", "seed"), [("darts", 0), ("snas", 1)])
    @torch.no_grad()
    def test_logits_are_equal_to_the_bit(
        self, small_space: MakeSpace, draw_genotype: Draw, name: str, seed: int
    ) -> None:
        space = small_space(name)
        supernet = trained(space, steps=1)
        genotype = draw_genotype(space.cell, seed)
        space.validate(genotype)
        mixture = genotype_mixture(genotype, space.cell)
        x = torch.randn(3, 3, 7, 7)
        network = supernet.eval().extract(genotype)
        assert isinstance(network, Network)
        assert not network.training
        assert torch.equal(network(x), supernet(x, mixture))
        network = supernet.train().extract(genotype)
        assert network.training
        assert torch.equal(network(x), supernet(x, mixture))
        # That pass moved the statistics of both alike.
        again = supernet.extract(genotype).state_dict()
        assert all(torch.equal(v, again[k]) for k, v in network.state_dict().items())
        assert torch.equal(network.eval()(x), supernet.eval()(x, mixture))

    def test_a_snas_genotype_with_none_and_with_empty_nodes(self, small_space: MakeSpace) -> None:
        space = small_space("snas")
        cell = CellGenotype(
            (
                (Edge("none", 0), Edge("sep_conv_3x3", 1)),
                (),
                (Edge("none", 0), Edge("none", 2)),
                (Edge("skip_connect", 4), Edge("none", 3), Edge("max_pool_3x3", 0), Edge("dil_conv_3x3", 2)),
            ),
            (2, 3, 4, 5),
        )
        genotype = Genotype({"normal": cell, "reduction": cell}, space="snas")
        space.validate(genotype)
        supernet = trained(space, steps=1)
        x = torch.randn(3, 3, 7, 7)
        for training in (False, True):
            network = supernet.train(training).extract(genotype)
            assert torch.equal(network(x), supernet(x, genotype_mixture(genotype, space.cell)))
        empty = next(network.run_cells(x))[:, 4:12]  # nodes 3 and 4 of the first cell, 4 channels each
        assert (empty == 0).all()

    @torch.no_grad()
    def test_in_double_precision(self, tiny: Space, draw_genotype: Draw) -> None:
        supernet = trained(tiny).double().eval()
        genotype = draw_genotype(tiny.cell, 1)
        network = supernet.extract(genotype)
        x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
        assert torch.equal(network(x), supernet(x, genotype_mixture(genotype, tiny.cell)))
        assert network.stem.norm.num_batches_tracked.dtype == torch.int64

    @torch.no_grad()
    def test_the_network_has_weights_of_its_own(self, tiny: Space, draw_genotype: Draw) -> None:
        supernet = trained(tiny).eval()
        genotype = draw_genotype(tiny.cell, 4)
        mixture = genotype_mixture(genotype, tiny.cell)
        x = torch.randn(2, 3, 8, 8)
        before = supernet(x, mixture)
        state = {k: v.clone() for k, v in supernet.state_dict().items()}
        network = supernet.extract(genotype)
        for p in network.parameters():
            p.zero_()
        assert torch.equal(supernet(x, mixture), before)
        assert all(torch.equal(v, state[k]) for k, v in supernet.state_dict().items())
        for name, p in network.named_parameters():
            if p.dim() == 4:
                assert p.stride() == torch.empty(p.shape, memory_format=torch.channels_last).stride(), name

    @torch.no_grad()
    def test_from_a_pruned_supernet(self, tiny: Space, draw_genotype: Draw) -> None:
        supernet = trained(tiny).eval()
        genotype = draw_genotype(tiny.cell, 5)
        x = torch.randn(2, 3, 8, 8)
        before = supernet.extract(genotype)(x)
        supernet.prune(masks(tiny, genotype))
        network = supernet.extract(genotype)
        assert torch.equal(network(x), before)
        # Nothing is left in the supernet that the network does not have.
        sizes = [sum(p.numel() for p in m.parameters()) for m in (supernet, network)]
        assert sizes[0] == sizes[1]

    def test_an_operation_that_was_pruned(self, tiny: Space) -> None:
        def cells(operation: str) -> Genotype:
            node = (Edge(operation, 0), Edge(operation, 1))
            cell = CellGenotype((node, node), (2, 3))
            return Genotype({"normal": cell, "reduction": cell})

        supernet = Supernet(tiny)
        kept = cells("sep_conv_3x3")
        supernet.prune(masks(tiny, kept))
        supernet.extract(kept)
        for operation in ("dil_conv_5x5", "max_pool_3x3"):
            with pytest.raises(AutodasError, match=rf"no longer contains '.*{operation}"):
                supernet.extract(cells(operation))

    def test_a_missing_kind(self, tiny: Space, draw_genotype: Draw) -> None:
        genotype = draw_genotype(tiny.cell, 0)
        with pytest.raises(AutodasError, match="no cell of kind reduction"):
            Supernet(tiny).extract(Genotype({"normal": genotype.cells["normal"]}))

    @torch.no_grad()
    def test_copies_of_supernets(self, tiny: Space, draw_genotype: Draw) -> None:
        supernet = trained(tiny).eval()
        other = copy.deepcopy(supernet)
        genotype = draw_genotype(tiny.cell, 6)
        x = torch.randn(2, 3, 8, 8)
        supernet.prune(masks(tiny, genotype))
        everything = mixture_of({kind: all_alive(tiny.cell) for kind in tiny.kinds})
        assert other(x, everything).shape == (2, 6)
        assert torch.equal(other.extract(genotype)(x), supernet.extract(genotype)(x))


def test_plans_of_the_fused_engine_go_with_their_candidates(tiny: Space) -> None:
    supernet = Supernet(tiny, classes=3, engine="fused")
    cell = next(iter(supernet.relaxed_cells()))
    mixture = mixture_of({kind: all_alive(tiny.cell) for kind in tiny.kinds})
    x = torch.randn(2, 3, 8, 8)
    supernet(x, mixture)
    assert isinstance(cell.engine, FusedEngine)
    before = {state: plan for (state, *_), plan in cell.engine._of_states.items()}
    # One candidate is left on the last edge.
    start, _ = tiny.cell.edges[-1]
    alive = [list(row) for row in all_alive(tiny.cell)]
    alive[-1] = [column == 1 for column in range(len(tiny.cell.operations))]
    gone = [weakref.ref(module) for column, module in cell.active(-1, all_alive(tiny.cell)) if column != 1]
    left = {kind: tuple(map(tuple, alive)) for kind in tiny.kinds}
    supernet.prune(left)
    supernet(x, mixture_of(left))
    after = {state: plan for (state, *_), plan in cell.engine._of_states.items()}
    assert [state for state in before if after[state] is not before[state]] == [start]
    del before
    assert [module() for module in gone] == [None] * len(gone)
