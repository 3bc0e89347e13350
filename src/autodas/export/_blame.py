"""The operation that cannot be exported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from autodas.networks import Cell, Network


def unsupported_operation(
    network: nn.Module, example: Tensor, convert: Callable[[nn.Module, Tensor], object]
) -> tuple[str, Exception] | None:
    """Return the first operation on an edge of a cell that cannot be converted, and why.

    Args:
        network: the network.
        example: an input of it.
        convert: conversion of one operation, given its input; it raises an exception if it is unsupported.

    Returns:
        Description of operation and edge, and the exception; ``None`` if each of them can be converted.
    """
    places = dict(_operations(network))
    inputs: dict[nn.Module, Tensor] = {}

    def remember(module: nn.Module, arguments: tuple[Any, ...]) -> None:
        inputs[module] = arguments[0].detach()

    hooks = [operation.register_forward_pre_hook(remember) for operation in places]
    try:
        with torch.no_grad():
            network(example)
    finally:
        for hook in hooks:
            hook.remove()
    for operation, x in inputs.items():
        try:
            convert(operation, x)
        except Exception as error:  # conversions raise errors of many classes
            return places[operation], error
    return None


def _operations(network: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    """Yield the operations of all cells, each with a description of its place."""
    if not isinstance(network, Network):
        return
    for path, cell in network.named_modules():
        if not isinstance(cell, Cell):
            continue
        nodes = zip(cell.nodes, cell.predecessors, cell.operation_names, strict=True)
        for node, edges in enumerate(nodes, cell.input_states):
            for operation, predecessor, name in zip(*edges, strict=True):  # type: ignore[call-overload]
                yield operation, f"{path}, edge {predecessor}-{node}: the operation '{name}'"
