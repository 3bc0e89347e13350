"""The optimiser of the weights, and what both optimisers have to do when parameters disappear."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from autodas.settings import OptimSettings


def weight_optimiser(parameters: Iterable[nn.Parameter], settings: OptimSettings) -> torch.optim.SGD:
    """Return SGD with momentum over the weights.

    On an accelerator the learning rate is a tensor: a recorded iteration cannot read a number of the host.
    """
    weights = list(parameters)
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
        # The fused kernel cannot begin with some of the parameters, as masks that change would have it.
        for weight in weights:
            optimiser.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
    return optimiser


def on_accelerator(parameters: Sequence[nn.Parameter]) -> bool:
    """Return whether parameters are where iterations are recorded."""
    return parameters[0].is_cuda


def set_learning_rate(optimiser: torch.optim.Optimizer, value: float) -> None:
    """Set the learning rate of all parameters, in place where it is a tensor."""
    for group in optimiser.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(value)
        else:
            group["lr"] = value


def load_optimiser(optimiser: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Take over momenta and counts of another optimiser; rates and ways of computing stay its own.

    Args:
        optimiser: over as many parameters.
        state: of the other one, which may have been on another device.

    Raises:
        ValueError: if it is not the state of such an optimiser.
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
    """Let go of every parameter that is not among those given, and of its state.

    A parameter left behind would go on moving by momentum and weight decay, and take memory.
    """
    kept = {id(p) for p in parameters}
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            if id(parameter) not in kept:
                optimiser.state.pop(parameter, None)
        group["params"] = [p for p in group["params"] if id(p) in kept]
