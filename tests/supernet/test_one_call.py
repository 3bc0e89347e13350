"""A state's candidates and projections in one call of the compiled kernels: the bits of those one by one."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from autodas.kernels import StateKernel, compiled_library, has_projection
from autodas.kernels._state import _State, _Units
from autodas.networks import CellInputs
from autodas.operations import FactorizedReduce, ReLUConvNorm
from autodas.spaces import OPERATION_SETS, CellSlot, CellSpace
from autodas.supernet import CellMixture
from autodas.supernet._cell import SupernetCell
from autodas.supernet.fused._engine import FusedEngine
from autodas.supernet.fused._entry import EntryFunction, entry_weights
from autodas.supernet.fused._plan import Plan

CLIPS = ("o2d_video", "o3d", "oadv")
OPERATIONS = {name: OPERATION_SETS[name] for name in ("o2d", "nasbench201", *CLIPS)}


pytestmark = pytest.mark.skipif(compiled_library() is None, reason="no C compiler")


def everything(cell: SupernetCell, inputs: list[Tensor], mixture: CellMixture) -> list[Tensor]:
    """Output, all gradients, and all statistics afterwards."""
    before = {name: tensor.clone() for name, tensor in cell.state_dict().items()}
    out = cell(*inputs, {"normal": mixture})
    assume(out.requires_grad)  # not if nothing is active
    upstream = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
    over = [*inputs, mixture.weights, *(p for p in cell.parameters() if p.requires_grad)]
    gradients = torch.autograd.grad(out, over, upstream, allow_unused=True)
    found = [out.detach(), *(torch.zeros(()) if g is None else g for g in gradients)]
    found += [tensor.clone() for name, tensor in cell.state_dict().items() if "running" in name]
    cell.load_state_dict(before)
    return found


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    name=st.sampled_from(sorted(OPERATIONS)),
    stride=st.sampled_from([1, 2]),
    in_time=st.sampled_from([1, 2]),
    share=st.sampled_from([0.1, 0.4, 1.0]),
    size=st.tuples(st.integers(3, 5), st.integers(3, 9), st.integers(3, 9)),
    channels=st.sampled_from([4, 12, 16, 36]),
    training=st.booleans(),
    weights_wanted=st.booleans(),
    threads=st.sampled_from([1, 2]),
)
def test_same_bits(
    seed: int,
    name: str,
    stride: int,
    in_time: int,
    share: float,
    size: tuple[int, int, int],
    channels: int,
    training: bool,
    weights_wanted: bool,
    threads: int,
) -> None:
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    space = CellSpace(name, OPERATIONS[name], nodes=2)
    clips = name in CLIPS
    steps = ((in_time,) if clips else ()) + (1 if name == "nasbench201" else stride,) * 2
    slot = CellSlot(0, "normal", channels, steps, 0)
    inputs_of_cell = CellInputs((channels, channels), (1,) * len(steps))
    cell = SupernetCell(space, slot, inputs_of_cell, FusedEngine()).train(training)
    cell.requires_grad_(weights_wanted)
    shape = (len(space.edges), len(space.operations))
    active = tuple(tuple(row) for row in (torch.rand(shape) < share).tolist())
    mixture = CellMixture(torch.rand(shape, requires_grad=True), active)
    inputs = [torch.randn(2, channels, *size[not clips :], requires_grad=True) for _ in range(2)]
    kernels: list[StateKernel | None] = []
    own = Plan.kernel

    def counted(plan: Plan, x: Tensor, parameters: Sequence[Tensor]) -> StateKernel | None:
        kernels.append(own(plan, x, parameters))
        return kernels[-1]

    before, results = torch.get_num_threads(), []
    torch.set_num_threads(threads)
    for kernel in (counted, lambda *_: None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Plan, "kernel", kernel)
            results.append(everything(cell, inputs, mixture))
    torch.set_num_threads(before)
    # Frames left out by strided pointwise convolutions, and odd halves of channels, have no such form.
    assert in_time > 1 or None not in kernels
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("reduces", [False, True])
@pytest.mark.parametrize("stride", [(2, 2), (1, 2, 2), (2, 2, 2)])
@pytest.mark.parametrize("size", [(5, 6), (8, 8)])
@pytest.mark.parametrize("training", [False, True])
def test_projections(reduces: bool, stride: tuple[int, ...], size: tuple[int, int], training: bool) -> None:
    if reduces:
        module: nn.Module = FactorizedReduce(6, 12, stride, affine=False)
    else:
        module, stride = ReLUConvNorm(6, 12, len(stride), affine=False), (1,) * len(stride)
    module.train(training)
    x = torch.randn(3, *(4,) * (len(stride) - 2), *size, 6, requires_grad=True)
    weights, results, called = entry_weights(module), [], []
    for known in (has_projection, lambda *_: False):

        def counted(*given: Any, known: Callable[..., bool] = known) -> bool:
            called.append(known(*given))
            return called[-1]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("autodas.supernet.fused._entry.has_projection", counted)
            before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
            out = EntryFunction.apply(module.norm, stride, x, *weights)  # type: ignore[no-untyped-call]
            gradients = torch.autograd.grad(out, [x, *weights], torch.ones_like(out).cumsum(-1))
            results.append([out, *gradients, *(t.clone() for t in module.state_dict().values())])
            module.load_state_dict(before)
    # Frames that are left out are picked before.
    assert called == [stride[0] == 1 or len(stride) == 2] * 2 + [False] * 2
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


def test_structures_are_those_of_the_source() -> None:
    text = re.sub(r"/\*.*?\*/", "", (files("autodas.kernels") / "state.h").read_text(), flags=re.DOTALL)
    for structure, name in ((_Units, "Units"), (_State, "State")):
        body = re.search(rf"typedef struct {{([^}}]*)}} {name};", text)
        assert body is not None
        declared: list[tuple[str, type]] = []
        for line in filter(None, (line.strip() for line in body[1].split(";"))):
            kind, names = re.fullmatch(r"(const int|long|Units) (.*)", line, flags=re.DOTALL).groups()  # type: ignore[union-attr]
            types = {"const int": ctypes.c_void_p, "long": ctypes.c_long, "Units": _Units}
            declared += [(each.strip(" *\n"), types[kind]) for each in names.split(",")]
        assert declared == list(structure._fields_)
