"""Cells: their common frame, and the discrete cell. Stage graphs are cells, too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    """Inputs of a cell.

    Args:
        channels: channels of the outputs of the cell before the previous one and of the previous one.
        stride: factor, along each dimension, by which the first of them is larger than the second.
    """

    channels: tuple[int, int]
    stride: tuple[int, ...]


class CellFrame(nn.Module):
    """Common frame of discrete and relaxed cells.

    It projects their inputs to one width and size, and computes nodes from the sum of their edges.

    Args:
        slot: position of the cell in the network.
        inputs: inputs of the cell.
        norms: how its layers are normalised.
        partial: channels that pass through the operations of edges.
        input_states: number of inputs of the cell. Two are projected to the width of the cell; a single one
            is the output of the previous cell, unchanged.
        inner: a whole cell for each node, if the nodes of a stage graph are cells: it reads the node's sum
            on both inputs. Nodes of cells are plain sums.
    """

    def __init__(
        self,
        slot: CellSlot,
        inputs: CellInputs,
        norms: Norms,
        partial: PartialChannels,
        input_states: int = 2,
        inner: Sequence[nn.Module] = (),
    ) -> None:
        super().__init__()
        self.slot = slot
        self.partial = partial
        self.edge_width = slot.width // partial.K
        self.input_states = input_states
        self.inner = nn.ModuleList(inner)
        if input_states == 1:
            return
        dimensions = len(slot.stride)
        before, previous = inputs.channels
        self.preprocess0: nn.Module
        if max(inputs.stride) > 1:
            self.preprocess0 = FactorizedReduce(before, slot.width, inputs.stride, norms.affine)
        else:
            self.preprocess0 = ReLUConvNorm(before, slot.width, dimensions, norms.affine)
        self.preprocess1 = ReLUConvNorm(previous, slot.width, dimensions, norms.affine)

    def enter(
        self,
        before: Tensor,
        previous: Tensor,
        through: Callable[[nn.Module, Tensor], Tensor] = lambda module, x: module(x),
    ) -> list[Tensor]:
        """Return the input states.

        Args:
            before: output of the cell before the previous one.
            previous: output of the previous cell.
            through: function that computes a module.
        """
        if self.input_states == 1:
            return [previous]
        return [through(self.preprocess0, before), through(self.preprocess1, previous)]

    def edge_stride(self, predecessor: int) -> tuple[int, ...]:
        """Return the stride of an edge: the cell's if it leaves an input, else 1."""
        return self.slot.stride if predecessor < self.input_states else (1,) * len(self.slot.stride)

    def node(self, number: int, total: Tensor) -> Tensor:
        """Return the node with the given number, from 0, whose edges sum up to ``total``."""
        return self.inner[number](total, total) if self.inner else total

    def combine(self, states: Sequence[Tensor], terms: Sequence[Tensor]) -> Tensor:
        """Return the sum of a node's terms, in order; zeros for a node without any."""
        if not terms:
            return Zero(self.slot.stride)(states[0])  # type: ignore[no-any-return]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total

    def joined(self, states: Sequence[Tensor]) -> Tensor:
        """Return the concatenation of states; a single one is not copied."""
        return states[0] if len(states) == 1 else torch.cat(list(states), dim=1)


class Cell(CellFrame):
    """A discrete cell.

    Args:
        genotype: its edges; edges with the operation ``none`` are omitted.
        slot: position of the cell in the network.
        inputs: inputs of the cell.
        norms: how its layers are normalised.
        partial: channels that pass through the operations.
        inner: the cells that are its nodes, if it is a stage graph.
    """

    def __init__(
        self,
        genotype: CellGenotype,
        slot: CellSlot,
        inputs: CellInputs,
        norms: Norms,
        partial: PartialChannels = ALL_CHANNELS,
        inner: Sequence[nn.Module] = (),
    ) -> None:
        super().__init__(slot, inputs, norms, partial, genotype.inputs, inner)
        self.concat = genotype.concat
        self.outputs = slot.width * len(genotype.concat)
        self.drop_path: float | Tensor = 0.0
        self.nodes = nn.ModuleList()
        self.predecessors: list[list[int]] = []
        self.operation_names: list[list[str]] = []
        for node in genotype.nodes:
            edges = sorted((e for e in node if e.operation != "none"), key=lambda e: e.predecessor)
            self.nodes.append(
                nn.ModuleList(
                    build(e.operation, self.edge_width, self.edge_stride(e.predecessor), norms) for e in edges
                )
            )
            self.predecessors.append([e.predecessor for e in edges])
            self.operation_names.append([e.operation for e in edges])

    @property
    def drops_paths(self) -> bool:
        """Whether drop path applies. A tensor is not read: the host would wait for the device."""
        return isinstance(self.drop_path, Tensor) or self.drop_path > 0

    def forward(self, before: Tensor, previous: Tensor) -> Tensor:
        """Compute the cell's output from those of the two cells before it."""
        states = self.enter(before, previous)
        for number, (operations, predecessors) in enumerate(zip(self.nodes, self.predecessors, strict=True)):
            terms = []
            for operation, predecessor in zip(operations, predecessors, strict=True):  # type: ignore[call-overload]
                through, past = self.partial.split(states[predecessor], self.edge_stride(predecessor))
                term = operation(through)
                if self.training and self.drops_paths and not isinstance(operation, nn.Identity):
                    term = drop_path(term, self.drop_path)
                terms.append(self.partial.merge(term, past))
            states.append(self.node(number, self.combine(states, terms)))
        return self.joined([states[state] for state in self.concat])
