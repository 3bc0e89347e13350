"""Under bf16 autocast statistics stay those of single precision, to a hundredth."""

from __future__ import annotations

import pytest
import torch
from tests.narrow_spaces import narrow
from torch import Tensor

from autodas.spaces import all_alive, get_space
from autodas.supernet import CellMixture, Supernet

pytestmark = pytest.mark.slow


def statistics(engine: str, K: int, momentum: float, reduced: bool) -> dict[str, Tensor]:
    """Running statistics after one pass in training mode."""
    space = narrow(get_space("cifar-o2d").with_size(K=K, C1=8, C2=16))
    torch.manual_seed(0)
    supernet = Supernet(space, classes=4, channels=3, engine=engine).train()
    for module in supernet.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = momentum
    mixture = {kind: CellMixture(torch.full((5, 7), 1 / 7), all_alive(space.cell)) for kind in space.kinds}
    # A mean far from zero beside the spread is what costs digits.
    images = 0.5 * torch.randn(32, 3, 16, 16) + 1.5
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=reduced):
        supernet(images, mixture)
    return {name: b.clone() for name, b in supernet.named_buffers() if "running" in name}


@pytest.mark.parametrize("engine", ["reference", "fused"])
@pytest.mark.parametrize(
    ("K", "momentum", "part"),
    [
        pytest.param(1, 0.1, "", id="running statistics of five cells"),
        pytest.param(0, 1.0, "cells.0.", id="moments of a batch in the first cell"),
    ],
)
def test_statistics(engine: str, K: int, momentum: float, part: str) -> None:
    exact, found = (statistics(engine, K, momentum, reduced) for reduced in (False, True))
    checked = [name for name in exact if name.startswith(part)]
    assert len(checked) > 50
    for name in checked:
        assert found[name].dtype == torch.float32, name
        # Of each tensor's largest entry; a mean beside the spread that is divided by.
        scale = exact[name].abs().max()
        if name.endswith("mean"):
            scale = torch.maximum(scale, exact[name.replace("mean", "var")].max().sqrt())
        assert (found[name] - exact[name]).abs().max() <= 1e-2 * scale, name
    assert any(not torch.equal(found[name], exact[name]) for name in checked), "something is in bf16"


def test_fused_cells_in_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the fused engine does under autocast on a GPU, done on the CPU: maps and products in bf16."""
    space = narrow(get_space("cifar-o2d").with_size(K=0, C1=8, C2=32))
    torch.manual_seed(0)
    supernet = Supernet(space, classes=4, channels=3, engine="fused").train()
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    weights = {kind: torch.full((5, 7), 1 / 7, requires_grad=True) for kind in space.kinds}
    mixture = {kind: CellMixture(weights[kind], all_alive(space.cell)) for kind in space.kinds}
    images, labels = torch.randn(64, 3, 16, 16), torch.arange(64) % 4
    named = {**weights, **dict(supernet.named_parameters())}
    passes = []
    for dtype in (torch.float32, torch.bfloat16):
        working = "autodas.supernet.fused._engine.working_dtype"
        monkeypatch.setattr(working, lambda x, single, dtype=dtype: dtype)
        supernet.load_state_dict(before)
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            logits = supernet(images, mixture).float()
        loss = torch.nn.functional.cross_entropy(logits, labels)
        gradients = torch.autograd.grad(loss, list(named.values()))
        running = {n: b.clone() for n, b in supernet.named_buffers() if "running" in n}
        passes.append((loss, dict(zip(named, gradients, strict=True)), running))
    (exact_loss, exact, exact_running), (loss, found, found_running) = passes
    assert loss != exact_loss
    assert loss.item() == pytest.approx(exact_loss.item(), rel=2e-2)
    for name, tensor in exact_running.items():
        assert found_running[name].dtype == torch.float32
        scale = tensor.abs().max()
        if name.endswith("mean"):
            scale = torch.maximum(scale, exact_running[name.replace("mean", "var")].max().sqrt())
        assert (found_running[name] - tensor).abs().max() <= 1e-2 * scale, name
    assert {gradient.dtype for gradient in found.values()} == {torch.float32}
    # Single entries of gradients are noise in bf16; their direction is not.
    flat = [torch.cat([g[name].flatten() for name in exact]) for g in (exact, found)]
    assert torch.cosine_similarity(*flat, dim=0) > 0.99
