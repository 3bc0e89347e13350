"""Supernets that mix a part of the channels: what is computed, both engines, the discrete network."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.narrow_spaces import narrow
from torch import Tensor

from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.loop import InputShape
from autodas.loop.tasks import Classification
from autodas.networks import CellInputs, build
from autodas.operations import PartialChannels, Pool, SeparableConv, SeparableUnit, register
from autodas.operations._registry import _BUILDERS
from autodas.search import supernet_multiply_adds
from autodas.spaces import CellSlot, CellSpace, Space, all_alive, get_skeleton, get_space
from autodas.supernet import CellMixture, Supernet, genotype_mixture
from autodas.supernet._cell import SupernetCell
from autodas.supernet._reference import ReferenceEngine
from autodas.supernet.fused._engine import FusedEngine

pytestmark = pytest.mark.slow

Draw = Callable[[CellSpace, int], Genotype]
DOUBLE = torch.float64


def mixture_of(space: CellSpace, share: float, edges: bool) -> CellMixture:
    shape = (len(space.edges), len(space.operations))
    active = tuple(tuple(row) for row in (torch.rand(shape) < share).tolist())
    weights = torch.rand(shape, dtype=DOUBLE, requires_grad=True)
    return CellMixture(
        weights, active, torch.rand(shape[0], dtype=DOUBLE, requires_grad=True) if edges else None
    )


def naive_cell(cell: SupernetCell, K: int, inputs: list[Tensor], mixture: CellMixture) -> Tensor:
    """Edge by edge; the channels of every edge are put in their places one at a time."""
    space, width = cell.space, cell.slot.width
    states = [cell.preprocess0(inputs[0]), cell.preprocess1(inputs[1])]
    size = [-(-n // s) for n, s in zip(states[0].shape[2:], cell.slot.stride, strict=True)]
    row = 0
    for node in space.states:
        total = torch.zeros(len(inputs[0]), width, *size, dtype=DOUBLE)
        for predecessor in range(node):
            x = states[predecessor]
            mixed, carries = None, False
            for column, name in enumerate(space.operations):
                if name == "none" or not mixture.active[row][column]:
                    continue
                module = cell.get_submodule(f"edges.{predecessor}-{node}.{name}")
                term = mixture.weights[row, column] * module(x[:, : width // K])
                mixed, carries = (term if mixed is None else mixed + term), True
            if carries:
                assert mixed is not None
                for channel in range(width):
                    group, within = divmod(channel, width // K)
                    plane = mixed[:, within]
                    if group > 0:
                        plane = x[:, channel]
                        for dimension, length in enumerate(size, 1):
                            if plane.shape[dimension] != length:
                                parts = [p.amax(dimension) for p in plane.split(2, dimension)]
                                plane = torch.stack(parts, dimension)
                    factor = 1.0 if mixture.edges is None else mixture.edges[row]
                    total[:, within * K + group] = total[:, within * K + group] + factor * plane
            row += 1
        states.append(total)
    return torch.cat(states[2:], 1)


def passed(
    cell: SupernetCell, compute: Callable[[], Tensor], inputs: list[Tensor], mixture: CellMixture
) -> dict[str, Tensor]:
    """Return output, gradients and running statistics of one pass."""
    before = {name: tensor.clone() for name, tensor in cell.state_dict().items()}
    out = compute()
    upstream = torch.randn(out.shape, generator=torch.Generator().manual_seed(1), dtype=DOUBLE)
    tensors = {"input 0": inputs[0], "input 1": inputs[1], "weights": mixture.weights}
    if mixture.edges is not None:
        tensors["edges"] = mixture.edges
    tensors |= dict(cell.named_parameters())
    loss = (out * upstream).sum() + 0 * inputs[0].sum()  # an output may depend on nothing
    gradients = torch.autograd.grad(loss, list(tensors.values()), allow_unused=True)
    found = {"out": out.detach()}
    for (name, tensor), gradient in zip(tensors.items(), gradients, strict=True):
        found[name] = torch.zeros_like(tensor) if gradient is None else gradient
    found |= {n: t.clone() for n, t in cell.state_dict().items() if "running" in n}
    cell.load_state_dict(before)
    return found


def assert_close(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    # A gradient that is zero but for rounding has no size of its own to compare with.
    for name, tensor in expected.items():
        error = (found[name] - tensor).abs().max()
        assert error <= 1e-10 * tensor.abs().max().clamp_min(1e-6), name


@pytest.fixture(autouse=True, scope="module")
def _operations_over_time():
    builders = {
        "test_volume": lambda c, s, n: SeparableConv(c, (3, 3, 3), s, n.affine),
        "test_plane": lambda c, s, n: SeparableUnit(c, (1, 3, 3), s, 2, n.affine),
        "test_pool": lambda c, s, n: Pool("max", c, (1, 3, 3), s, n.pool),
    }
    for name, builder in builders.items():
        register(name)(builder)
    yield
    for name in builders:
        del _BUILDERS[name]


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    K=st.sampled_from([2, 3, 4]),
    share=st.sampled_from([0.0, 0.2, 1.0]),
    edges=st.booleans(),
    training=st.booleans(),
    stride=st.sampled_from([(1, 1), (2, 2), (1, 1, 1), (1, 2, 2), (2, 2, 2)]),
    entry=st.sampled_from([1, 2]),
    odd=st.booleans(),
)
def test_cells(
    seed: int,
    K: int,
    share: float,
    edges: bool,
    training: bool,
    stride: tuple[int, ...],
    entry: int,
    odd: bool,
) -> None:
    torch.manual_seed(seed)
    flat = ("none", "skip_connect", "max_pool_3x3", "avg_pool_3x3", "sep_conv_3x3", "dil_conv_5x5")
    volumes = ("none", "skip_connect", "test_volume", "test_plane", "test_pool")
    space = CellSpace("test", flat if len(stride) == 2 else volumes, nodes=2)
    slot = CellSlot(0, "normal", 2 * K, stride, 0)
    inputs = CellInputs((6, 3), (entry,) * len(stride))
    cell = SupernetCell(space, slot, inputs, ReferenceEngine(), PartialChannels(K)).to(DOUBLE).train(training)
    for name, tensor in cell.state_dict().items():
        if "running" in name:
            tensor.copy_(torch.rand_like(tensor) + 0.5)
    size = [5 + odd] * len(stride)
    given_inputs = [
        torch.randn(2, 6, *(entry * n for n in size), dtype=DOUBLE, requires_grad=True),
        torch.randn(2, 3, *size, dtype=DOUBLE, requires_grad=True),
    ]
    mixture = mixture_of(space, share, edges)
    found = {}
    for engine in (ReferenceEngine(), FusedEngine()):
        cell.engine = engine
        compute = lambda: cell(*given_inputs, {"normal": mixture})  # noqa: E731
        found[type(engine)] = passed(cell, compute, given_inputs, mixture)
    expected = passed(cell, lambda: naive_cell(cell, K, given_inputs, mixture), given_inputs, mixture)
    assert_close(found[ReferenceEngine], expected)
    assert_close(found[FusedEngine], expected)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), K=st.sampled_from([2, 4]), share=st.sampled_from([0.15, 1.0]))
def test_whole_supernets_on_both_engines(seed: int, K: int, share: float) -> None:
    torch.manual_seed(seed)
    space = narrow(get_space("cifar-darts").with_size(1, 4, 8 * K))
    supernet = Supernet(space, classes=3, partial_channels=K).to(DOUBLE)
    mixture = {kind: mixture_of(space.cell, share, edges=True) for kind in space.kinds}
    x = torch.randn(3, 3, 9, 9, dtype=DOUBLE)
    logits = supernet(x, mixture)
    with supernet.computed_by("fused"):
        torch.testing.assert_close(supernet(x, mixture), logits, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("engine", ["reference", "fused"])
@torch.no_grad()
def test_an_edge_with_nothing_but_none_carries_nothing(engine: str) -> None:
    space = get_space("cifar-snas").with_size(0, 4, 16)
    supernet = Supernet(space, partial_channels=2, engine=engine)
    none = space.cell.operations.index("none")
    only_none = tuple(tuple(c == none for c in range(8)) for _ in space.cell.edges)
    mixture = {kind: CellMixture(torch.ones(14, 8), only_none) for kind in space.kinds}
    assert all((y == 0).all() for y in supernet.run_cells(torch.randn(2, 3, 8, 8), mixture))


class TestDiscreteNetwork:
    @pytest.mark.parametrize("name", ["darts", "snas"])
    @pytest.mark.parametrize("K", [2, 4])
    @torch.no_grad()
    def test_logits_are_equal_to_the_bit(self, draw_genotype: Draw, name: str, K: int) -> None:
        space = narrow(get_space(f"cifar-{name}").with_size(1, 8, 32))
        shape = (len(space.cell.edges), len(space.cell.operations))
        supernet = Supernet(space, classes=6, partial_channels=K).train()
        everything = {kind: all_alive(space.cell) for kind in space.kinds}
        for _ in range(2):
            mixture = {k: CellMixture(torch.rand(shape), everything[k]) for k in space.kinds}
            supernet(3 * torch.randn(4, 3, 8, 8) + 1, mixture)
        x = torch.randn(3, 3, 7, 7)
        for seed in range(3):
            genotype = draw_genotype(space.cell, seed)
            mixture = genotype_mixture(genotype, space.cell)
            for training in (True, False):
                network = supernet.train(training).extract(genotype)
                assert torch.equal(network(x), supernet(x, mixture))

    def test_its_operations_are_narrow(self, draw_genotype: Draw) -> None:
        space = get_space("cifar-darts").with_size(1, 8, 32)
        genotype = draw_genotype(space.cell, 0)
        network = build(genotype, space.skeleton, form="search", partial_channels=4)
        first = network.cells[0]
        widths = {p.shape[0] for p in first.nodes.parameters()}
        assert widths <= {space.skeleton.width // 4}
        assert first.outputs == 32

    def test_networks_are_trained_with_all_channels(self, draw_genotype: Draw) -> None:
        space = get_space("cifar-darts")
        with pytest.raises(AutodasError, match="all channels"):
            build(draw_genotype(space.cell, 0), space.skeleton, partial_channels=4)


class TestWidths:
    @pytest.mark.parametrize(
        ("K", "cells", "C2", "smallest"), [(4, 1, 16, 32), (3, 2, 32, 24), (8, 0, 8, 32)]
    )
    def test_the_smallest_that_works_is_named(self, K: int, cells: int, C2: int, smallest: int) -> None:
        space = get_space("cifar-o2d").with_size(cells, 4, C2)
        with pytest.raises(AutodasError, match=rf"C2={C2};.* multiple of {smallest}$"):
            Supernet(space, partial_channels=K)
        Supernet(space.with_size(C2=smallest), partial_channels=K)
        for smaller in range(8, smallest, 8):
            with pytest.raises(AutodasError, match="multiple of"):
                Supernet(space.with_size(C2=smaller), partial_channels=K)

    def test_both_engines_have_the_same_parameters(self) -> None:
        space = get_space("cifar-darts").with_size(1, 4, 16)
        states = [Supernet(space, engine=e, partial_channels=2).state_dict() for e in ("reference", "fused")]
        assert {n: t.shape for n, t in states[0].items()} == {n: t.shape for n, t in states[1].items()}
        whole = Supernet(space).state_dict()
        assert list(whole) == list(states[0])  # the same names, narrower


def test_multiply_adds() -> None:
    """One candidate an edge, a separable 3x3 convolution: its cost from the formula, at both widths."""
    cell = CellSpace("test", ("sep_conv_3x3",), nodes=1)
    space = Space("test", cell, get_skeleton("cifar").with_size(0, 4, 32))
    alive = {kind: all_alive(cell) for kind in space.kinds}
    counts = [
        supernet_multiply_adds(
            space, alive, task=Classification(10), shape=InputShape(3, 8), partial_channels=partial_channels
        )
        for partial_channels in (1, 4)
    ]

    def edges(K: int) -> int:
        total = 0
        for width, side in ((16, 4), (32, 2)):  # two reduction cells; both units work on the smaller map
            narrow = width // K
            total += 2 * 2 * side**2 * (9 * narrow + narrow**2)
        return total

    assert counts[0] - counts[1] == edges(1) - edges(4)
