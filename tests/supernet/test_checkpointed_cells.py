"""Cells that are computed again in the backward pass: nothing shows it but the memory."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from typing import Any, ClassVar

import pytest
import torch
from tests.narrow_spaces import narrow
from torch import Tensor, nn
from torch.nn import functional as F

from autodas.operations import register
from autodas.operations._registry import _BUILDERS
from autodas.spaces import CellSpace, Space, all_alive, get_skeleton, get_space
from autodas.supernet import CellMixture, Noise, Supernet, frozen_statistics, norms_of
from autodas.supernet._checkpoint import _Repetition

pytestmark = pytest.mark.slow

SPACE = narrow(get_space("cifar-darts").with_size(1, 4, 16))
SHAPE = (len(SPACE.cell.edges), len(SPACE.cell.operations))
NOISY = {"noise": Noise(skip_dropout=0.4, drop_path=0.3)}


def passed(
    space: Space,
    engine: str,
    checkpoint: bool,
    *,
    architecture: bool = False,
    bf16: bool = False,
    partial_channels: int = 1,
    second: bool = False,
    noise: Noise | None = None,
) -> dict[str, Tensor]:
    """Return loss, gradients and the whole state after a weight step's or an architecture step's pass."""
    torch.manual_seed(0)
    supernet = Supernet(
        space, classes=4, engine=engine, partial_channels=partial_channels, checkpoint=checkpoint
    ).train()
    shape = (len(space.cell.edges), len(space.cell.operations))
    mixture = {
        kind: CellMixture(
            torch.rand(shape, requires_grad=True),
            all_alive(space.cell),
            torch.rand(shape[0], requires_grad=True),
            noise or Noise(),
        )
        for kind in space.kinds
    }
    leaves = [t for m in mixture.values() for t in (m.weights, m.edges)]
    wanted = list(leaves) if architecture else [*leaves, *supernet.parameters()]
    for weight in supernet.parameters():
        weight.requires_grad_(not architecture)
    x, labels = torch.randn(4, 3, 9, 9), torch.randint(4, (4,))
    reduced = torch.autocast("cpu", torch.bfloat16) if bf16 else nullcontext()
    frozen = frozen_statistics(supernet) if architecture else nullcontext()
    with reduced, frozen:
        logits = supernet(x, mixture).float()
    loss = F.cross_entropy(logits, labels)
    gradients = torch.autograd.grad(loss, wanted, allow_unused=True, create_graph=second)
    if second:
        product = torch.stack([g.square().sum() for g in gradients if g is not None]).sum()
        gradients = torch.autograd.grad(product, leaves, allow_unused=True)
    found = {f"gradient {i}": g for i, g in enumerate(gradients) if g is not None}
    after = torch.rand(())  # the random numbers that come next
    return {"loss": loss.detach(), "random": after, **found, **supernet.state_dict()}


def assert_same(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(second[name], tensor), name


@pytest.mark.parametrize("engine", ["reference", "fused"])
@pytest.mark.parametrize("architecture", [False, True], ids=["weights", "architecture"])
@pytest.mark.parametrize("options", [{}, {"bf16": True}, {"partial_channels": 2}, NOISY], ids=str)
def test_equal_to_the_bit(engine: str, architecture: bool, options: dict) -> None:
    plain = passed(SPACE, engine, False, architecture=architecture, **options)
    assert_same(plain, passed(SPACE, engine, True, architecture=architecture, **options))
    moved = [name for name in plain if "running_mean" in name and plain[name].any()]
    assert len(moved) == (0 if architecture else sum("running_mean" in name for name in plain))


def test_gradients_of_gradients() -> None:
    assert_same(passed(SPACE, "reference", False, second=True), passed(SPACE, "reference", True, second=True))


class _Counted(nn.Module):
    """Drops values, and counts its passes in a buffer and where nothing undoes it."""

    passes: ClassVar[Counter[str]] = Counter()

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)  # with a count of batches, unlike those of supernets
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.passes.update(["forward"])
        self.seen += 1
        return self.norm(F.dropout(x, 0.5, self.training))


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_repetitions_draw_the_same_masks_and_write_nothing(engine: str) -> None:
    @register("test_counted")
    def build(channels: int, stride: tuple[int, ...], norms: object) -> nn.Module:
        return nn.Sequential(nn.MaxPool2d(1, stride), _Counted(channels))

    try:
        space = Space(
            "test",
            CellSpace("test", ("test_counted", "sep_conv_3x3"), nodes=1),
            get_skeleton("cifar").with_size(0, 4, 8),
        )
        plain = passed(space, engine, False)
        _Counted.passes.clear()
        again = passed(space, engine, True)
        # Two cells with two edges each, computed twice (the repetition may stop when it has all it needs).
        assert 4 < _Counted.passes["forward"] <= 8
        assert_same(plain, again)
        assert {float(t) for name, t in again.items() if "seen" in name or "num_batches" in name} == {1.0}
    finally:
        del _BUILDERS["test_counted"]


def test_running_statistics_are_neither_copied_nor_followed_in_a_repetition() -> None:
    """A supernet has a thousand of them, and on a GPU each copy is a launch."""
    cell = Supernet(SPACE, checkpoint=True).relaxed_cells()[0].train()
    before = {name: (buffer, buffer.clone()) for name, buffer in cell.named_buffers()}
    momenta = [norm.momentum for norm in norms_of(cell)]
    with _Repetition(cell):
        for norm in norms_of(cell):
            norm(torch.randn(2, norm.num_features, 4, 4))
        assert all(buffer is before[name][0] for name, buffer in cell.named_buffers())
    assert all(torch.equal(buffer, before[name][1]) for name, buffer in cell.named_buffers())
    assert [norm.momentum for norm in norms_of(cell)] == momenta != []


def test_repetitions_elsewhere_leave_the_memory_of_the_host_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from autodas.supernet import _checkpoint

    trimmed: list[int] = []
    monkeypatch.setattr(_checkpoint, "_malloc_trim", lambda: trimmed.append)
    with _Repetition(nn.Linear(2, 2)):
        assert trimmed == [0]
    with _Repetition(nn.Linear(2, 2, device="meta")):
        assert trimmed == [0]


@pytest.mark.parametrize("noise", [Noise(), Noise(drop_path=0.3)])
def test_generators_are_read_only_where_numbers_are_drawn(
    noise: Noise, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading their state makes recording an iteration impossible with some versions of torch."""
    asked: list[bool] = []

    def checkpoint(compute: Any, *inputs: Any, preserve_rng_state: bool, **more: Any) -> Tensor:
        asked.append(preserve_rng_state)
        return compute(*inputs)

    monkeypatch.setattr("autodas.supernet._checkpoint.checkpoint", checkpoint)
    mixture = {
        kind: CellMixture(torch.rand(SHAPE), all_alive(SPACE.cell), noise=noise) for kind in SPACE.kinds
    }
    Supernet(SPACE, checkpoint=True)(torch.randn(2, 3, 8, 8), mixture)
    assert set(asked) == {bool(noise)}


