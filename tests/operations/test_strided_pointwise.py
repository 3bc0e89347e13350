"""Strided pointwise convolutions are computed without a stride: torch's own corrupt memory on some CPUs."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from autodas.networks import build, build_handcrafted
from autodas.operations import convolution
from autodas.spaces import get_skeleton
from autodas.zoo import load_genotype


class _Watch(TorchDispatchMode):
    """Notes the strides of all pointwise convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.strides: list[tuple[int, ...]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.convolution.default and max(args[1].shape[2:]) == 1:
            self.strides.append(tuple(args[3]))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("size", [(8, 8), (7, 8), (5, 3), (1, 2), (4, 8, 8), (3, 7, 5)])
def test_they_equal_those_of_torch(size: tuple[int, ...]) -> None:
    stride = (1, 2, 2) if len(size) == 3 else (2, 2)
    ours = convolution(6, 4, (1,) * len(size), stride).double()
    theirs: nn.Module = (nn.Conv3d if len(size) == 3 else nn.Conv2d)(6, 4, 1, stride, bias=False).double()
    theirs.load_state_dict(ours.state_dict())
    found = []
    for module in (ours, theirs):
        x = torch.randn(2, 6, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        x.requires_grad_()
        y = module(x)
        y.square().sum().backward()
        found.append((y, x.grad, module.weight.grad))
    for mine, other in zip(*found, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-12, atol=1e-12)


def networks() -> dict[str, tuple[nn.Module, tuple[int, ...]]]:
    cifar = build(load_genotype("darts_v2"), get_skeleton("cifar").with_size(1, 8, 16))
    imagenet = build(load_genotype("darts_v2"), get_skeleton("imagenet").with_size(1, 8, 16))
    return {
        "cifar": (cifar, (2, 3, 16, 16)),
        "imagenet": (imagenet, (2, 3, 64, 64)),
        "resnet50-3d": (build_handcrafted("resnet50-3d", width=0.0625), (1, 3, 4, 32, 32)),
        "xception-2d": (build_handcrafted("xception-2d", width=0.0625), (1, 3, 4, 32, 32)),
    }


@pytest.mark.parametrize("name", ["cifar", "imagenet", "resnet50-3d", "xception-2d"])
def test_no_network_asks_torch_for_one(name: str) -> None:
    network, shape = networks()[name]
    strided = [
        module
        for module in network.modules()
        if isinstance(module, nn.Conv2d | nn.Conv3d)
        and max(module.kernel_size) == 1
        and max(module.stride) > 1
    ]
    with _Watch() as watch, torch.no_grad():
        network.eval()(torch.randn(shape))
    assert strided, "the network has such layers"
    assert {max(stride) for stride in watch.strides} == {1}
