"""Checks that a genotype fits a skeleton."""

from __future__ import annotations

from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.limits import MOST_EDGES
from autodas.operations import check_dimensions
from autodas.spaces import CellSlot, Skeleton


def check_genotype(genotype: Genotype, skeleton: Skeleton) -> None:
    """Check that a genotype's network can be built in a skeleton.

    Raises:
        AutodasError: if parts are missing or do not fit; the message names them.
    """
    check_cells(genotype, skeleton)
    _check_number_of_edges(genotype, skeleton)
    missing = [slot.graph for slot in skeleton.slots() if slot.graph and slot.graph not in genotype.stages]
    if missing:
        raise AutodasError(
            f"genotype '{genotype.name}' has no stage graph {', '.join(missing)}, "
            f"which skeleton '{skeleton.name}' needs"
        )


def _check_number_of_edges(genotype: Genotype, skeleton: Skeleton) -> None:
    """Check the number of operations before any is built."""
    edges = {kind: len(cell.edges()) for kind, cell in genotype.parts.items()}
    nodes = {kind: len(graph.nodes) for kind, graph in genotype.stages.items()}
    count = sum(
        edges.get(slot.kind, 0) * nodes.get(slot.graph or "", 1) + edges.get(slot.graph or "", 0)
        for slot in skeleton.slots()
    )
    if count > MOST_EDGES:
        raise AutodasError(
            f"genotype '{genotype.name}' in skeleton '{skeleton.name}' with K={skeleton.K}: a network of "
            f"{count:,} edges, at most {MOST_EDGES:,} can be built"
        )


def check_cells(genotype: Genotype, skeleton: Skeleton) -> None:
    """Check the cells of a genotype; stage graphs are ignored.

    Raises:
        AutodasError: if cells are missing or do not fit; the message names them.
    """
    slots = [slot for slot in skeleton.slots() if not slot.block]
    for slot in slots:
        if slot.kind in genotype.cells:
            _check_cell(genotype, skeleton, slot)
    missing = [kind for kind in skeleton.cell_kinds if kind not in genotype.cells]
    if missing:
        raise AutodasError(
            f"genotype '{genotype.name}' has no cell of kind {', '.join(missing)}, "
            f"which skeleton '{skeleton.name}' needs"
            + (": give it none (`skeleton.K=0`)" if skeleton.K and missing == ["normal"] else "")
        )


def _check_cell(genotype: Genotype, skeleton: Skeleton, slot: CellSlot) -> None:
    cell, where = genotype.cells[slot.kind], f"genotype '{genotype.name}': cells.{slot.kind}"
    for _, edge in cell.edges():
        try:
            check_dimensions(edge.operation, skeleton.dimensions)
        except AutodasError as error:
            raise AutodasError(f"{where}: {error} (skeleton '{skeleton.name}')") from error
    inputs = 1 if skeleton.reads == "once" else 2
    if cell.inputs != inputs:
        other = " (those of NAS-Bench-201 require `skeleton.name=nasbench201`)" if cell.inputs == 1 else ""
        raise AutodasError(
            f"{where} has {cell.inputs} inputs; networks of skeleton '{skeleton.name}' are stacked of cells "
            f"with {inputs}{other}"
        )
    if inputs == 1 and len(cell.concat) != 1:
        raise AutodasError(
            f"{where} concatenates {len(cell.concat)} states; the next cell reads its output unchanged, "
            "so it must be a single state"
        )
    if slot.reduces and min(cell.concat) < cell.inputs:
        raise AutodasError(
            f"{where} concatenates an input, which is larger than its nodes in a reduction cell"
        )
