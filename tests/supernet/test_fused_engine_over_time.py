"""The fused engine against the reference engine on cells over time and space."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from autodas.networks import CellInputs
from autodas.operations import Pool, SeparableConv, SeparableUnit, register
from autodas.operations._registry import _BUILDERS
from autodas.spaces import OPERATION_SETS, CellSlot, CellSpace
from autodas.supernet import CellMixture
from autodas.supernet._cell import SupernetCell
from autodas.supernet._reference import ReferenceEngine
from autodas.supernet.fused._engine import FusedEngine

CHANNELS = 4
OWN = {
    "test_sep_3x3x3": lambda c, s, n: SeparableConv(c, (3, 3, 3), s, n.affine),
    "test_dil_3x3x3": lambda c, s, n: SeparableUnit(c, (3, 3, 3), s, 2, n.affine),
    "test_avg_3x3x3": lambda c, s, n: Pool("avg", c, (3, 3, 3), s, n.pool),
}
VIDEO = {name: OPERATION_SETS[name][1:] for name in ("o2d_video", "o3d", "oadv")}


@pytest.fixture(autouse=True, scope="module")
def _operations() -> Iterator[None]:
    for name, builder in OWN.items():
        register(name)(builder)
    yield
    for name in OWN:
        del _BUILDERS[name]


def everything(
    cell: SupernetCell, inputs: list[torch.Tensor], mixture: CellMixture
) -> dict[str, torch.Tensor]:
    before = {name: tensor.clone() for name, tensor in cell.state_dict().items()}
    out = cell(*inputs, {"normal": mixture})
    upstream = torch.randn(out.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    named = [("inputs 0", inputs[0]), ("inputs 1", inputs[1]), ("weights", mixture.weights)]
    named += list(cell.named_parameters())
    loss = (out * upstream.to(out.dtype)).sum()
    gradients = torch.autograd.grad(loss, [p for _, p in named], allow_unused=True)
    found = {"out": out.detach()}
    for (name, p), g in zip(named, gradients, strict=True):
        found[name] = torch.zeros_like(p) if g is None else g
    found |= {f"statistics {n}": t.clone() for n, t in cell.state_dict().items() if "running" in n}
    cell.load_state_dict(before)
    return found


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    names=st.sampled_from([*VIDEO.values(), (*OWN, *VIDEO["o3d"])]),
    stride=st.sampled_from([(1, 1, 1), (1, 2, 2), (2, 2, 2)]),
    entry=st.sampled_from([(1, 1, 1), (1, 2, 2), (2, 2, 2)]),
    share=st.sampled_from([0.3, 1.0]),
    # (Torch averages no volume that is smaller than the window.)
    size=st.tuples(st.integers(5, 6), st.integers(5, 8), st.integers(5, 8)),
    training=st.booleans(),
    dtype=st.sampled_from([torch.float64, torch.float32]),
)
def test_cells_over_time(
    seed: int,
    names: tuple[str, ...],
    stride: tuple[int, ...],
    entry: tuple[int, ...],
    share: float,
    size: tuple[int, ...],
    training: bool,
    dtype: torch.dtype,
) -> None:
    torch.manual_seed(seed)
    space = CellSpace("test", ("none", "skip_connect", *names), nodes=2)
    slot = CellSlot(0, "normal", CHANNELS, stride, 0)
    cell = SupernetCell(space, slot, CellInputs((6, 3), entry), ReferenceEngine()).to(dtype).train(training)
    for name, tensor in cell.state_dict().items():
        if "running" in name:
            tensor.copy_(torch.rand_like(tensor) + 0.5)
    large = tuple(length * step for length, step in zip(size, entry, strict=True))
    inputs = [
        torch.randn(2, channels, *shape, dtype=dtype, requires_grad=True)
        for channels, shape in ((6, large), (3, size))
    ]
    shape = (len(space.edges), len(space.operations))
    active = tuple(tuple(row) for row in (torch.rand(shape) < share).tolist())
    weights = torch.rand(shape, dtype=dtype, requires_grad=True)
    mixture = CellMixture(weights, active)
    # A gradient that is zero but for rounding has no size of its own to compare with.
    tolerance, floor = (1e-10, 1e-3) if dtype == torch.float64 else (2e-3, 1e-1)
    # Where a ReLU is within rounding of zero, either gradient is right: a point beside it tells.
    for _ in range(3 if dtype == torch.float32 else 1):
        cell.engine = ReferenceEngine()
        reference = everything(cell, inputs, mixture)
        cell.engine = FusedEngine()
        fused = everything(cell, inputs, mixture)
        different = [
            name
            for name, expected in reference.items()
            if (fused[name] - expected).abs().max() > tolerance * expected.abs().max().clamp_min(floor)
        ]
        if not different:
            return
        inputs = [(x + 1e-3 * torch.randn_like(x)).detach().requires_grad_() for x in inputs]
    raise AssertionError(different)


@pytest.mark.parametrize("name", VIDEO)
@pytest.mark.parametrize("stride", [(1, 1, 1), (1, 2, 2), (2, 2, 2)])
def test_no_module_is_left_to_itself(name: str, stride: tuple[int, ...]) -> None:
    """Every operation of the sets above has a fused form, also where the cell reduces its maps."""
    space = CellSpace("test", ("skip_connect", *VIDEO[name]), nodes=2)
    slot = CellSlot(0, "normal", CHANNELS, stride, 0)
    cell = SupernetCell(space, slot, CellInputs((6, 3), (1, 1, 1)), FusedEngine())
    called: list[str] = []
    for name, module in cell.named_modules():
        if isinstance(module, nn.Conv3d | nn.MaxPool3d | nn.AvgPool3d):
            module.register_forward_hook(lambda *_, name=name: called.append(name))
    shape = (len(space.edges), len(space.operations))
    mixture = CellMixture(torch.ones(shape), ((True,) * shape[1],) * shape[0])
    cell(torch.randn(2, 6, 2, 4, 4), torch.randn(2, 3, 2, 4, 4), {"normal": mixture})
    assert called == []
