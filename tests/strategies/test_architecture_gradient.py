"""The architecture step, against central finite differences of the validation loss in double precision."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from autodas.data import Batch
from autodas.loop import Compute, finished
from autodas.loop.tasks import Classification
from autodas.search._phase import PhaseRun, Samples
from autodas.settings import OptimSettings
from autodas.strategies import choose_strategy, load_strategy
from autodas.supernet import Supernet

OPERATIONS = ("none", "skip_connect", "avg_pool_3x3", "sep_conv_3x3")
STEP = 1e-6


pytestmark = pytest.mark.usefixtures("double")


def batch(seed: int, size: int = 6) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(size, 1, 8, 8, generator=generator)
    return Batch(images, torch.randint(0, 3, (size,), generator=generator), torch.arange(size))


def start(tools: Any, name: str, iterations: int = 6, K: int = 0, **settings: Any) -> PhaseRun:
    space = tools.two_nodes(OPERATIONS, K=K)
    choice = choose_strategy(name, **settings)
    strategy = load_strategy(name)(choice.settings, tools.plan(space, iterations))
    phase = strategy.start(0, "cpu")
    torch.manual_seed(0)
    supernet = Supernet(space, classes=3, channels=1)
    return PhaseRun(phase, 0, strategy, supernet, Classification(3), OptimSettings(), 3, Compute())


def loss(run: PhaseRun, valid: Batch) -> float:
    """The validation loss by its definition: batch statistics, no smoothing. All state is put back."""
    state = {name: tensor.clone() for name, tensor in run.supernet.state_dict().items()}
    run.supernet.train()
    with torch.no_grad():
        value = F.cross_entropy(run.supernet(valid.images, run.strategy.mixture()), valid.labels)
    run.supernet.load_tensors(state)
    return float(value)


# (method, settings, decisions taken before): 5 edges and 1 node step make M = 6, one an iteration.
CASES = [
    ("das", {"initial_std": 0.5}, 0),
    ("sdas", {"initial_std": 0.5}, 0),
    ("sdas", {"initial_std": 0.5}, 3),
    ("sdas", {"initial_std": 0.5}, 5),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "settings", "decided"), CASES)
def test_gradient_of_alpha_and_beta(
    tools: Any, name: str, settings: dict[str, Any], decided: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(tools, name, **settings)
    for iteration in range(1, decided + 1):
        tools.wander(run.strategy, iteration)
        assert len(run.strategy.after_iteration(iteration)) == 1
        run.let_go()
    valid, parameters = batch(1), run.strategy.parameters()
    assert parameters
    numeric = {}
    for key, parameter in parameters.items():
        flat, values = parameter.data.view(-1), []
        for i in range(flat.numel()):
            kept = float(flat[i])
            ends = []
            for sign in (1, -1):
                flat[i] = kept + sign * STEP
                ends.append(loss(run, valid))
            flat[i] = kept
            values.append((ends[0] - ends[1]) / (2 * STEP))
        numeric[key] = torch.tensor(values).view(parameter.shape)

    weights = {key: tensor.clone() for key, tensor in run.supernet.state_dict().items()}
    assert run.architecture_optimiser is not None
    monkeypatch.setattr(run.architecture_optimiser, "step", lambda: None)
    pictures = Samples(valid.images, valid.labels)
    finished(run._architecture_step(pictures, pictures))

    largest = max(float(g.abs().max()) for g in numeric.values())
    assert largest > 1e-4
    for key, parameter in parameters.items():
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, numeric[key], rtol=1e-4, atol=1e-5 * largest), key
    # The step touches neither weights nor running statistics, nor leaves gradients on the weights.
    assert all(torch.equal(weights[key], t) for key, t in run.supernet.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in run.supernet.parameters())


@pytest.mark.parametrize("name", ["das", "sdas"])
def test_an_iteration_by_hand(tools: Any, name: str) -> None:
    """Order of the steps, Adam and SGD, by their formulas (DARTS: alpha first; SDAS: weights first)."""
    run = start(tools, name, initial_std=0.5, learning_rate=0.1, weight_decay=1e-3)
    twin = start(tools, name, initial_std=0.5)
    train, valid = batch(2), batch(3)
    run.step(train, valid)

    def weight_step() -> None:
        mixture = {kind: cell.detach() for kind, cell in twin.strategy.mixture().items()}
        twin.supernet.train()
        parameters = list(twin.supernet.parameters())
        value = F.cross_entropy(twin.supernet(train.images, mixture), train.labels)
        gradients = torch.autograd.grad(value, parameters, allow_unused=True)
        norm = torch.stack([g.norm() for g in gradients if g is not None]).norm()
        scale = min(1.0, 5.0 / (float(norm) + 1e-6))  # clipped at 5
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if gradient is not None:
                # The first step of SGD: momentum starts at the gradient; weight decay 3e-4.
                parameter.data -= 0.025 * (scale * gradient + 3e-4 * parameter.data)

    def architecture_step() -> None:
        state = {key: tensor.clone() for key, tensor in twin.supernet.state_dict().items()}
        parameters = list(twin.strategy.parameters().values())
        twin.supernet.train()
        value = F.cross_entropy(twin.supernet(valid.images, twin.strategy.mixture()), valid.labels)
        gradients = torch.autograd.grad(value, parameters)
        twin.supernet.load_tensors(state)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            decayed = gradient + 1e-3 * parameter.data
            # The first step of Adam: bias correction leaves g / (|g| + eps).
            parameter.data -= 0.1 * decayed / (decayed.abs() + 1e-8)

    steps = [architecture_step, weight_step] if name == "das" else [weight_step, architecture_step]
    for step in steps:
        step()
    for key, parameter in run.strategy.parameters().items():
        assert torch.allclose(parameter, twin.strategy.parameters()[key], atol=1e-7), key
    expected = twin.supernet.state_dict()
    for key, tensor in run.supernet.state_dict().items():
        if key.endswith("num_batches_tracked"):
            assert int(tensor) == int(expected[key]), key
        else:
            assert torch.allclose(tensor, expected[key], atol=1e-9), key


def test_the_order_of_the_steps_matters_here(tools: Any) -> None:
    """Guards the test above: with the steps swapped the result differs by more than its tolerance."""
    runs = []
    for first in (True, False):
        run = start(tools, "das", initial_std=0.5, learning_rate=0.1)
        run.strategy.architecture_first = first
        run.step(batch(2), batch(3))
        runs.append(run.supernet.classifier.weight.detach())
    assert float((runs[0] - runs[1]).abs().max()) > 1e-6


def test_no_architecture_step_without_a_validation_batch(tools: Any) -> None:
    run = start(tools, "sdas", initial_std=0.5)
    before = {key: p.detach().clone() for key, p in run.strategy.parameters().items()}
    run.step(batch(2), None)
    assert all(torch.equal(before[key], p) for key, p in run.strategy.parameters().items())
    assert float(run.valid_meter.sums[3]) == 0
    assert float(run.train_meter.sums[3]) == 6
