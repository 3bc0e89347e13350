"""The optimiser of the weights, and the removal of parameters from either optimiser."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from autodas.settings import AdamWSettings, OptimSettings


def weight_optimiser(
    parameters: Iterable[nn.Parameter], settings: OptimSettings | AdamWSettings
) -> torch.optim.Optimizer:
    """Return the optimiser of the weights: SGD with momentum, or AdamW.

    On an accelerator the learning rate of SGD is a tensor: a recorded iteration cannot read a number of the
    host.
    """
    weights = list(parameters)
    if isinstance(settings, AdamWSettings):
        return torch.optim.AdamW(weights, lr=settings.lr, weight_decay=settings.weight_decay, fused=True)
    rate: float | Tensor = settings.lr
    if on_accelerator(weights):
        rate = torch.tensor(settings.lr, device=weights[0].device)
    optimiser = torch.optim.SGD(
        weights,
        lr=rate,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        fused=True,
    )
    if settings.momentum > 0:
        # The fused kernel cannot start with momenta for only some parameters, as changing masks would
        # require.
        for weight in weights:
            optimiser.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
    return optimiser


def on_accelerator(parameters: Sequence[nn.Parameter]) -> bool:
    """Return whether parameters are on a device where iterations are recorded."""
    return parameters[0].is_cuda


def set_learning_rate(optimiser: torch.optim.Optimizer, value: float) -> None:
    """Set the learning rate of all parameters, in place where it is a tensor."""
    for group in optimiser.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(value)
        else:
            group["lr"] = value


def load_optimiser(optimiser: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Load momenta and step counts of another optimiser; learning rates and implementation options are kept.

    Args:
        optimiser: an optimiser over the same number of parameters.
        state: state of the other optimiser, which may have been on another device.

    Raises:
        ValueError: if the state is not that of such an optimiser.
    """
    groups = [
        {**saved, **{name: value for name, value in own.items() if name != "params"}}
        for saved, own in zip(state["param_groups"], optimiser.param_groups, strict=True)
    ]
    needed = {parameter: set(values) for parameter, values in optimiser.state.items()}
    optimiser.load_state_dict({**state, "param_groups": groups})
    if any(names - set(optimiser.state.get(parameter, ())) for parameter, names in needed.items()):
        raise ValueError("a momentum is missing")
    for parameter, values in optimiser.state.items():
        for name, value in values.items():
            counts = name == "step" and isinstance(value, Tensor) and value.numel() == 1
            if not counts and (not isinstance(value, Tensor) or value.shape != parameter.shape):
                raise ValueError(f"'{name}' of the optimiser does not fit its parameter")


def keep_only(optimiser: torch.optim.Optimizer, parameters: Iterable[nn.Parameter]) -> None:
    """Remove all parameters except those given, with their state.

    A parameter left in the optimiser would still be moved by momentum and weight decay, and take memory.
    """
    kept = {id(p) for p in parameters}
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            if id(parameter) not in kept:
                optimiser.state.pop(parameter, None)
        group["params"] = [p for p in group["params"] if id(p) in kept]
