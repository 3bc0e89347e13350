"""Lists of the modules and parameters of a network with thousands of them."""

from __future__ import annotations

from torch import nn


def every_module(network: nn.Module) -> list[nn.Module]:
    """Return what ``network.modules()`` yields, several times faster: without making a name for each."""
    found: dict[nn.Module, None] = {}
    waiting = [network]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found[module] = None
            waiting += [child for child in reversed(module._modules.values()) if child is not None]
    return list(found)


def every_parameter(network: nn.Module) -> list[nn.Parameter]:
    """Return what ``network.parameters()`` yields, likewise."""
    parameters = (parameter for module in every_module(network) for parameter in module._parameters.values())
    return list(dict.fromkeys(parameter for parameter in parameters if parameter is not None))
