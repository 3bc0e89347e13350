"""Additive tables of costs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from autodas.costs._live import chosen_columns, live_columns
from autodas.costs._setting import NetworkSetting
from autodas.errors import AutodasError, GenotypeError
from autodas.genotype import CellGenotype, Genotype
from autodas.reading import (
    MAPPING,
    MEBIBYTE,
    TEXT,
    TRUTH,
    Fields,
    Items,
    Number,
    Optional,
    Values,
    Whole,
    parse_json,
    read_text,
)
from autodas.spaces import CellSpace, get_cell_space
from autodas.writing import write_whole

SCHEMA = 1
_LARGEST = 16 * MEBIBYTE

_SHAPE = Fields(
    {
        "schema": Whole(1),
        "metric": TEXT,
        "space": TEXT,
        "operations": Items(TEXT, 1, 1000),
        "constant": Number(),
        "costs": Values(Values(Values(Number()))),
    },
    {"network": Optional(MAPPING), "device": MAPPING, "fit": MAPPING, "dead_parts": TRUTH},
)

Rows = Sequence[Sequence[float]]


@dataclass(frozen=True)
class CostTable:
    r"""Costs of the operations on all edges of a cell space, on a device, in networks of one setting.

    The predicted cost of a network is

    .. math:: c_0 + \sum_{k} \sum_{(e, o) \in k} c_{k,e,o}

    over its kinds of cells k and their edges e with operations o; the cost of a kind is that of all its cells
    together. Edges that do not contribute to a cell's output count only if the device computes them.

    Args:
        metric: what is measured, with its unit: ``latency_ms``, ``energy_mj``, ``peak_mib``, ...
        cell: the cell space.
        costs: for each kind of cell, the costs of all candidates: edges x operations, in the unit of the
            metric.
        constant: c_0, the cost of everything but the cells.
        setting: setting of the networks; ``None`` if it is unknown.
        device: description of the device and of the measurement, as plain data.
        fit: facts about the fit, as plain data: number of networks, errors on networks held out.
        name: name for messages.
        dead_parts: whether edges count that do not contribute to a cell's output (see :func:`live_columns`).

    Raises:
        AutodasError: if the numbers of edges and operations are not those of the space.
    """

    metric: str
    cell: CellSpace
    costs: Mapping[str, Rows]
    constant: float
    setting: NetworkSetting | None = None
    device: Mapping[str, Any] = field(default_factory=dict)
    fit: Mapping[str, Any] = field(default_factory=dict)
    name: str = "table"
    dead_parts: bool = False

    def __post_init__(self) -> None:
        size = len(self.cell.edges), len(self.cell.operations)
        for kind, rows in self.costs.items():
            if len(rows) != size[0] or any(len(row) != size[1] for row in rows):
                raise AutodasError(
                    f"{self.name}: {kind}: {size[0]} edges x {size[1]} operations are expected"
                )

    @property
    def unit(self) -> str:
        """Unit of the costs: the end of the metric's name, such as ``ms``; empty if it has none."""
        _, line, end = self.metric.rpartition("_")
        return end if line and end.isalpha() else ""

    def predict(self, genotype: Genotype) -> float:
        """Return the predicted cost of the network of an architecture, in the unit of the metric.

        Raises:
            GenotypeError: if the architecture is of another space, or lacks a kind of cell.
        """
        self.check_space(genotype)
        return self.constant + sum(
            rows[edge][column]
            for kind, rows in self.costs.items()
            for edge, column in self.columns(genotype.cells[kind]).items()
        )

    def columns(self, genotype: CellGenotype) -> dict[int, int]:
        """Return the edges of a discrete cell that count, each with the column of its operation."""
        return (chosen_columns if self.dead_parts else live_columns)(genotype, self.cell)

    def check_space(self, genotype: Genotype) -> None:
        """Check that the table describes the cells of an architecture.

        Raises:
            GenotypeError: if it does not.
        """
        if genotype.stages:
            raise GenotypeError(f"{self.name}: has costs of cells, but the genotype has stage graphs")
        if missing := [kind for kind in self.costs if kind not in genotype.cells]:
            raise GenotypeError(f"{self.name}: has costs of {missing[0]} cells, which the genotype lacks")
        if more := [kind for kind in genotype.cells if kind not in self.costs]:
            raise GenotypeError(f"{self.name}: has no costs of {more[0]} cells, which the genotype has")
        self.cell.validate(genotype, f"{self.name}: the genotype")

    def check_setting(self, cell: CellSpace, setting: NetworkSetting) -> None:
        """Check that the table describes networks of a setting with cells of a space.

        Raises:
            AutodasError: if it was made for another space, skeleton or input; the message names the
                difference.
        """
        if cell.name != self.cell.name:
            raise AutodasError(
                f"{self.name}: has costs of cells of space '{self.cell.name}', not of '{cell.name}'"
            )
        if cell.operations != self.cell.operations:
            theirs, own = (", ".join(each) for each in (self.cell.operations, cell.operations))
            raise AutodasError(f"{self.name}: has costs of the operations {theirs}, not of {own}")
        if self.setting is not None and (differences := self.setting.differences(setting)):
            raise AutodasError(
                f"{self.name}: was measured for another network: {'; '.join(differences)}; measure networks "
                "of this one (autodas device sample), or change the network that is searched for"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON document as plain data."""
        return {
            "schema": SCHEMA,
            "metric": self.metric,
            "space": self.cell.name,
            "operations": list(self.cell.operations),
            "network": None if self.setting is None else self.setting.to_dict(),
            "device": dict(self.device),
            "fit": dict(self.fit),
            "dead_parts": self.dead_parts,
            "constant": self.constant,
            "costs": {
                kind: {
                    _edge(edge): dict(zip(self.cell.operations, map(float, row), strict=True))
                    for edge, row in zip(self.cell.edges, rows, strict=True)
                }
                for kind, rows in self.costs.items()
            },
        }

    def save(self, path: str | Path) -> None:
        """Write the table as JSON.

        Raises:
            AutodasError: if the file cannot be written.
        """
        write_whole(Path(path), json.dumps(self.to_dict(), indent=1) + "\n")


def read_table(path: str | Path) -> CostTable:
    """Read a table of :meth:`CostTable.save`.

    Raises:
        AutodasError: if the file cannot be read, or an entry is missing or invalid; the message names it.
    """
    where = str(path)
    document = parse_json(read_text(path, _LARGEST), where)
    _SHAPE.check(document, where)
    if document["schema"] != SCHEMA:
        raise AutodasError(
            f"{where}: schema {document['schema']} is not supported, this version reads schema {SCHEMA}"
        )
    cell = get_cell_space(document["space"])
    if (operations := tuple(document["operations"])) != cell.operations:
        cell = replace(cell, operations=operations, altered=True)
    network = document.get("network")
    return CostTable(
        document["metric"],
        cell,
        {kind: _rows(costs, cell, f"{where}: costs: {kind}") for kind, costs in document["costs"].items()},
        document["constant"],
        None if network is None else NetworkSetting.from_dict(network, f"{where}: network"),
        document.get("device", {}),
        document.get("fit", {}),
        where,
        document.get("dead_parts", False),
    )


def _edge(edge: tuple[int, int]) -> str:
    return f"{edge[0]}-{edge[1]}"


def _rows(costs: Mapping[str, Mapping[str, float]], cell: CellSpace, where: str) -> list[list[float]]:
    edges = [_edge(edge) for edge in cell.edges]
    for what, found, expected, place in (
        ("edge", costs, edges, where),
        *(("operation", row, cell.operations, f"{where}: {edge}") for edge, row in costs.items()),
    ):
        for name in expected:
            if name not in found:
                raise AutodasError(f"{place}: {what} '{name}' is missing")
        for name in found:
            if name not in expected:
                raise AutodasError(f"{place}: space '{cell.name}' has no {what} '{name}'")
    return [[costs[edge][name] for name in cell.operations] for edge in edges]
