"""The supernet: a skeleton filled with relaxed cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn

from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.networks import (
    Cell,
    CellInputs,
    CellStack,
    Network,
    build,
    cell_norms,
    cells_of_graph,
    check_cells,
    graph_slot,
    partial_channels_for,
)
from autodas.spaces import Alive, CellSlot, Skeleton, Space, fit_skeleton
from autodas.supernet._cell import Engine, SupernetCell, edge_name
from autodas.supernet._mixture import Mixture
from autodas.supernet._reference import ReferenceEngine
from autodas.supernet.fused._engine import FusedEngine

ENGINES: dict[str, Callable[[], Engine]] = {"reference": ReferenceEngine, "fused": FusedEngine}
"""Factories of engines, which compute relaxed cells; each cell gets its own engine."""


def get_engine(name: str) -> Callable[[], Engine]:
    """Return the factory of an engine.

    Raises:
        AutodasError: if the name is unknown; the message names the engines.
    """
    if name not in ENGINES:
        raise AutodasError(f"unknown engine '{name}'; the engines are {', '.join(ENGINES)}")
    return ENGINES[name]


class Supernet(CellStack):
    """Relaxed network that contains all candidates. ``supernet(x, mixture)`` returns logits.

    Args:
        space: the search space, with the skeleton's K, C1 and C2.
        classes: number of classes.
        channels: number of channels of the images or frames.
        engine: a name from :data:`ENGINES`.
        partial_channels: K, if 1/K of the channels pass through the candidates of an edge and the others
            bypass them (:class:`autodas.operations.PartialChannels`); 1 for all of them. The edge factor of a
            mixture also multiplies the bypassing channels, the weights of candidates do not; an edge on which
            only ``none`` is active contributes nothing.
        checkpoint: whether to recompute cells in the backward pass, for which only their inputs are kept: the
            same results bit for bit, less memory, more time.
        cells: if stage graphs are searched (:func:`autodas.spaces.stage_space`), the cells that they wire and
            that stand between them; their weights are trained, their architecture is given.

    Raises:
        AutodasError: if the engine is unknown, partial channels do not fit the skeleton's C2, or the given
            cells do not fit the skeleton.

    Examples:
        >>> import autodas, torch
        >>> from autodas.supernet import mixture_of
        >>> from autodas.spaces import all_alive
        >>> space = autodas.get_space("cifar-o2d").with_size(K=0, C1=4, C2=8)
        >>> mixture = mixture_of({kind: all_alive(space.cell) for kind in space.kinds})
        >>> autodas.Supernet(space, classes=4)(torch.zeros(2, 3, 16, 16), mixture).shape
        torch.Size([2, 4])
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
        cells: Genotype | None = None,
    ) -> None:
        make_engine = get_engine(engine)
        skeleton = _filled(space, cells)
        partial = partial_channels_for(skeleton, partial_channels)

        def make_cell(slot: CellSlot, inputs: CellInputs) -> nn.Module:
            norms = cell_norms(skeleton, "search", slot)
            inner: list[Cell] = []
            if cells is not None:
                if slot.graph is None:
                    return Cell(cells.cells[slot.kind], slot, inputs, norms)
                inner = cells_of_graph(skeleton, cells, slot, space.cell.nodes)
                slot = graph_slot(slot, cells.cells[slot.kind])
            return SupernetCell(
                space.cell, slot, inputs, make_engine(), partial, checkpoint, norms=norms, inner=inner
            )

        super().__init__(skeleton, make_cell, classes, channels)
        self.space = space
        self.engine = engine
        self.partial_channels = partial_channels
        self.to_memory_format()

    def forward(self, x: Tensor, mixture: Mixture) -> Tensor:
        """Return logits.

        Args:
            x: images, shape (batch, channels, height, width), or clips.
            mixture: mixture of each cell kind.
        """
        return self.classify(self.features(x, mixture))

    def run_cell(self, cell: nn.Module, before: Tensor, previous: Tensor, *arguments: Mixture) -> Tensor:
        """Return the output of one cell; the mixture is passed to relaxed cells only."""
        given = arguments if isinstance(cell, SupernetCell) else ()
        return cell(before, previous, *given)  # type: ignore[no-any-return]

    def prune(self, alive: Mapping[str, Alive]) -> None:
        """Permanently remove candidates that are not alive from all cells.

        Parameters and statistics are removed from memory and later checkpoints; the optimisers must drop them
        as well.
        """
        for cell in self.relaxed_cells():
            cell.prune(alive[cell.slot.part])

    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Load all parameters and statistics of a supernet that was pruned in the same way.

        Raises:
            AutodasError: if they do not fit.
        """
        try:
            self.load_state_dict(dict(tensors))
        except RuntimeError as error:
            raise AutodasError("the weights belong to another supernet, or to another state of it") from error

    @contextmanager
    def computed_by(self, engine: str) -> Iterator[None]:
        """Temporarily compute with another engine; parameters and statistics are shared."""
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
        """Return the cells that are searched, or the stage graphs, without blocks and given cells."""
        return [cell for cell in self.cells if isinstance(cell, SupernetCell)]

    def extract(self, genotype: Genotype) -> Network:
        """Return the discrete network of a genotype in search form, with this supernet's weights.

        Its logits equal those of the reference engine under the genotype's mixture bit for bit.

        Raises:
            AutodasError: if an operation of the genotype has been pruned.
        """
        # The initial weights are discarded: they must not advance the random number generator.
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


def _filled(space: Space, cells: Genotype | None) -> Skeleton:
    """Return a space's skeleton, in the form required by given cells, if there are any."""
    if cells is None:
        if space.skeleton.graphs:
            raise AutodasError(f"space '{space.name}' wires given cells, but none are given")
        return space.skeleton
    if not space.skeleton.graphs:
        raise AutodasError(f"space '{space.name}' searches cells and does not accept given ones")
    skeleton = fit_skeleton(space.skeleton, replace(cells, stages={}))
    check_cells(cells, skeleton)
    return skeleton


def _source(source: Mapping[str, Tensor], name: str, genotype: Genotype, supernet: Supernet) -> Tensor:
    """Return the supernet's tensor for ``cells.I.nodes.N.E.REST`` (edge E of node N); other names agree."""
    parts = name.split(".")
    cell = supernet.cells[int(parts[1])] if parts[0] == "cells" else None
    if isinstance(cell, SupernetCell) and parts[2] == "nodes":
        node, position = int(parts[3]), int(parts[4])
        edges = sorted(
            (e for e in genotype.parts[cell.slot.part].nodes[node] if e.operation != "none"),
            key=lambda e: e.predecessor,
        )
        edge = edges[position]
        place = edge_name(edge.predecessor, cell.space.inputs + node)
        name = ".".join(["cells", parts[1], "edges", place, edge.operation, *parts[5:]])
    if name not in source:
        raise AutodasError(f"the supernet no longer contains '{name}', which the genotype needs")
    return source[name]
