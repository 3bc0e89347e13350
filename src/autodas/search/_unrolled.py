"""Second-order DARTS: the gradient of the architecture through one step of the weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

RADIUS = 0.01
"""Norm of the step by which finite differences move the weights (DARTS, section 2.3)."""


class VirtualStep(NamedTuple):
    r"""Virtual step of SGD with momentum.

    .. math:: w' = w - \xi\,(\mu v + \nabla_w L_{train} + \lambda w)

    Attributes:
        rate: :math:`\xi`, the learning rate of the weights.
        momentum: :math:`\mu`.
        decay: :math:`\lambda`, the weight decay.
        velocity: :math:`v`, for each weight; empty without momentum.
    """

    rate: float | Tensor
    momentum: float
    decay: float
    velocity: Sequence[Tensor]

    def moved(self, weights: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> list[Tensor]:
        """Return the weights after the step; weights without a gradient are unchanged.

        Args:
            weights: weights before the step.
            gradients: gradients of the training loss.
        """
        places = [number for number, gradient in enumerate(gradients) if gradient is not None]
        if not places:
            return list(weights)
        # For all weights together: on a GPU each operation on one of them would be a launch.
        own = [weights[number] for number in places]
        present = [gradient for gradient in gradients if gradient is not None]
        direction = torch._foreach_add(present, torch._foreach_mul(own, self.decay))
        if self.velocity:
            velocity = [self.velocity[number] for number in places]
            direction = torch._foreach_add(direction, torch._foreach_mul(velocity, self.momentum))
        steps = torch._foreach_mul(direction, self.rate)
        moved = dict(zip(places, torch._foreach_sub(own, steps), strict=True))
        return [moved.get(number, weight) for number, weight in enumerate(weights)]


def exact_gradient(
    train_loss: Callable[[Mapping[str, Tensor]], Tensor],
    valid_loss: Callable[[Mapping[str, Tensor]], Tensor],
    weights: Mapping[str, Tensor],
    architecture: Sequence[Tensor],
    step: VirtualStep,
) -> tuple[Tensor, ...]:
    r"""Return :math:`\nabla_\alpha L_{valid}(w'(\alpha), \alpha)` by autograd (DARTS, equation 6).

    Args:
        train_loss: function from weights to the loss on a training batch, twice differentiable.
        valid_loss: likewise on a validation batch.
        weights: weights by name; they require a gradient.
        architecture: :math:`\alpha`, on which both losses depend.
        step: step from w to w'.
    """
    values = list(weights.values())
    gradients = torch.autograd.grad(train_loss(weights), values, create_graph=True, allow_unused=True)
    moved = dict(zip(weights, step.moved(values, gradients), strict=True))
    return torch.autograd.grad(valid_loss(moved), list(architecture))


def finite_gradient(
    train_gradient: Callable[[Sequence[Tensor]], Sequence[Tensor | None]],
    valid_gradient: Callable[[Sequence[Tensor]], Sequence[Tensor | None]],
    weights: Sequence[Tensor],
    architecture: Sequence[Tensor],
    step: VirtualStep,
) -> tuple[Tensor, ...]:
    r"""Return the same gradient by central differences (DARTS, equations 7 and 8).

    .. math:: \nabla_\alpha L_{valid}(w', \alpha) - \xi\,
        \frac{\nabla_\alpha L_{train}(w^+, \alpha) - \nabla_\alpha L_{train}(w^-, \alpha)}{2 \epsilon}, \qquad
        w^\pm = w \pm \epsilon\, \nabla_{w'} L_{valid}(w', \alpha)

    with :math:`\epsilon` = 0.01 divided by the norm of that last gradient. The weights are moved in place and
    restored bit for bit.

    Args:
        train_gradient: function that returns the gradient of the training loss, at the current weights, with
            respect to the given tensors.
        valid_gradient: likewise for the validation loss.
        weights: w.
        architecture: :math:`\alpha`.
        step: step from w to w'.
    """
    kept = [weight.detach().clone() for weight in weights]
    try:
        set_to(weights, step.moved(kept, train_gradient(weights)))
        gradients = valid_gradient([*architecture, *weights])
        direct, towards = _filled(architecture, gradients), _filled(weights, gradients[len(architecture) :])
        norm = torch.stack(torch._foreach_norm(towards)).norm()
        epsilon = RADIUS / norm.clamp_min(torch.finfo(norm.dtype).tiny)
        steps = torch._foreach_mul(towards, epsilon)
        set_to(weights, torch._foreach_add(kept, steps))
        ahead = _filled(architecture, train_gradient(architecture))
        set_to(weights, torch._foreach_sub(kept, steps))
        behind = _filled(architecture, train_gradient(architecture))
    finally:
        set_to(weights, kept)
    return tuple(
        d - step.rate * (a - b) / (2 * epsilon) for d, a, b in zip(direct, ahead, behind, strict=True)
    )


@torch.no_grad()
def set_to(weights: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """Set weights to other values, in place."""
    torch._foreach_copy_(list(weights), list(values))


def _filled(inputs: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> list[Tensor]:
    """Return gradients with zeros in place of missing ones."""
    return [torch.zeros_like(x) if g is None else g for x, g in zip(inputs, gradients, strict=False)]
