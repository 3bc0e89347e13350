"""The graph of a searched cell: existing edges and valid genotypes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from autodas.errors import GenotypeError
from autodas.genotype import CellGenotype, Edge, Genotype


@dataclass(frozen=True)
class CellSpace:
    """Space of the choices within one cell.

    Args:
        name: name by which genotypes refer to it.
        operations: candidate operations of every edge, in the order of the architecture
            parameters' columns.
        nodes: number of intermediate nodes.
        inputs: number of input states.
        kept: number of incoming edges of a genotype's node: a number k (a node with fewer
            predecessors keeps them all), ``"all"``, or ``"any"`` number including none.
        none_is_a_choice: whether a genotype may contain the operation ``none``. If not, ``none`` only takes
            part in the relaxation and is never chosen.
        repeats: whether a node may read the same predecessor more than once (hand-made cells).
        window: number of preceding states that a node may read; ``None`` for all of them.
        output_nodes: number of nodes, counted from the last one, that the output concatenates; ``None`` for
            all.
        lengths: possible numbers of nodes, ascending, if that number is searched, too; the last of
            them is ``nodes``.
        dimensions: dimensions of the maps of its operations: 2 for images, 3 for video.
        altered: whether its operations differ from those of the space of this name.
    """

    name: str
    operations: tuple[str, ...]
    nodes: int = 4
    inputs: int = 2
    kept: int | Literal["all", "any"] = 2
    none_is_a_choice: bool = False
    repeats: bool = False
    window: int | None = None
    output_nodes: int | None = None
    lengths: tuple[int, ...] = ()
    dimensions: int = 2
    altered: bool = False

    @property
    def genotype_space(self) -> str | None:
        """Name by which genotypes refer to it; ``None`` for a space that is only known to its search."""
        return None if self.altered else self.name

    @cached_property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """All edges as ``(predecessor, state)``: by state, then by predecessor."""
        return tuple((p, s) for s in self.states for p in self.predecessors(s))

    @property
    def states(self) -> range:
        """The states that are intermediate nodes."""
        return range(self.inputs, self.inputs + self.nodes)

    @property
    def concat(self) -> tuple[int, ...]:
        """The states whose concatenation is the output of a cell."""
        return self.concat_of(self.nodes)

    def concat_of(self, nodes: int) -> tuple[int, ...]:
        """Return the states that are the output of a cell with the given number of nodes."""
        return tuple(self.states[nodes - (self.output_nodes or nodes) : nodes])

    def predecessors(self, state: int) -> range:
        """Return the states that a node may read."""
        return range(max(0, state - (self.window or state)), state)

    def incoming(self, state: int) -> list[int]:
        """Return the indices, into :attr:`edges`, of the edges that enter a state."""
        return [i for i, (_, s) in enumerate(self.edges) if s == state]

    @cached_property
    def choices(self) -> tuple[str, ...]:
        """The operations that may be chosen on an edge."""
        if self.none_is_a_choice:
            return self.operations
        return tuple(o for o in self.operations if o != "none")

    def kept_edges(self, state: int) -> int:
        """Return the maximum number of edges that a node keeps."""
        predecessors = len(self.predecessors(state))
        if not isinstance(self.kept, int):
            return predecessors
        return self.kept if self.repeats else min(self.kept, predecessors)

    def must_choose_edges(self, state: int) -> bool:
        """Return whether a node has more predecessors than it keeps, so that edges compete."""
        return isinstance(self.kept, int) and len(self.predecessors(state)) > self.kept

    @property
    def steps(self) -> int:
        """One-step discretisations of one cell: its edges, and its nodes with more than k predecessors."""
        return len(self.edges) + sum(self.must_choose_edges(s) for s in self.states)

    def validate(self, genotype: Genotype, where: str = "genotype") -> None:
        """Check that a genotype belongs to this space.

        Raises:
            GenotypeError: if it does not; the message names the place.
        """
        for kind, cell in genotype.cells.items():
            self.validate_cell(cell, f"{where}: cells.{kind}")

    def validate_cell(self, cell: CellGenotype, place: str) -> None:
        """Check that one discrete cell belongs to this space.

        Raises:
            GenotypeError: if it does not; the message names the place.
        """
        count = len(cell.nodes)
        if cell.inputs != self.inputs or count not in (self.lengths or (self.nodes,)):
            raise GenotypeError(
                f"{place}: {cell.inputs} inputs and {count} nodes, "
                f"but space '{self.name}' has {self.inputs} and {self.nodes}"
            )
        if not self.repeats and cell.concat != self.concat_of(count):
            nodes = "all nodes" if self.output_nodes is None else f"the last {self.output_nodes} of its nodes"
            raise GenotypeError(
                f"{place}.concat: space '{self.name}' concatenates {nodes}, "
                f"{list(self.concat_of(count))}, "
                f"found {list(cell.concat)}"
            )
        for i, node in enumerate(cell.nodes):
            self._validate_node(node, self.inputs + i, f"{place}.nodes[{i}]")

    def _validate_node(self, node: tuple[Edge, ...], state: int, place: str) -> None:
        for number, edge in enumerate(node):
            where = f"{place}[{number}]"
            if edge.operation not in self.choices:
                raise GenotypeError(
                    f"{where}: operation '{edge.operation}' is not in space '{self.name}' "
                    f"({', '.join(self.choices)})"
                )
            if edge.predecessor not in self.predecessors(state):
                raise GenotypeError(
                    f"{where}: state {state} reads state {edge.predecessor}, but in space '{self.name}' it "
                    f"only reads the {self.window} states before it"
                )
        if not self.repeats and len({edge.predecessor for edge in node}) != len(node):
            raise GenotypeError(f"{place}: a predecessor is repeated")
        expected = self.kept_edges(state)
        if self.kept != "any" and len(node) != expected:
            raise GenotypeError(
                f"{place}: {len(node)} edges, but a node with {len(self.predecessors(state))} predecessors "
                f"keeps {expected} "
                f"in space '{self.name}'"
            )
