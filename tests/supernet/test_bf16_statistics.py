"""Under bf16 autocast statistics stay those of single precision, to a hundredth."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from autodas.spaces import get_space
from autodas.supernet import CellMixture, Supernet, all_alive


def statistics(engine: str, K: int, momentum: float, reduced: bool) -> dict[str, Tensor]:
    """Running statistics after one pass in training mode."""
    space = get_space("cifar-o2d").with_size(K=K, C1=8, C2=16)
    torch.manual_seed(0)
    supernet = Supernet(space, classes=4, channels=3, engine=engine).train()
    for module in supernet.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = momentum
    mixture = {kind: CellMixture(torch.full((14, 7), 1 / 7), all_alive(space.cell)) for kind in space.kinds}
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
    assert len(checked) > 100
    for name in checked:
        assert found[name].dtype == torch.float32, name
        # Of each tensor's largest entry; a mean beside the spread that is divided by.
        scale = exact[name].abs().max()
        if name.endswith("mean"):
            scale = torch.maximum(scale, exact[name.replace("mean", "var")].max().sqrt())
        assert (found[name] - exact[name]).abs().max() <= 1e-2 * scale, name
    assert any(not torch.equal(found[name], exact[name]) for name in checked), "something is in bf16"
