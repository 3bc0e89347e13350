"""Cells: the frame that all share, and the discrete cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from autodas.genotype import CellGenotype
from autodas.networks._drop_path import drop_path
from autodas.operations import (
    ALL_CHANNELS,
    FactorizedReduce,
    Norms,
    PartialChannels,
    ReLUConvNorm,
    Zero,
    build,
)
from autodas.spaces import CellSlot


class CellInputs(NamedTuple):
    """What a cell is given.

    Args:
        channels: channels of the outputs of the cell before the previous one and of the previous one.
        stride: how much larger, along each dimension, the first of them is than the second.
    """

    channels: tuple[int, int]
    stride: tuple[int, ...]


class CellFrame(nn.Module):
    """What discrete and relaxed cells share: bringing both inputs to one width and one size.

    Args:
        slot: where the cell stands.
        inputs: what it is given.
        norms: how its layers are normalised.
        partial: which channels go through the operations of edges.
    """

    def __init__(self, slot: CellSlot, inputs: CellInputs, norms: Norms, partial: PartialChannels) -> None:
        super().__init__()
        self.slot = slot
        self.partial = partial
        self.edge_width = slot.width // partial.K
        dimensions = len(slot.stride)
        before, previous = inputs.channels
        self.preprocess0: nn.Module
        if max(inputs.stride) > 1:
            self.preprocess0 = FactorizedReduce(before, slot.width, inputs.stride, norms.affine)
        else:
            self.preprocess0 = ReLUConvNorm(before, slot.width, dimensions, norms.affine)
        self.preprocess1 = ReLUConvNorm(previous, slot.width, dimensions, norms.affine)

    def edge_stride(self, predecessor: int) -> tuple[int, ...]:
        """Return the stride of an edge: the cell's where it leaves an input, else 1."""
        return self.slot.stride if predecessor < 2 else (1,) * len(self.slot.stride)

    def combine(self, states: Sequence[Tensor], terms: Sequence[Tensor]) -> Tensor:
        """Return the sum of a node's terms, in order; a node without any is zeros."""
        if not terms:
            return Zero(self.slot.stride)(states[0])  # type: ignore[no-any-return]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total


class Cell(CellFrame):
    """A discrete cell.

    Args:
        genotype: its edges; edges with the operation ``none`` are left out.
        slot: where it stands.
        inputs: what it is given.
        norms: how its layers are normalised.
        partial: which channels go through the operations.
    """

    def __init__(
        self,
        genotype: CellGenotype,
        slot: CellSlot,
        inputs: CellInputs,
        norms: Norms,
        partial: PartialChannels = ALL_CHANNELS,
    ) -> None:
        super().__init__(slot, inputs, norms, partial)
        self.concat = genotype.concat
        self.outputs = slot.width * len(genotype.concat)
        self.drop_path = 0.0
        self.nodes = nn.ModuleList()
        self.predecessors: list[list[int]] = []
        for node in genotype.nodes:
            edges = sorted((e for e in node if e.operation != "none"), key=lambda e: e.predecessor)
            self.nodes.append(
                nn.ModuleList(
                    build(e.operation, self.edge_width, self.edge_stride(e.predecessor), norms) for e in edges
                )
            )
            self.predecessors.append([e.predecessor for e in edges])

    def forward(self, before: Tensor, previous: Tensor) -> Tensor:
        """Compute the cell's output from those of the two cells before it."""
        states = [self.preprocess0(before), self.preprocess1(previous)]
        for operations, predecessors in zip(self.nodes, self.predecessors, strict=True):
            terms = []
            for operation, predecessor in zip(operations, predecessors, strict=True):  # type: ignore[call-overload]
                through, past = self.partial.split(states[predecessor], self.edge_stride(predecessor))
                term = operation(through)
                if self.training and self.drop_path > 0 and not isinstance(operation, nn.Identity):
                    term = drop_path(term, self.drop_path)
                terms.append(self.partial.merge(term, past))
            states.append(self.combine(states, terms))
        return torch.cat([states[state] for state in self.concat], dim=1)
