"""The relaxed cell: the modules of all candidates. Computing with them is left to the engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from autodas.networks import CellFrame, CellInputs
from autodas.operations import ALL_CHANNELS, SEARCH_NORMS, Norms, PartialChannels, build
from autodas.spaces import OPERATIONS, Alive, CellSlot, CellSpace
from autodas.supernet._checkpoint import computed_twice
from autodas.supernet._mixture import CellMixture, Mixture


class Engine(Protocol):
    """Computation of a relaxed cell. Engines differ in speed and memory, not in results."""

    def __call__(self, cell: SupernetCell, before: Tensor, previous: Tensor, mixture: CellMixture) -> Tensor:
        """Return the output of a cell, from the outputs of the two cells before it."""
        ...

    def forget(self, cell: SupernetCell, alive: Alive) -> None:
        """Drop everything cached about candidates that are not alive: they are about to be pruned."""
        ...


class SupernetCell(CellFrame):
    """Relaxed cell with all candidates, as modules ``edges["0-2"]["sep_conv_3x3"]`` (edge 0 -> 2).

    All engines use its parameters, under the same names.

    Args:
        space: the cell space.
        slot: position of the cell in the network.
        inputs: inputs of the cell.
        engine: engine that computes it.
        partial: channels that pass through the candidates.
        checkpoint: whether only the inputs are kept for the backward pass, which recomputes the cell.
        norms: how its layers are normalised.
        inner: the cells that are its nodes, if it is a stage graph.
    """

    def __init__(
        self,
        space: CellSpace,
        slot: CellSlot,
        inputs: CellInputs,
        engine: Engine,
        partial: PartialChannels = ALL_CHANNELS,
        checkpoint: bool = False,
        norms: Norms = SEARCH_NORMS,
        inner: Sequence[nn.Module] = (),
    ) -> None:
        super().__init__(slot, inputs, norms, partial, space.inputs, inner)
        self.space = space
        self.engine = engine
        self.checkpoint = checkpoint
        self.outputs = slot.width * len(space.concat)
        self.edges = nn.ModuleDict()
        for predecessor, state in space.edges:
            stride = self.edge_stride(predecessor)
            self.edges[edge_name(predecessor, state)] = nn.ModuleDict(
                {
                    name: build(name, self.edge_width, stride, norms)
                    for name in space.operations
                    if name != "none"
                }
            )

    def forward(self, before: Tensor, previous: Tensor, mixture: Mixture) -> Tensor:
        """Return the cell's output, computed under the mixture of its kind."""
        own = mixture[self.slot.part]
        if self.checkpoint and torch.is_grad_enabled():
            # Operations of the user may draw random numbers.
            random = bool(own.noise) or any(name not in OPERATIONS for name in self.space.operations)
            return computed_twice(self, self.engine, self, before, previous, own, random=random)
        return self.engine(self, before, previous, own)

    def output(self, states: Sequence[Tensor], weights: Tensor | None) -> Tensor:
        """Return the output: the concatenation of the states given by the space.

        Args:
            states: inputs and nodes.
            weights: weights of the outputs after each number of nodes, if their number is searched.
        """
        if weights is None:
            return self.joined([states[state] for state in self.space.concat])
        total: Tensor | None = None
        for weight, length in zip(weights.unbind(), self.space.lengths, strict=True):
            end = weight * self.joined([states[state] for state in self.space.concat_of(length)])
            total = end if total is None else total + end
        assert total is not None
        return total

    def candidates(self, edge: int) -> nn.ModuleDict:
        """Return the modules of an edge, by operation name."""
        return self.edges[edge_name(*self.space.edges[edge])]  # type: ignore[return-value]

    def active(self, edge: int, mask: Alive) -> Iterator[tuple[int, nn.Module]]:
        """Yield the column and the module of every candidate of an edge that is active in a mask."""
        modules = self.candidates(edge)
        for column, name in enumerate(self.space.operations):
            if mask[edge][column] and name != "none":
                yield column, modules[name]

    def prune(self, alive: Alive) -> None:
        """Permanently remove candidates that are not alive, with their parameters and statistics."""
        self.engine.forget(self, alive)
        for edge in range(len(self.space.edges)):
            modules = self.candidates(edge)
            for column, name in enumerate(self.space.operations):
                if not alive[edge][column] and name in modules:
                    del modules[name]


def edge_name(predecessor: int, state: int) -> str:
    """Return the name of an edge in parameter names and checkpoints."""
    return f"{predecessor}-{state}"
