"""The supernet: a skeleton filled with relaxed cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.networks import CellInputs, CellStack, Network, build, partial_channels_for
from autodas.spaces import CellSlot, Space
from autodas.supernet._cell import Engine, SupernetCell, edge_name
from autodas.supernet._fused import FusedEngine
from autodas.supernet._mixture import Alive, Mixture
from autodas.supernet._reference import ReferenceEngine

ENGINES: dict[str, Callable[[], Engine]] = {"reference": ReferenceEngine, "fused": FusedEngine}
"""How relaxed cells are computed; each cell gets an engine of its own."""


def get_engine(name: str) -> Callable[[], Engine]:
    """Return what makes an engine.

    Raises:
        AutodasError: if none has that name; those that there are are named.
    """
    if name not in ENGINES:
        raise AutodasError(f"unknown engine '{name}'; the engines are {', '.join(ENGINES)}")
    return ENGINES[name]


class Supernet(CellStack):
    """The relaxed network that holds all candidates. ``supernet(x, mixture)`` returns logits.

    Args:
        space: what is searched, with the skeleton's K, C1 and C2.
        classes: number of classes.
        channels: channels of the pictures.
        engine: a name from :data:`ENGINES`.
        partial_channels: one channel in so many goes through the candidates of an edge, the others past
            them (:class:`autodas.operations.PartialChannels`); 1 for all of them. The edge factor of a
            mixture multiplies what goes past too, the weights of candidates do not; an edge on which
            nothing but ``none`` is active carries nothing at all.
        checkpoint: whether to keep only the inputs of cells for the backward pass, which then computes
            each cell again: same results to the bit, less memory, more time.

    Raises:
        AutodasError: if no engine has that name, or partial channels do not fit the skeleton's C2.
    """

    def __init__(
        self,
        space: Space,
        *,
        classes: int = 10,
        channels: int = 3,
        engine: str = "reference",
        partial_channels: int = 1,
        checkpoint: bool = False,
    ) -> None:
        make_engine = get_engine(engine)
        partial = partial_channels_for(space.skeleton, partial_channels)

        def make_cell(slot: CellSlot, inputs: CellInputs) -> SupernetCell:
            return SupernetCell(space.cell, slot, inputs, make_engine(), partial, checkpoint)

        super().__init__(space.skeleton, make_cell, classes, channels)
        self.space = space
        self.engine = engine
        self.partial_channels = partial_channels
        self.to_memory_format()

    def forward(self, x: Tensor, mixture: Mixture) -> Tensor:
        """Return logits.

        Args:
            x: pictures, shape (batch, channels, height, width).
            mixture: how each kind of cell mixes its candidates.
        """
        return self.classify(self.features(x, mixture))

    def prune(self, alive: Mapping[str, Alive]) -> None:
        """Give up for good, in all cells, what is not alive.

        Parameters and statistics leave memory and later checkpoints; the optimisers have to let go of
        them as well.
        """
        for cell in self.relaxed_cells():
            cell.prune(alive[cell.slot.kind])

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over all parameters and statistics of a supernet that was pruned alike.

        Raises:
            AutodasError: if it was not.
        """
        try:
            self.load_state_dict(dict(tensors))
        except RuntimeError as error:
            raise AutodasError("the weights belong to another supernet, or to another state of it") from error

    @contextmanager
    def computed_by(self, engine: str) -> Iterator[None]:
        """Compute with another engine for a while; parameters and statistics stay the same."""
        make_engine = get_engine(engine)
        own = [cell.engine for cell in self.relaxed_cells()]
        for cell in self.relaxed_cells():
            cell.engine = make_engine()
        try:
            yield
        finally:
            for cell, kept in zip(self.relaxed_cells(), own, strict=True):
                cell.engine = kept

    def relaxed_cells(self) -> list[SupernetCell]:
        """Return the cells."""
        return list(self.cells)  # type: ignore[arg-type]

    def extract(self, genotype: Genotype) -> Network:
        """Return the discrete network of a genotype in search form, with this supernet's weights.

        Its logits equal those of the reference engine under the genotype's mixture to the bit.

        Raises:
            AutodasError: if an operation of the genotype has been pruned.
        """
        # The fresh weights are thrown away: they must not change what random numbers come next.
        with torch.random.fork_rng(devices=[]):
            network = build(
                genotype,
                self.skeleton,
                classes=self.classes,
                channels=self.channels,
                form="search",
                partial_channels=self.partial_channels,
            )
        network.to(next(self.parameters()))
        source = self.state_dict()
        target = network.state_dict()
        for name in target:
            target[name] = _source(source, name, genotype, self)
        network.to(next(self.parameters()))  # device and precision, before anything is copied
        network.load_state_dict(target)
        return network.train(self.training)


def _source(source: Mapping[str, Tensor], name: str, genotype: Genotype, supernet: Supernet) -> Tensor:
    """Find the supernet's tensor for ``cells.I.nodes.N.E.REST``, edge E of node N; other names are equal."""
    parts = name.split(".")
    if parts[0] == "cells" and parts[2] == "nodes":
        index, node, position = int(parts[1]), int(parts[3]), int(parts[4])
        cell = supernet.relaxed_cells()[index]
        edges = sorted(
            (e for e in genotype.cells[cell.slot.kind].nodes[node] if e.operation != "none"),
            key=lambda e: e.predecessor,
        )
        edge = edges[position]
        place = edge_name(edge.predecessor, cell.space.inputs + node)
        name = ".".join(["cells", parts[1], "edges", place, edge.operation, *parts[5:]])
    if name not in source:
        raise AutodasError(f"the supernet no longer holds '{name}', which the genotype needs")
    return source[name]