@pytest.mark.parametrize("engine", ["reference", "fused"])
def test_only_the_inputs_of_cells_are_kept(engine: str) -> None:
    kept = {}
    for checkpoint in (False, True):
        supernet = Supernet(SPACE, engine=engine, checkpoint=checkpoint)
        mixture = {
            kind: CellMixture(torch.rand(SHAPE, requires_grad=True), all_alive(SPACE.cell))
            for kind in SPACE.kinds
        }
        inside: list[int] = []

        def pack(tensor: Tensor, inside: list[int] = inside) -> Tensor:
            inside.append(tensor.untyped_storage().nbytes())
            return tensor

        features = supernet.stem(torch.randn(8, 3, 16, 16))
        cell = supernet.relaxed_cells()[0]
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            cell(*features, mixture)
        kept[checkpoint] = sum(inside)
    assert kept[False] > 8 * features[0].nbytes
    assert kept[True] == sum(x.nbytes for x in features)


def test_no_repetition_without_a_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    from autodas.supernet import _cell

    monkeypatch.delattr(_cell, "computed_twice")
    supernet = Supernet(SPACE, checkpoint=True)
    mixture = {kind: CellMixture(torch.rand(SHAPE), all_alive(SPACE.cell)) for kind in SPACE.kinds}
    with torch.no_grad():
        assert supernet(torch.randn(2, 3, 8, 8), mixture).shape == (2, 10)
