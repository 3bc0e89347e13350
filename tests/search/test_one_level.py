"""Steps that differ from DARTS': one level instead of two, and penalties, by their definitions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.narrow_spaces import narrow
from torch import Tensor
from torch.nn import functional as F

from autodas.data import Batch
from autodas.loop import Compute, finished
from autodas.loop.tasks import Classification
from autodas.search._phase import PhaseRun, Samples
from autodas.settings import OptimSettings
from autodas.spaces import get_space
from autodas.strategies import choose_strategy, load_strategy
from autodas.strategies.base import SearchPlan
from autodas.supernet import Supernet, frozen_statistics

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("double")]

OPTIM = OptimSettings(lr=0.05, momentum=0.0, weight_decay=0.0, clip=0.0)


def batch(seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(6, 1, 8, 8, generator=generator)
    return Batch(images, torch.randint(0, 3, (6,), generator=generator), torch.arange(6))


def start(name: str, engine: str, micro_batches: int = 1, **settings: Any) -> PhaseRun:
    space = narrow(get_space("cifar-o2d").with_size(K=1, C1=8, C2=16))
    choice = choose_strategy(name, initial_std=0.3, learning_rate=0.1, **settings)
    strategy = load_strategy(name)(choice.settings, SearchPlan(space, 8, 0, lambda alive: 1))
    phase = strategy.start(0, "cpu")
    torch.manual_seed(0)
    supernet = Supernet(phase.space, classes=3, channels=1, engine=engine, cells=phase.cells)
    task = Classification(3, OPTIM.label_smoothing)
    return PhaseRun(phase, 0, strategy, supernet, task, OPTIM, 4, Compute(micro_batches=micro_batches))


def parts(pictures: Batch, count: int) -> list[tuple[Tensor, Tensor]]:
    return list(zip(pictures.images.tensor_split(count), pictures.labels.tensor_split(count), strict=True))


def moved_by_adam(start_values: list[Tensor], gradients: list[list[Tensor]]) -> list[Tensor]:
    """Adam's steps along some gradients, one after the other, as the settings of the strategies have it."""
    values = [value.clone().requires_grad_() for value in start_values]
    adam = torch.optim.Adam(values, lr=0.1, betas=(0.5, 0.999), weight_decay=1e-3)
    for each in gradients:
        for value, gradient in zip(values, each, strict=True):
            value.grad = gradient.clone()
        adam.step()
    return [value.detach() for value in values]


@pytest.mark.parametrize("engine", ["reference", "fused"])
@pytest.mark.parametrize("micro_batches", [1, 2])
def test_one_batch_moves_weights_and_architecture(engine: str, micro_batches: int) -> None:
    run = start("snas", engine, micro_batches, resource=0.01, drop_path=0.0)
    twin = start("snas", "reference", resource=0.01, drop_path=0.0)
    assert not run.searches, "no batch for the architecture is wanted"
    train = batch(1)
    names, weights = zip(*twin.supernet.named_parameters(), strict=True)
    alphas = list(twin.strategy.parameters().values())
    twin.supernet.train()
    mixture = twin.strategy.mixture()
    loss = sum(
        len(labels) / 6 * F.cross_entropy(twin.supernet(images, mixture), labels)
        for images, labels in parts(train, micro_batches)
    )
    penalty = twin.strategy.penalty()
    assert penalty is not None
    assert isinstance(loss, Tensor)
    of_weights = torch.autograd.grad(loss, weights, retain_graph=True)
    of_alphas = torch.autograd.grad(loss + penalty, alphas)
    assert float(torch.stack([g.norm() for g in of_alphas]).norm()) < 10, "else it would be clipped"

    before = [p.detach().clone() for p in run.strategy.parameters().values()]
    run.step(train, None)
    for name, weight, gradient in zip(names, weights, of_weights, strict=True):
        expected = weight.detach() - 0.05 * gradient
        assert torch.allclose(run.supernet.get_parameter(name), expected, rtol=1e-8, atol=1e-9), name
    expected_alphas = moved_by_adam(before, [list(of_alphas)])
    for found, expected in zip(run.strategy.parameters().values(), expected_alphas, strict=True):
        assert torch.allclose(found, expected, rtol=1e-6, atol=1e-7)
    # It is a step of the weights: running statistics follow.
    for name, tensor in twin.supernet.named_buffers():
        assert torch.allclose(run.supernet.get_buffer(name), tensor, atol=1e-8), name


def test_two_levels_when_asked() -> None:
    run = start("snas", "fused", bilevel=True)
    assert run.searches
    run.step(batch(1), batch(2))
    assert float(run.valid_meter.sums[3]) == 6


def test_a_separate_penalty_has_a_step_of_its_own() -> None:
    """H-DAS, stage level: an architecture step on pictures, then one along the depth loss."""
    run = start("hdas", "reference", level="stages", genotype="darts_v1", cells_a_stage=3)
    valid = batch(2)
    parameters = list(run.strategy.parameters().values())
    before = [p.detach().clone() for p in parameters]
    run.supernet.train()
    with frozen_statistics(run.supernet):
        loss = F.cross_entropy(run.supernet(valid.images, run.strategy.mixture()), valid.labels)
    first = list(torch.autograd.grad(loss, parameters))
    between = moved_by_adam(before, [first])
    for parameter, value in zip(parameters, between, strict=True):
        parameter.data.copy_(value)
    penalty = run.strategy.penalty()
    assert penalty is not None
    second = list(torch.autograd.grad(penalty, parameters, allow_unused=True, materialize_grads=True))
    assert max(float(g.abs().max()) for g in second) > 1e-3
    for parameter, value in zip(parameters, before, strict=True):
        parameter.data.copy_(value)
    pictures = Samples(valid.images, valid.labels)
    finished(run._architecture_step(pictures, pictures))
    for parameter, value in zip(parameters, moved_by_adam(before, [first, second]), strict=True):
        assert torch.allclose(parameter, value, rtol=1e-6, atol=1e-7)
