"""Steps of SGD by the compiled kernels, which do without torch's microseconds for each tensor."""

from __future__ import annotations

import torch
from torch import Tensor

from autodas.kernels import can_descend, descend

_KNOWN = {"dampening": 0, "nesterov": False, "maximize": False}
"""Options of SGD as the kernels compute it."""


def descended(optimiser: torch.optim.Optimizer, clip: float) -> bool:
    """Step by the current gradients, clipped, if the compiled kernels can; return whether they did.

    A supernet has thousands of weights, most of them so small that torch needs longer for its lists than for
    the arithmetic: a tenth of an iteration of a small search.

    Args:
        optimiser: an optimiser.
        clip: maximum norm of all gradients together; 0 for no limit.
    """
    if type(optimiser) is not torch.optim.SGD or len(optimiser.param_groups) != 1:
        return False
    (group,) = optimiser.param_groups
    # A learning rate on the device is that of iterations that are recorded, operation by operation.
    if isinstance(group["lr"], Tensor) or any(group[name] != value for name, value in _KNOWN.items()):
        return False
    trained: list[Tensor] = [weight for weight in group["params"] if weight.grad is not None]
    velocities = [optimiser.state.get(weight, {}).get("momentum_buffer") for weight in trained]
    gradients = [gradient for weight in trained if (gradient := weight.grad) is not None]
    if any(velocity is None for velocity in velocities) or not can_descend(trained, gradients, velocities):
        return False
    with torch.no_grad():
        descend(
            trained,
            gradients,
            velocities,
            rate=group["lr"],
            momentum=group["momentum"],
            decay=group["weight_decay"],
            clip=clip,
        )
    return True
