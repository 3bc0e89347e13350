"""Discrete architectures as data: the result of a search and the description of a network.

A genotype is a versioned JSON document. Reading one checks its structure and executes nothing; its operations
are checked when it is compared with a space, or built:

.. code-block:: json

    {
      "schema": 1,
      "name": "DARTS_V2",
      "space": "darts",
      "cells": {
        "normal": {
          "inputs": 2,
          "nodes": [
            [["sep_conv_3x3", 0], ["sep_conv_3x3", 1]],
            [["sep_conv_3x3", 0], ["sep_conv_3x3", 1]]
          ],
          "concat": [2, 3]
        }
      }
    }

States are numbered as in the papers: the inputs of a cell come first (0 is the output of the cell
before the previous one, 1 that of the previous one), then its nodes in order.

If the cells of a stage are connected by a stage graph (H-DAS), ``"stages"`` holds these graphs in the form of
cells, whose nodes are whole cells.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from autodas.errors import AutodasError, GenotypeError, nearest
from autodas.limits import MOST_NODES
from autodas.notebook import drawn
from autodas.reading import MEBIBYTE, parse_json, read_text, shown
from autodas.writing import write_whole

SCHEMA = 1

LARGEST = MEBIBYTE
"""Largest size of a genotype file in bytes."""


class Edge(NamedTuple):
    """Kept edge: an operation and the state it reads."""

    operation: str
    predecessor: int


@dataclass(frozen=True)
class CellGenotype:
    """Discrete cell.

    Args:
        nodes: incoming edges of each node, in order. Node ``i`` is state ``inputs + i``.
        concat: states whose concatenation along the channels is the output of the cell.
        inputs: number of input states.
    """

    nodes: tuple[tuple[Edge, ...], ...]
    concat: tuple[int, ...]
    inputs: int = 2

    def edges(self) -> list[tuple[int, Edge]]:
        """Return ``(state, edge)`` of every kept edge, nodes in order, predecessors ascending."""
        return [
            (self.inputs + i, edge)
            for i, node in enumerate(self.nodes)
            for edge in sorted(node, key=lambda e: e.predecessor)
        ]


@dataclass(frozen=True)
class Genotype:
    """Discrete architecture: a cell for each kind.

    Args:
        cells: kind of cell, such as ``"normal"``, to the cell.
        name: name as free text.
        space: name of the architecture's cell space (see :mod:`autodas.spaces`), or ``None`` if no
            registered space contains it.
        stages: name of a stage graph, such as ``"stage1"``, to the graph; empty if cells are chained.

    Examples:
        >>> import autodas
        >>> edge = autodas.Edge("sep_conv_3x3", predecessor=0)
        >>> cell = autodas.CellGenotype(nodes=((edge, autodas.Edge("skip_connect", 1)),), concat=(2,))
        >>> autodas.Genotype({"normal": cell}).save("genotype.json")
        >>> autodas.Genotype.load("genotype.json").cells["normal"].edges()[0]
        (2, Edge(operation='sep_conv_3x3', predecessor=0))
    """

    cells: Mapping[str, CellGenotype]
    name: str = ""
    space: str | None = field(default=None)
    stages: Mapping[str, CellGenotype] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash((tuple(sorted(self.cells.items())), tuple(sorted(self.stages.items())), self.space))

    @property
    def parts(self) -> dict[str, CellGenotype]:
        """Cells and stage graphs by name."""
        return {**self.cells, **self.stages}

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document as plain Python data."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "space": self.space,
            **{
                key: {
                    kind: {
                        "inputs": cell.inputs,
                        "nodes": [[list(edge) for edge in node] for node in cell.nodes],
                        "concat": list(cell.concat),
                    }
                    for kind, cell in cells.items()
                }
                for key, cells in self._cells_by_key().items()
            },
        }

    def _cells_by_key(self) -> dict[str, Mapping[str, CellGenotype]]:
        return {"cells": self.cells, **({"stages": self.stages} if self.stages else {})}

    def to_json(self) -> str:
        """Return the document with one line per node, so that genotypes can be compared line by line."""
        document = self.to_dict()
        parts = [f'  "{key}": {_cells_json(document[key])}' for key in self._cells_by_key()]
        return (
            "{\n"
            f'  "schema": {SCHEMA},\n'
            f'  "name": {json.dumps(self.name)},\n'
            f'  "space": {json.dumps(self.space)},\n' + ",\n".join(parts) + "\n}\n"
        )

    @classmethod
    def from_json(cls, text: str, where: str = "genotype") -> Genotype:
        """Read and validate a document.

        Args:
            text: JSON document.
            where: name of the document in error messages, usually the path.

        Raises:
            GenotypeError: if the document is invalid; the message names the place.
        """
        try:
            document = parse_json(text, where)
        except AutodasError as error:
            raise GenotypeError(str(error)) from error
        return cls.from_dict(document, where)

    @classmethod
    def from_dict(cls, document: Any, where: str = "genotype") -> Genotype:
        """Validate plain Python data, as :meth:`from_json` does."""
        if not isinstance(document, dict) or "schema" not in document:
            raise GenotypeError(f"{where}: not a genotype (an object with 'schema' and 'cells' is expected)")
        if not _is_index(document["schema"]) or document["schema"] != SCHEMA:
            schema = shown(document["schema"])
            raise GenotypeError(
                f"{where}: schema {schema} is not supported, this version reads schema {SCHEMA}"
            )
        for key in document:
            if key not in _KEYS:
                raise GenotypeError(f"{where}: unknown key '{key}'{nearest(key, _KEYS)}")
        cells, stages = document.get("cells"), document.get("stages", {})
        if not isinstance(cells, dict) or not cells:
            raise GenotypeError(f"{where}: 'cells' must name at least one cell")
        if not isinstance(stages, dict) or ("stages" in document and not stages):
            raise GenotypeError(f"{where}: 'stages' must name at least one stage graph, or be left out")
        for key, kinds in (("cells", cells), ("stages", stages)):
            _check_length(kinds, f"{where}: {key}")
        both = sorted(set(cells) & set(stages))
        if both:
            raise GenotypeError(f"{where}: '{both[0]}' is both a cell and a stage graph")
        name, space = document.get("name", ""), document.get("space")
        if not isinstance(name, str) or not (space is None or isinstance(space, str)):
            raise GenotypeError(f"{where}: 'name' and 'space' must be text")
        return cls(
            cells={kind: _read_cell(cell, f"{where}: cells.{kind}") for kind, cell in cells.items()},
            name=name,
            space=space,
            stages={kind: _read_cell(graph, f"{where}: stages.{kind}") for kind, graph in stages.items()},
        )

    def _repr_svg_(self) -> str | None:
        """Return a drawing of the cells, for notebooks; ``None`` if drawing is not installed."""
        drawing: str | None = drawn("cells of a genotype", self)
        return drawing

    def _repr_html_(self) -> str:
        """Return the name and the cells, for notebooks; as text if drawing is not installed."""
        return str(drawn("genotype", self))

    def save(self, path: str | Path) -> None:
        """Write the document atomically to a file.

        Raises:
            AutodasError: if the file cannot be written.
        """
        write_whole(Path(path), self.to_json())

    @classmethod
    def load(cls, path: str | Path) -> Genotype:
        """Read and validate a genotype file.

        Raises:
            GenotypeError: if the file cannot be read or is invalid.
        """
        try:
            text = read_text(path, LARGEST)
        except AutodasError as error:
            reason = str(error).removeprefix(f"{path}: ").removeprefix("cannot be read: ")
            raise GenotypeError(f"{path}: cannot be read as a genotype: {reason}") from error
        return cls.from_json(text, str(path))


_KEYS = ["schema", "name", "space", "cells", "stages"]


def _cells_json(cells: Mapping[str, Any]) -> str:
    texts = []
    for kind, cell in cells.items():
        nodes = ",\n".join(f"        {json.dumps(node)}" for node in cell["nodes"])
        texts.append(
            f"    {json.dumps(kind)}: {{\n"
            f'      "inputs": {cell["inputs"]},\n'
            f'      "nodes": [\n{nodes}\n      ],\n'
            f'      "concat": {json.dumps(cell["concat"])}\n'
            "    }"
        )
    return "{\n" + ",\n".join(texts) + "\n  }"


def _read_cell(cell: Any, where: str) -> CellGenotype:
    if not isinstance(cell, dict):
        raise GenotypeError(f"{where}: an object with 'nodes' and 'concat' is expected")
    for key in cell:
        if key not in ("inputs", "nodes", "concat"):
            raise GenotypeError(f"{where}: unknown key '{key}'{nearest(key, ['inputs', 'nodes', 'concat'])}")
    inputs = cell.get("inputs", 2)
    if not _is_index(inputs) or inputs < 1:
        raise GenotypeError(f"{where}.inputs: a number of at least 1 is expected, found {shown(inputs)}")
    if inputs > MOST_NODES:
        raise GenotypeError(f"{where}.inputs: at most {MOST_NODES} are possible, found {shown(inputs)}")
    nodes = cell.get("nodes")
    if not isinstance(nodes, list) or not nodes:
        raise GenotypeError(f"{where}.nodes: a list with at least one node is expected")
    _check_length(nodes, f"{where}.nodes")
    read = tuple(_read_node(node, inputs + i, f"{where}.nodes[{i}]") for i, node in enumerate(nodes))
    concat = cell.get("concat")
    states = inputs + len(nodes)
    if not isinstance(concat, list) or not concat:
        raise GenotypeError(f"{where}.concat: a list with at least one state is expected")
    _check_length(concat, f"{where}.concat", 2 * MOST_NODES)
    for state in concat:
        if not _is_index(state) or not 0 <= state < states:
            raise GenotypeError(f"{where}.concat: state {shown(state)} is out of range 0..{states - 1}")
    if len(set(concat)) != len(concat):
        raise GenotypeError(f"{where}.concat: a state appears twice in {concat}")
    return CellGenotype(nodes=read, concat=tuple(concat), inputs=inputs)


def _read_node(node: Any, state: int, where: str) -> tuple[Edge, ...]:
    if not isinstance(node, list):
        raise GenotypeError(f"{where}: a list of [operation, predecessor] pairs is expected")
    _check_length(node, where)
    edges = []
    for j, edge in enumerate(node):
        place = f"{where}[{j}]"
        if not isinstance(edge, list) or len(edge) != 2 or not isinstance(edge[0], str):
            raise GenotypeError(f"{place}: [operation, predecessor] is expected, found {shown(edge)}")
        operation, predecessor = edge
        if not _is_index(predecessor) or not 0 <= predecessor < state:
            raise GenotypeError(
                f"{place}: predecessor {shown(predecessor)} is out of range, "
                f"state {state} can read 0..{state - 1}"
            )
        edges.append(Edge(operation, predecessor))
    return tuple(edges)


def _check_length(items: Any, where: str, most: int = MOST_NODES) -> None:
    if len(items) > most:
        raise GenotypeError(f"{where}: at most {most} are possible, found {len(items):,}")


def _is_index(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
