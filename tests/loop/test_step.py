"""The gradient of a batch in parts, against autograd on all of it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autodas.loop import Losses, add_gradient, clipped_step
from autodas.loop.tasks import Classification

TASK = Classification(3, label_smoothing=0.1)


def problem() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return a batch, weights, and what the weights are multiplied by: a graph that parts share."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(7, 4, generator=generator, dtype=torch.float64)
    labels = torch.randint(3, (7,), generator=generator)
    weights = torch.randn(4, 3, generator=generator, dtype=torch.float64).requires_grad_()
    alpha = torch.randn(3, generator=generator, dtype=torch.float64).requires_grad_()
    return x, labels, weights, alpha


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_parts_have_the_gradient_of_the_batch(parts: int) -> None:
    x, labels, weights, alpha = problem()
    mixed = alpha.softmax(0)
    expected = F.cross_entropy(x @ weights * mixed, labels, label_smoothing=0.1)
    both = torch.autograd.grad(expected, (weights, alpha), retain_graph=True)

    def losses(images: Tensor, targets: Tensor) -> Losses:
        outputs = images @ weights * mixed
        loss = TASK.training_loss(outputs, targets)
        return Losses(loss, loss, outputs)

    meter = TASK.meter()
    total = add_gradient(losses, x, labels, parts, meter=meter, keep_graph=True)
    assert float(total) == pytest.approx(float(expected.detach()), rel=1e-6)
    for tensor, gradient in zip((weights, alpha), both, strict=True):
        assert tensor.grad is not None
        assert torch.allclose(tensor.grad, gradient)
    assert meter.count == 7
    assert meter.result()["loss"] == pytest.approx(float(expected.detach()))


def test_a_gradient_goes_where_it_is_wanted() -> None:
    x, labels, weights, alpha = problem()

    def losses(images: Tensor, targets: Tensor) -> Losses:
        outputs = images @ weights * alpha
        loss = TASK.loss(outputs, targets)
        return Losses(2 * loss, loss, outputs)

    meter = TASK.meter()
    total = add_gradient(losses, x, labels, 2, meter=meter, inputs=[alpha])
    assert weights.grad is None
    assert alpha.grad is not None
    # What is minimised is the total, what is told is the task's own loss.
    assert float(total) == pytest.approx(2 * meter.result()["loss"], rel=1e-6)


def test_nothing_to_differentiate_is_no_error() -> None:
    x, labels, _, _ = problem()
    losses = lambda images, targets: Losses(*[TASK.loss(images[:, :3], targets)] * 2, images[:, :3])  # noqa: E731
    assert float(add_gradient(losses, x, labels, 1)) > 0


@pytest.mark.parametrize(("clip", "moved"), [(0.0, 5.0), (1.0, 1.0), (10.0, 5.0)])
def test_the_step_is_clipped(clip: float, moved: float) -> None:
    weight = nn.Parameter(torch.zeros(2))
    weight.grad = torch.tensor([3.0, 4.0])
    clipped_step(torch.optim.SGD([weight], lr=1.0), clip)
    assert float(weight.detach().norm()) == pytest.approx(moved, rel=1e-5)
