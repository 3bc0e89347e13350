"""Supernets of video: engines, partial channels, checkpointing, noise, and what is extracted from them."""

from __future__ import annotations

import random
from contextlib import nullcontext

import pytest
import torch
from tests.narrow_spaces import narrow
from torch import Tensor
from torch.nn import functional as F

from autodas.errors import AutodasError
from autodas.genotype import CellGenotype, Edge, Genotype
from autodas.spaces import Space, alive_of, get_space
from autodas.supernet import (
    CellMixture,
    Noise,
    Supernet,
    frozen_statistics,
    genotype_mixture,
    mixture_of,
)

pytestmark = pytest.mark.slow

NAMES = ["o2d_video", "o3d", "oadv"]


def small(name: str) -> Space:
    return narrow(get_space(f"video-{name}").with_size(K=1, C1=4, C2=16))


def random_mixture(space: Space, share: float, noise: Noise) -> tuple[dict[str, CellMixture], list[Tensor]]:
    shape = (len(space.cell.edges), len(space.cell.operations))
    mixture, leaves = {}, []
    for kind in space.kinds:
        active = tuple(tuple(row) for row in (torch.rand(shape) < share).tolist())
        own = [torch.rand(size, dtype=torch.float64, requires_grad=True) for size in (shape, shape[:1])]
        mixture[kind] = CellMixture(own[0], active, own[1], noise)
        leaves += own
    return mixture, leaves


def everything(
    supernet: Supernet, engine: str, clips: Tensor, mixture: dict[str, CellMixture], leaves: list[Tensor]
) -> dict[str, Tensor]:
    """Return logits, gradients and statistics after one pass of an engine."""
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    with supernet.computed_by(engine):
        torch.manual_seed(7)
        logits = supernet(clips, mixture)
        named = [(f"mixture {i}", leaf) for i, leaf in enumerate(leaves)] + list(supernet.named_parameters())
        loss = F.cross_entropy(logits, torch.arange(len(clips)))
        gradients = torch.autograd.grad(loss, [p for _, p in named], allow_unused=True)
    found = {"logits": logits.detach()}
    for (name, p), g in zip(named, gradients, strict=True):
        found[f"gradient of {name}"] = torch.zeros_like(p) if g is None else g
    found |= {f"statistics {n}": t.clone() for n, t in supernet.state_dict().items() if "running" in n}
    supernet.load_state_dict(before)
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("share", "training", "partial_channels", "noise", "frozen"),
    [
        (1.0, True, 1, Noise(), False),
        (0.4, True, 1, Noise(0.3, 0.2), False),
        (0.6, True, 2, Noise(0.0, 0.2), False),
        (0.6, False, 2, Noise(), False),
        (0.5, True, 1, Noise(), True),
        (0.15, False, 1, Noise(), False),
    ],
)
def test_both_engines(
    name: str, share: float, training: bool, partial_channels: int, noise: Noise, frozen: bool
) -> None:
    torch.manual_seed(3)
    space = small(name)
    supernet = Supernet(space, channels=2, classes=3, partial_channels=partial_channels).double()
    supernet.train(training)
    for key, tensor in supernet.state_dict().items():
        if "running" in key:
            tensor.copy_(torch.rand_like(tensor) + 0.5)
    mixture, leaves = random_mixture(space, share, noise)
    clips = torch.randn(3, 2, 5, 10, 8, dtype=torch.float64)
    with frozen_statistics(supernet) if frozen else nullcontext():
        found = [everything(supernet, engine, clips, mixture, leaves) for engine in ("reference", "fused")]
    # A gradient that is zero but for rounding has no size of its own to compare with.
    scale = max(t.abs().max().item() for key, t in found[0].items() if key.startswith("gradient"))
    for key, expected in found[0].items():
        floor = 1e-4 * scale if key.startswith("gradient") else 1e-12
        assert (found[1][key] - expected).abs().max() <= 1e-10 * max(expected.abs().max().item(), floor), key


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_checkpointed_cells_give_the_same_bits(engine: str) -> None:
    found = []
    for checkpoint in (False, True):
        torch.manual_seed(0)
        space = small("oadv")
        supernet = Supernet(space, classes=3, checkpoint=checkpoint).double()
        mixture, leaves = random_mixture(space, 0.7, Noise(0.2, 0.2))
        clips = torch.randn(3, 3, 8, 16, 16, dtype=torch.float64)
        found.append(everything(supernet, engine, clips, mixture, leaves))
    for key, expected in found[0].items():
        assert torch.equal(found[1][key], expected), key


def test_gradients_of_gradients_are_refused() -> None:
    space = small("oadv")
    mixture, leaves = random_mixture(space, 1.0, Noise())
    supernet = Supernet(space, engine="fused").double()
    loss = supernet(torch.randn(2, 3, 8, 16, 16, dtype=torch.float64), mixture).square().sum()
    with pytest.raises(AutodasError, match="reference engine"):
        torch.autograd.grad(loss, leaves, create_graph=True, allow_unused=True)


@pytest.mark.parametrize("name", NAMES)
def test_the_extracted_network_gives_the_same_bits(name: str) -> None:
    torch.manual_seed(0)
    space, rng = small(name), random.Random(0)
    cells = {}
    for kind in space.kinds:
        nodes = [
            tuple(Edge(rng.choice(space.cell.operations), p) for p in rng.sample(range(state), 2))
            for state in space.cell.states
        ]
        cells[kind] = CellGenotype(tuple(nodes), space.cell.concat)
    genotype = Genotype(cells, "random", name)
    supernet = Supernet(space, classes=3)
    clips = torch.randn(2, 3, 8, 16, 16)
    supernet.train()(clips, genotype_mixture(genotype, space.cell))  # moves the running statistics
    supernet.prune({kind: alive_of(cell, space.cell) for kind, cell in cells.items()})
    supernet.eval()
    mixture = mixture_of({kind: alive_of(cell, space.cell) for kind, cell in cells.items()})
    assert torch.equal(supernet.extract(genotype)(clips), supernet(clips, mixture))


def test_operations_of_images_are_refused() -> None:
    video, image = get_space("video-oadv"), get_space("cifar-o2d")
    with pytest.raises(AutodasError, match="'max_pool_3x3' is for images, not for video"):
        Supernet(Space("mixed", image.cell, video.skeleton))
