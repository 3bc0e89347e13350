"""The architecture gradient through a step of the weights, against what defines it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

import autodas
from autodas.data import Batch
from autodas.loop import Compute, finished
from autodas.loop.tasks import Classification
from autodas.search import _unrolled as unrolled_module
from autodas.search._phase import PhaseRun, Samples
from autodas.search._unrolled import VirtualStep, exact_gradient, finite_gradient
from autodas.settings import OptimSettings
from autodas.spaces import CellSpace, Space, get_skeleton
from autodas.strategies import choose_strategy, load_strategy
from autodas.strategies.base import SearchPlan
from autodas.supernet import Supernet, frozen_statistics

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("double")]

RATE, MOMENTUM, DECAY = 0.3, 0.9, 0.1


class TestTwoParameters:
    r"""One weight w, one architecture parameter a; all by hand.

    .. math:: L_{train} = (w a - 1)^2, \quad L_{valid} = (w - 2)^2 + a w^2
    """

    w, a, v = 0.7, 1.3, 0.25

    def by_hand(self) -> float:
        w, a = self.w, self.a
        moved = w - RATE * (MOMENTUM * self.v + 2 * a * (w * a - 1) + DECAY * w)
        # d moved / d a, of the gradient 2 a (w a - 1) of the training loss.
        through = -RATE * (2 * (w * a - 1) + 2 * a * w)
        return moved**2 + (2 * (moved - 2) + 2 * a * moved) * through

    def test_exact(self) -> None:
        w, a = (torch.tensor(x, requires_grad=True) for x in (self.w, self.a))
        step = VirtualStep(RATE, MOMENTUM, DECAY, [torch.tensor(self.v)])
        (found,) = exact_gradient(
            lambda weights: (weights["w"] * a - 1) ** 2,
            lambda weights: (weights["w"] - 2) ** 2 + a * weights["w"] ** 2,
            {"w": w},
            [a],
            step,
        )
        assert float(found) == pytest.approx(self.by_hand(), rel=1e-12)
        first_order = self.w**2
        assert abs(float(found) - first_order) > 0.3

    def test_finite(self) -> None:
        w, a = (torch.tensor(x, requires_grad=True) for x in (self.w, self.a))
        step = VirtualStep(RATE, MOMENTUM, DECAY, [torch.tensor(self.v)])
        seen = []

        def gradient(loss: Any) -> Any:
            def at(inputs: Sequence[Tensor]) -> Sequence[Tensor | None]:
                seen.append(float(w.detach()))
                return torch.autograd.grad(loss(), list(inputs), allow_unused=True)

            return at

        (found,) = finite_gradient(
            gradient(lambda: (w * a - 1) ** 2),
            gradient(lambda: (w - 2) ** 2 + a * w**2),
            [w],
            [a],
            step,
        )
        assert float(found) == pytest.approx(self.by_hand(), rel=1e-3)
        assert float(w.detach()) == self.w
        # At w, at the virtual w, and 0.01 away on both sides, as the gradient has one entry.
        moved = self.w - RATE * (MOMENTUM * self.v + 2 * self.a * (self.w * self.a - 1) + DECAY * self.w)
        towards = 1 if 2 * (moved - 2) + 2 * self.a * moved > 0 else -1
        expected = [self.w, moved, self.w + 0.01 * towards, self.w - 0.01 * towards]
        assert seen == pytest.approx(expected, abs=1e-12)


def test_weights_are_moved_together(tape: Any) -> None:
    """On a GPU each operation on one of a thousand weights would be a launch."""
    a = torch.tensor(1.3, requires_grad=True)

    def operations(count: int) -> int:
        weights = [torch.full((2,), 0.1 * n, requires_grad=True) for n in range(1, count + 1)]
        step = VirtualStep(RATE, MOMENTUM, DECAY, [torch.zeros(2) for _ in weights])

        def gradient(inputs: Sequence[Tensor]) -> Sequence[Tensor | None]:
            return [torch.ones_like(x) for x in inputs]

        with tape() as noted:
            finite_gradient(gradient, gradient, weights, [a], step)
        # But for copies of the weights, and the gradients of this test.
        names = (str(function) for function, *_ in noted.operations)
        return sum(not name.startswith(("aten.clone", "aten.ones_like", "aten.detach")) for name in names)

    assert operations(3) == operations(30)


OPERATIONS = ("none", "skip_connect", "avg_pool_3x3", "sep_conv_3x3")
OPTIM = OptimSettings(lr=0.05, weight_decay=0.01)


def batch(seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(6, 1, 8, 8, generator=generator)
    return Batch(images, torch.randint(0, 3, (6,), generator=generator), torch.arange(6))


def start(unrolled: str, engine: str, micro_batches: int = 1, smoothing: float = 0.0) -> PhaseRun:
    cell = CellSpace("two-nodes", OPERATIONS, nodes=2)
    space = Space("cifar-two-nodes", cell, get_skeleton("cifar").with_size(0, 8, 16))
    choice = choose_strategy("das2", unrolled=unrolled, initial_std=0.5)
    strategy = load_strategy("das2")(choice.settings, SearchPlan(space, 6, 0, lambda alive: 1))
    phase = strategy.start(0, "cpu")
    torch.manual_seed(0)
    supernet = Supernet(space, classes=3, channels=1, engine=engine)
    compute = Compute(micro_batches=micro_batches)
    task = Classification(3, smoothing)
    run = PhaseRun(phase, 0, strategy, supernet, task, OPTIM, 3, compute)
    run.step(batch(5), batch(6))  # so that there is momentum
    return run


def architecture_gradient(run: PhaseRun, valid: Batch, train: Batch) -> dict[str, Tensor]:
    assert run.architecture_optimiser is not None
    run.architecture_optimiser.step = lambda: None  # type: ignore[method-assign]
    finished(run._architecture_step(Samples(valid.images, valid.labels), Samples(train.images, train.labels)))
    return {name: p.grad.clone() for name, p in run.strategy.parameters().items() if p.grad is not None}


def unrolled_loss(run: PhaseRun, valid: Batch, train: Batch) -> float:
    """The validation loss after one step of SGD on the training loss, by its definition."""
    mixture = {kind: cell.detach() for kind, cell in run.strategy.mixture().items()}
    names, weights = zip(*run.supernet.named_parameters(), strict=True)

    def loss(values: Mapping[str, Tensor], pictures: Batch, smoothing: float = 0.0) -> Tensor:
        with frozen_statistics(run.supernet):
            logits = functional_call(run.supernet, dict(values), (pictures.images, mixture))
        return F.cross_entropy(logits, pictures.labels, label_smoothing=smoothing)

    smoothing = run.task.label_smoothing  # of the steps of the weights only
    gradients = torch.autograd.grad(loss(dict(zip(names, weights, strict=True)), train, smoothing), weights)
    moved = {}
    for name, weight, gradient in zip(names, weights, gradients, strict=True):
        velocity = run.weight_optimiser.state[weight]["momentum_buffer"]
        direction = gradient + OPTIM.weight_decay * weight.detach() + OPTIM.momentum * velocity
        rate = run.weight_optimiser.param_groups[0]["lr"]
        moved[name] = weight.detach() - rate * direction
    with torch.no_grad():
        return float(loss(moved, valid))


@pytest.mark.parametrize(
    ("unrolled", "engine", "smoothing"),
    [("exact", "reference", 0.2), ("finite", "reference", 0.0), ("finite", "fused", 0.2)],
)
def test_supernet_against_differences_of_the_unrolled_loss(
    unrolled: str, engine: str, smoothing: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In double precision differences can be taken so close that no ReLU is on another side.
    monkeypatch.setattr(unrolled_module, "RADIUS", 1e-6)
    run, valid, train = start(unrolled, engine, smoothing=smoothing), batch(1), batch(2)
    numeric = {}
    for name, parameter in run.strategy.parameters().items():
        flat, values = parameter.data.view(-1), []
        for i in range(flat.numel()):
            kept, ends = float(flat[i]), []
            for sign in (1, -1):
                flat[i] = kept + sign * 1e-5
                with run.supernet.computed_by("reference"):
                    ends.append(unrolled_loss(run, valid, train))
            flat[i] = kept
            values.append((ends[0] - ends[1]) / 2e-5)
        numeric[name] = torch.tensor(values).view(parameter.shape)
    state = {name: tensor.clone() for name, tensor in run.supernet.state_dict().items()}
    run.weight_optimiser.zero_grad()
    found = architecture_gradient(run, valid, train)
    assert run.supernet.state_dict().keys() == state.keys()
    assert all(torch.equal(state[name], t) for name, t in run.supernet.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in run.supernet.parameters())
    run.strategy.architecture_gradient = "first"
    first = architecture_gradient(run, valid, train)

    whole = torch.cat([g.flatten() for g in numeric.values()])
    close = torch.cat([found[name].flatten() for name in numeric])
    far = torch.cat([first[name].flatten() for name in numeric])
    assert (close - whole).norm() <= 1e-6 * whole.norm()
    assert (far - whole).norm() > 0.1 * whole.norm(), "the second order should matter here"


def test_finite_differences_in_parts() -> None:
    """The mean over parts, each with its own batch statistics: the definition of micro-batches."""
    whole, parts = start("finite", "fused"), start("finite", "fused", micro_batches=3)
    parts.supernet.load_state_dict(whole.supernet.state_dict())
    valid, train = batch(1), batch(2)
    found = architecture_gradient(parts, valid, train)
    assert found.keys() == parts.strategy.parameters().keys()
    # Batch normalisation sees other batches, so the gradient differs; with equal parts it must not.
    doubled = [
        Batch(b.images[:2].repeat(3, 1, 1, 1), b.labels[:2].repeat(3), b.indices) for b in (valid, train)
    ]
    for parameter, other in zip(
        parts.strategy.parameters().values(), whole.strategy.parameters().values(), strict=True
    ):
        parameter.data.copy_(other.data)
    for weight, other in zip(parts.weights, whole.weights, strict=True):
        parts.weight_optimiser.state[weight]["momentum_buffer"].copy_(
            whole.weight_optimiser.state[other]["momentum_buffer"]
        )
    a, b = (architecture_gradient(run, *doubled) for run in (whole, parts))
    largest = max(float(g.abs().max()) for g in a.values())
    assert largest > 1e-4
    for name in a:
        assert torch.allclose(a[name], b[name], atol=1e-6 * largest), name


def new_search(tmp_path: Path, unrolled: str, micro_batches: int = 1, **supernet: Any) -> autodas.Search:
    choice = choose_strategy("das2", unrolled=unrolled)
    return autodas.Search(
        autodas.open_dataset("digits"),
        autodas.get_space("cifar-o2d").with_size(K=0, C1=4, C2=8),
        choice,
        keeping=autodas.Keeping(autodas.RunFolder(tmp_path / "run"), quiet=True),
        epochs=1,
        supernet=autodas.SupernetSettings(**supernet),
        compute=autodas.Compute(micro_batches=micro_batches, check_memory=False),
    )


def test_what_the_exact_form_cannot_do_is_refused(tmp_path: Path) -> None:
    for options, reason in (
        ({"engine": "fused"}, "engine 'fused' does not support.*`supernet.engine=reference`"),
        ({"engine": "reference", "micro_batches": 2}, "micro_batches cannot be used"),
        ({"engine": "reference", "checkpoint": True}, r"supernet\.checkpoint cannot be used"),
    ):
        with pytest.raises(autodas.AutodasError, match=reason):
            new_search(tmp_path, "exact", **options)  # type: ignore[arg-type]
    new_search(tmp_path, "exact", engine="reference")
    new_search(tmp_path, "finite", engine="fused", micro_batches=2)
