"""The optimiser of the weights, and what both optimisers have to do when parameters disappear."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from autodas.settings import OptimSettings


def weight_optimiser(parameters: Iterable[nn.Parameter], settings: OptimSettings) -> torch.optim.SGD:
    """Return SGD with momentum over the weights."""
    return torch.optim.SGD(
        parameters, lr=settings.lr, momentum=settings.momentum, weight_decay=settings.weight_decay
    )


def set_learning_rate(optimiser: torch.optim.Optimizer, value: float) -> None:
    """Set the learning rate of all parameters."""
    for group in optimiser.param_groups:
        group["lr"] = value


def keep_only(optimiser: torch.optim.Optimizer, parameters: Iterable[nn.Parameter]) -> None:
    """Let go of every parameter that is not among those given, and of its state.

    A parameter left behind would go on moving by momentum and weight decay, and take memory.
    """
    kept = {id(p) for p in parameters}
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            if id(parameter) not in kept:
                optimiser.state.pop(parameter, None)
        group["params"] = [p for p in group["params"] if id(p) in kept]
