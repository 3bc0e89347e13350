"""The loss of a mixture on fixed samples, by which operations are selected."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.narrow_spaces import small
from tests.strategies.conftest import Tools
from torch.nn import functional as F

from autodas.data import Batch
from autodas.loop import Compute
from autodas.loop.tasks import Classification
from autodas.search._phase import PhaseRun
from autodas.settings import OptimSettings
from autodas.strategies import choose_strategy, load_strategy
from autodas.supernet import Supernet


def batch(count: int, seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(count, 1, 8, 8, generator=generator)
    return Batch(images, torch.randint(0, 3, (count,), generator=generator), torch.arange(count))


@pytest.fixture
def run() -> PhaseRun:
    tools = Tools()
    space = small(tools.space("cifar-o2d", 0))
    strategy: Any = load_strategy("sdas")(choose_strategy("sdas").settings, tools.plan(space))
    phase = strategy.start(0, "cpu")
    torch.manual_seed(0)
    supernet = Supernet(space, classes=3, channels=1)
    optim = OptimSettings(label_smoothing=0.1)
    return PhaseRun(phase, 0, strategy, supernet, Classification(3, 0.1), optim, 2, Compute())


def test_mean_over_samples_with_batch_statistics(run: PhaseRun) -> None:
    mixture = run.strategy.mixture()
    batches = [batch(4, 1), batch(3, 2)]
    before = {name: tensor.clone() for name, tensor in run.supernet.state_dict().items()}
    run.supernet.eval()
    found = run.loss_of(mixture, batches)
    # Nothing of the supernet has changed, running statistics included.
    assert all(torch.equal(before[name], tensor) for name, tensor in run.supernet.state_dict().items())
    run.supernet.train()
    with torch.no_grad():
        losses = [F.cross_entropy(run.supernet(b.images, mixture), b.labels) for b in batches]
    assert found == pytest.approx((4 * float(losses[0]) + 3 * float(losses[1])) / 7, rel=1e-6)


def test_a_last_batch_of_one_sample_has_no_statistics(run: PhaseRun) -> None:
    mixture = run.strategy.mixture()
    assert run.loss_of(mixture, [batch(4, 1), batch(1, 2)]) == run.loss_of(mixture, [batch(4, 1)])
