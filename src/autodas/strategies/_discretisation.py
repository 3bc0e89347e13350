"""The decisions taken so far, edge by edge and node by node. No torch."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from autodas.genotype import CellGenotype, Genotype
from autodas.spaces import Alive, CellSpace, all_alive, cell_of, count_alive


@dataclass(frozen=True)
class Decision:
    """One one-step discretisation, as in the event log.

    Args:
        step: its number, from 1.
        kind: cell kind.
        what: ``"edge"``, ``"node"`` or ``"length"``.
        detail: for an edge ``{"edge": [predecessor, state], "operation": name}``; for a node
            ``{"state": s, "kept": [predecessors], "removed": [predecessors]}``; for the number of nodes
            ``{"nodes": n}``.
        priority: margin of the choice: a difference of weights, in [0, 1].
        remaining: number of architectures that are still possible.
    """

    step: int
    kind: str
    what: str
    detail: Mapping[str, Any]
    priority: float
    remaining: int


class Discretisation:
    """State of the decisions in all cell kinds.

    Args:
        cell: the cell space.
        kinds: cell kinds, which share one queue.
        candidates: for each kind, the candidates that can be chosen; all by default.
    """

    def __init__(
        self, cell: CellSpace, kinds: Sequence[str], candidates: Mapping[str, Alive] | None = None
    ) -> None:
        self.cell = cell
        self.kinds = tuple(kinds)
        self.candidates = candidates or {kind: all_alive(cell) for kind in kinds}
        self.operation: dict[str, dict[int, int]] = {kind: {} for kind in kinds}
        """Column of the operation of every resolved edge."""
        self.kept: dict[str, dict[int, tuple[int, ...]]] = {kind: {} for kind in kinds}
        """Edges that every decided node keeps."""

    @property
    def done(self) -> int:
        """Number of one-step discretisations so far."""
        return sum(len(self.operation[kind]) + len(self.kept[kind]) for kind in self.kinds)

    @property
    def total(self) -> int:
        """M, the number of one-step discretisations until one architecture remains."""
        return self.cell.steps * len(self.kinds)

    def open_edges(self) -> Iterable[tuple[str, int]]:
        """Yield ``(kind, edge)`` of every unresolved edge, in the fixed order of kinds and edges."""
        for kind in self.kinds:
            for edge in range(len(self.cell.edges)):
                if edge not in self.operation[kind]:
                    yield kind, edge

    def open_nodes(self) -> Iterable[tuple[str, int]]:
        """Yield ``(kind, state)`` of every undecided node all of whose edges are resolved."""
        for kind in self.kinds:
            for state in self.cell.states:
                if (
                    self.cell.must_choose_edges(state)
                    and state not in self.kept[kind]
                    and self.node_resolved(kind, state)
                ):
                    yield kind, state

    def node_resolved(self, kind: str, state: int) -> bool:
        """Return whether all edges into a state are resolved."""
        return all(edge in self.operation[kind] for edge in self.cell.incoming(state))

    def node_decided(self, kind: str, state: int) -> bool:
        """Return whether nothing is left to decide about a state, so that it is a plain sum."""
        if self.cell.must_choose_edges(state):
            return state in self.kept[kind]
        return self.node_resolved(kind, state)

    def fix_edge(self, kind: str, edge: int, column: int, priority: float) -> Decision:
        """Resolve an edge: only the operation in that column remains."""
        self.operation[kind][edge] = column
        detail = {"edge": list(self.cell.edges[edge]), "operation": self.cell.operations[column]}
        return Decision(self.done, kind, "edge", detail, priority, self.remaining())

    def fix_node(self, kind: str, state: int, kept: Sequence[int], priority: float) -> Decision:
        """Decide a node: only the given edges remain."""
        self.kept[kind][state] = tuple(sorted(kept))
        predecessors = {edge: self.cell.edges[edge][0] for edge in self.cell.incoming(state)}
        detail = {
            "state": state,
            "kept": [p for edge, p in predecessors.items() if edge in kept],
            "removed": [p for edge, p in predecessors.items() if edge not in kept],
        }
        return Decision(self.done, kind, "node", detail, priority, self.remaining())

    def alive(self) -> dict[str, Alive]:
        """Return the candidates that can still be part of the result."""
        return {kind: self._alive(kind) for kind in self.kinds}

    def _alive(self, kind: str) -> Alive:
        rows = []
        for edge, (_, state) in enumerate(self.cell.edges):
            column = self.operation[kind].get(edge)
            removed = state in self.kept[kind] and edge not in self.kept[kind][state]
            rows.append(
                tuple(
                    there and not removed and (column is None or o == column)
                    for o, there in enumerate(self.candidates[kind][edge])
                )
            )
        return tuple(rows)

    def remaining(self) -> int:
        """Return the number of architectures that are still possible, over all kinds."""
        return prod(count_alive(self.cell, alive) for alive in self.alive().values())

    def genotype(self, name: str) -> Genotype:
        """Return the architecture, once everything is decided."""
        return Genotype(self.cells(), name, self.cell.genotype_space)

    def cells(self) -> dict[str, CellGenotype]:
        """Return the cell of every kind, once everything is decided."""
        assert self.done == self.total, "the search is not finished"
        cells = {}
        for kind in self.kinds:
            chosen, kept = self.operation[kind], self.kept[kind]
            edges = [e for state in self.cell.states for e in kept.get(state, self.cell.incoming(state))]
            cells[kind] = cell_of({edge: chosen[edge] for edge in edges}, self.cell)
        return cells

    def state_dict(self) -> dict[str, Any]:
        """Return the decisions as plain data."""
        return {
            kind: {"operation": dict(self.operation[kind]), "kept": dict(self.kept[kind])}
            for kind in self.kinds
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the decisions of :meth:`state_dict`.

        Raises:
            ValueError: if they are not decisions of this space.
        """
        edges, columns = range(len(self.cell.edges)), range(len(self.cell.operations))
        for kind in self.kinds:
            operation = dict(state[kind]["operation"])
            kept = {node: tuple(own) for node, own in state[kind]["kept"].items()}
            _check_numbers(operation, edges)
            _check_numbers(operation.values(), columns)
            _check_numbers(kept, self.cell.states)
            for node, own in kept.items():
                _check_numbers(own, self.cell.incoming(node))
            self.operation[kind], self.kept[kind] = operation, kept


def _check_numbers(numbers: Iterable[object], allowed: Container[int]) -> None:
    for number in numbers:
        if type(number) is not int or number not in allowed:
            raise ValueError(f"{number} is not one of the decisions of this space")
