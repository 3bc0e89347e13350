"""Architecture parameters of relaxed methods: one tensor per edge, so that each can be removed separately."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from autodas.kernels import constant

Table = dict[str, dict[int, nn.Parameter]]
"""Parameters by cell kind and number of the edge."""


def new_table(
    kinds: Sequence[str],
    edges: int,
    shape: tuple[int, ...],
    std: float,
    seed: int,
    device: torch.device | str,
    mean: float = 0.0,
) -> Table:
    """Return a table of normally distributed parameters.

    The numbers are drawn on the CPU, so that they are the same on every device.

    Args:
        kinds: cell kinds.
        edges: number of edges of each.
        shape: shape of one edge's parameter.
        std: standard deviation; 0 gives zeros.
        seed: seed of the draw.
        device: device of the parameters.
        mean: mean of the distribution.
    """
    generator = torch.Generator().manual_seed(seed)
    return {
        kind: {
            edge: nn.Parameter((mean + std * torch.randn(shape, generator=generator)).to(device))
            for edge in range(edges)
        }
        for kind in kinds
    }


def rows(table: Mapping[int, nn.Parameter], fixed: Tensor) -> tuple[Tensor, Tensor]:
    """Return the numbers of the edges that have a parameter, and their stacked parameters.

    Args:
        table: parameters of one kind.
        fixed: a tensor on the device on which to return the numbers.
    """
    edges = tuple(sorted(table))
    return constant(edges, fixed.device), torch.stack([table[e] for e in edges])


def table_state(table: Table) -> dict[str, dict[int, Tensor]]:
    """Return a table as plain tensors."""
    return {kind: {e: p.detach().clone() for e, p in edges.items()} for kind, edges in table.items()}


def load_table(table: Table, state: Mapping[str, Mapping[int, Tensor]]) -> None:
    """Set a table's parameters.

    Raises:
        ValueError: if the state has parameters of other edges, or other shapes.
    """
    for kind, edges in table.items():
        if set(state[kind]) != set(edges):
            raise ValueError(f"parameters of {kind} are not those of the undecided edges")
        for edge, parameter in edges.items():
            if state[kind][edge].shape != parameter.shape:
                raise ValueError(f"a parameter of {kind} has another shape")
            parameter.data.copy_(state[kind][edge])


def named(prefix: str, table: Table) -> dict[str, nn.Parameter]:
    """Return a table's parameters by the names used in logs and tests."""
    return {f"{prefix}.{kind}.{e}": p for kind, edges in table.items() for e, p in edges.items()}


def rounded(values: Any) -> Any:
    """Return nested lists of numbers with six significant digits, for logs."""
    if isinstance(values, list):
        return [rounded(v) for v in values]
    return None if values is None else float(f"{values:.6g}")
