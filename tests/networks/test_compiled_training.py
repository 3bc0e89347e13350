"""Training with compiled separable units: the same network, the same numbers but for rounding."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autodas.genotype import CellGenotype, Edge, Genotype
from autodas.kernels import compiled_library
from autodas.networks import Network, build
from autodas.operations import TRAIN_NORMS, Separable3dUnit, SeparableUnit
from autodas.operations import build as build_operation
from autodas.spaces import get_skeleton

CELL = CellGenotype(
    (
        (Edge("sep_conv_3x3", 0), Edge("dil_conv_5x5", 1)),
        (Edge("sep_conv_5x5", 1), Edge("dil_conv_3x3", 2)),
    ),
    (2, 3),
)
GENOTYPE = Genotype({"normal": CELL, "reduction": CELL})


def network(compiled: bool) -> Network:
    torch.manual_seed(0)
    made = build(GENOTYPE, get_skeleton("cifar").with_size(1, 6, 24), channels=3)
    made.use_compiled_kernels(compiled)
    return made


def step(net: nn.Module, size: int) -> dict[str, Tensor]:
    """Logits, gradients and statistics of one pass."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(4, 3, size, size, generator=generator).to(memory_format=torch.channels_last)
    images.requires_grad_()
    logits = net.train()(images)
    F.cross_entropy(logits, torch.arange(4)).backward()
    found = {"logits": logits.detach(), "images": images.grad}
    found |= {f"gradient of {n}": p.grad for n, p in net.named_parameters() if p.grad is not None}
    return found | {n: b.clone() for n, b in net.named_buffers()}


@pytest.mark.slow
@pytest.mark.parametrize("size", [16, 13])
def test_one_step(size: int) -> None:
    expected, found = step(network(False), size), step(network(True), size)
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        largest = float(tensor.abs().max())
        assert torch.allclose(found[name], tensor, rtol=1e-3, atol=1e-3 * largest), name


@pytest.mark.parametrize("stride", [(1, 1), (2, 2)])
@pytest.mark.parametrize("channels", [8, 7])  # odd numbers have no compiled form
@pytest.mark.parametrize(("window", "dilation"), [(3, 1), (5, 1), (3, 2), (5, 2)])
def test_a_unit_closely(window: int, dilation: int, channels: int, stride: tuple[int, int]) -> None:
    torch.manual_seed(0)
    unit = SeparableUnit(channels, (window, window), stride, dilation, affine=True)
    x = torch.randn(3, channels, 11, 9).to(memory_format=torch.channels_last).requires_grad_()
    results = []
    for compiled in (False, True):
        unit.compiled = compiled
        y = unit(x)
        results.append([y, *torch.autograd.grad(y.square().sum() + y[..., 1].sum(), [x, *unit.parameters()])])
    for expected, found in zip(*results, strict=True):
        assert (found - expected).abs().max() <= 2e-5 * expected.abs().max()


@pytest.mark.parametrize("stride", [(1, 1, 1), (1, 2, 2), (2, 2, 2)])
@pytest.mark.parametrize("name", ["sep_conv_1x5x5", "dil_conv_1x3x3", "sep3d_conv_3x5x5", "dil3d_conv_3x3x3"])
def test_units_of_clips_closely(name: str, stride: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    operation = build_operation(name, 8, stride, TRAIN_NORMS)
    x = torch.randn(3, 8, 4, 7, 6).to(memory_format=torch.channels_last_3d).requires_grad_()
    results = []
    for compiled in (False, True):
        for module in operation.modules():
            if isinstance(module, SeparableUnit | Separable3dUnit):
                module.compiled = compiled
        y = operation(x)
        assert ("UnitFunctionBackward" in _functions(y)) == (compiled and compiled_library() is not None)
        leaves = [x, *operation.parameters()]
        results.append([y, *torch.autograd.grad(y.square().sum() + y[..., 1].sum(), leaves)])
    for expected, found in zip(*results, strict=True):
        assert (found - expected).abs().max() <= 5e-5 * expected.abs().max()


@pytest.mark.slow
@pytest.mark.skipif(compiled_library() is None, reason="no compiler here")
def test_it_is_used_and_only_while_training() -> None:
    x = torch.randn(2, 3, 16, 16)
    assert "UnitFunctionBackward" in _functions(network(True).train()(x))
    # Evaluation gives the same bits as without; and so do maps that are no case for the kernels.
    assert torch.equal(network(True).eval()(x), network(False).eval()(x))
    double, other = network(True).double().train(), network(False).double().train()
    assert torch.equal(double(x.double()), other(x.double()))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(network(True).train()(x), network(False).train()(x))
    assert "UnitFunctionBackward" not in _functions(network(False).train()(x))


@pytest.mark.slow
@pytest.mark.usefixtures("plain_kernels")
def test_without_a_compiler_nothing_changes() -> None:
    expected, found = step(network(False), 16), step(network(True), 16)
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_state_is_the_same() -> None:
    assert list(network(True).state_dict()) == list(network(False).state_dict())


def _functions(y: Tensor) -> set[str]:
    seen, names, todo = set(), set(), [y.grad_fn]
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        names.add(node.name())
        todo += [parent for parent, _ in node.next_functions]
    return names


def test_on_a_gpu_units_take_our_kernels_if_these_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """In single precision; libraries have fast convolutions in bf16."""
    from autodas.kernels import GpuKernels, _gpu
    from autodas.operations import _unit_function

    class OnGpu(torch.Tensor):
        device = torch.device("cuda:0")

    x = torch.zeros(1).as_subclass(OnGpu)
    for module in (_gpu, None):
        monkeypatch.setattr(_unit_function, "gpu_kernels", lambda device, m=module: GpuKernels(m, "triton"))
        assert _unit_function.has_compiled_form(x) == (module is not None)
    monkeypatch.setattr(_unit_function, "gpu_kernels", lambda device: GpuKernels(_gpu, "triton"))
    assert not _unit_function.has_compiled_form(x.bfloat16())
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda kind: kind == "cuda")
    assert not _unit_function.has_compiled_form(x)
