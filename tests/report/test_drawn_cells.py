"""What a drawing shows, and its DOT text."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import pytest

from autodas.errors import AutodasError
from autodas.report import DrawnCell, DrawnEdge, cells_of_genotype, cells_of_run, colour_of, dot
from autodas.report.drawing._colours import OPERATION_COLOURS
from autodas.spaces import OPERATION_SETS, OPERATIONS
from autodas.zoo import load_genotype, load_zoo

START = {"event": "start", "space": {"cell": "o2d", "kinds": ["normal", "reduction"]}}


def decide_edge(edge: list[int], operation: str, kind: str = "normal") -> dict[str, Any]:
    return {"event": "decision", "kind": kind, "what": "edge", "edge": edge, "operation": operation}


def decide_node(state: int, kept: list[int], removed: list[int], kind: str = "normal") -> dict[str, Any]:
    return {
        "event": "decision",
        "kind": kind,
        "what": "node",
        "state": state,
        "kept": kept,
        "removed": removed,
    }


DECISIONS = [
    decide_edge([0, 3], "sep_conv_3x3"),
    {"event": "epoch", "epoch": 1},
    decide_edge([1, 3], "skip_connect"),
    decide_edge([2, 3], "max_pool_3x3"),
    decide_edge([1, 2], "dil_conv_5x5", "reduction"),
    decide_node(3, [0, 2], [1]),
]


def write_run(folder: Path, *events: dict[str, Any], tail: str = "") -> Path:
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events) + tail)
    return folder


def operations(cell: DrawnCell) -> dict[tuple[int, int], str | None]:
    return {(edge.predecessor, edge.state): edge.operation for edge in cell.edges}


def test_the_cells_of_a_genotype() -> None:
    normal, reduction = cells_of_genotype(load_zoo("nasnet"))
    assert (normal.kind, normal.inputs, normal.nodes, normal.concat) == ("normal", 2, 5, (2, 3, 4, 5, 6))
    assert (reduction.kind, reduction.concat) == ("reduction", (4, 5, 6))
    assert len(normal.edges) == 10
    assert normal.edges.count(DrawnEdge(0, 5, "avg_pool_3x3")) == 2


def test_a_search_before_its_first_decision(tmp_path: Path) -> None:
    normal, reduction = cells_of_run(write_run(tmp_path, START))
    assert (normal.kind, reduction.kind) == ("normal", "reduction")
    assert len(normal.edges) == 14
    assert set(operations(normal).values()) == {None}
    assert normal.concat == (2, 3, 4, 5)


def test_a_search_that_has_not_finished(tmp_path: Path) -> None:
    normal, reduction = cells_of_run(write_run(tmp_path, START, *DECISIONS))
    found = operations(normal)
    assert found[0, 3] == "sep_conv_3x3"
    assert found[2, 3] == "max_pool_3x3"
    assert (1, 3) not in found
    assert found[0, 2] is None
    assert len(found) == 13
    assert operations(reduction)[1, 2] == "dil_conv_5x5"
    assert len(reduction.edges) == 14


def test_a_search_as_it_was_after_some_steps(tmp_path: Path) -> None:
    run = write_run(tmp_path, START, *DECISIONS)
    normal, _ = cells_of_run(run, steps=2)
    decided = {edge for edge, operation in operations(normal).items() if operation is not None}
    assert decided == {(0, 3), (1, 3)}
    assert cells_of_run(run, steps=0) == cells_of_run(write_run(tmp_path, START))


def test_a_last_line_that_is_cut_is_left_out(tmp_path: Path) -> None:
    whole = cells_of_run(write_run(tmp_path, START, *DECISIONS))
    assert cells_of_run(write_run(tmp_path, START, *DECISIONS, tail='{"event": "decision", "ki')) == whole
    assert cells_of_run(write_run(tmp_path, START, *DECISIONS, tail="7")) == whole


def test_a_log_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(AutodasError, match="cannot be read; is this the run folder of a search"):
        cells_of_run(tmp_path)
    with pytest.raises(AutodasError, match="not the log of a search"):
        cells_of_run(write_run(tmp_path))
    with pytest.raises(AutodasError, match="not the log of a search"):
        cells_of_run(write_run(tmp_path, {"event": "start"}))
    (tmp_path / "events.jsonl").write_text(json.dumps(START) + "\n{\n" + json.dumps(DECISIONS[0]) + "\n")
    with pytest.raises(AutodasError, match=r"events\.jsonl:2: not an event"):
        cells_of_run(tmp_path)


@pytest.mark.parametrize(
    "decision",
    [
        decide_edge([3, 0], "skip_connect"),
        decide_edge([0, 2], "skip_connect", kind="s_reduction"),
        {"event": "decision", "kind": "normal"},
        {"event": "decision", "kind": "normal", "what": "edge", "edge": 3, "operation": "skip_connect"},
    ],
)
def test_a_decision_that_cannot_be_read_is_named_with_its_line(
    tmp_path: Path, decision: dict[str, Any]
) -> None:
    with pytest.raises(AutodasError, match=r"events\.jsonl:2: a decision that cannot be read"):
        cells_of_run(write_run(tmp_path, START, decision))


def test_dot_of_a_genotype() -> None:
    normal, reduction = (dot(cell) for cell in cells_of_genotype(load_zoo("amoebanet")))
    assert normal.startswith('digraph "normal" {')
    assert "rankdir=LR" in normal
    assert 'label="normal cell"' in normal
    assert normal.count("sep_conv_5x5") == 1
    assert normal.count('label="avg_pool_3x3"') == 3
    assert 'label="conv_7x1_1x7"' in reduction
    assert "dashed" not in normal + reduction
    # The output concatenates three of the five nodes.
    assert [state for state in range(2, 7) if f"  {state} -> output" in normal] == [4, 5, 6]
    assert [state for state in range(2, 7) if f"  {state} -> output" in reduction] == [3, 4, 6]


def test_dot_of_a_stage_graph() -> None:
    cells = cells_of_genotype(load_zoo("hdas_cifar_darts_v1"))
    assert [cell.kind for cell in cells] == ["normal", "reduction", "stage1", "stage2", "stage3"]
    text = dot(cells[3])
    assert 'label="stage2 graph"' in text
    # The nodes are whole cells, and only the last two are the output.
    assert [n for n in range(2, 8) if f'"cell {n}" [shape=box' in text] == [2, 3, 4, 5, 6, 7]
    assert [n for n in range(2, 8) if f'"cell {n}" -> output' in text] == [6, 7]
    assert text.count('label="avg_pool_3x3"') == 1
    assert '"input 0" -> ' in text


def test_dot_of_a_cell_with_one_input() -> None:
    genotype = load_genotype("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|nor_conv_1x1~2|")
    (cell,) = cells_of_genotype(genotype)
    text = dot(cell)
    assert '"c[k-1]" -> ' in text
    assert '"c[k-2]"' not in text
    assert "  3 -> output" in text
    assert text.count("style=dotted") == 6  # three edges with "none", two lines each


def test_dot_shows_an_edge_that_is_there_twice_twice() -> None:
    normal = dot(cells_of_genotype(load_zoo("nasnet"))[0])
    assert normal.count(":e -> 5 [") == 2
    assert normal.count('label="avg_pool_3x3"') == 3


def test_dot_of_an_unfinished_cell_dashes_what_is_undecided(tmp_path: Path) -> None:
    normal, reduction = (dot(cell) for cell in cells_of_run(write_run(tmp_path, START, *DECISIONS)))
    assert normal.count("style=dashed") == 11
    assert normal.count("[label=") == 2
    assert '"c[k-2]" -> 2 [style=dashed' in normal
    assert '"c[k-1]" -> 3 ' not in normal
    assert reduction.count("style=dashed") == 13


def test_dot_escapes_a_title() -> None:
    cell = cells_of_genotype(load_zoo("darts_v2"))[0]
    assert r'label="a \"b\" \\ c d"' in dot(cell, 'a "b" \\ c\nd')


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("operation", [*sorted(OPERATIONS), "an operation of a user"])
def test_every_name_can_be_read_on_white(operation: str) -> None:
    assert 1.05 / (luminance(colour_of(operation)) + 0.05) >= 4.5


# What people see who lack receptors for red, green or blue (Machado, Oliveira and Fernandes, 2009).
SIGHT = {
    "normal": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "protanopia": ((0.152, 1.053, -0.205), (0.115, 0.786, 0.099), (-0.004, -0.048, 1.052)),
    "deuteranopia": ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969)),
    "tritanopia": ((1.256, -0.077, -0.179), (-0.078, 0.931, 0.148), (0.005, 0.691, 0.304)),
}


def lab(colour: str, matrix: tuple[tuple[float, ...], ...]) -> list[float]:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    r, g, b = (min(1.0, max(0.0, sum(m * c for m, c in zip(row, linear, strict=True)))) for row in matrix)
    x = (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    z = (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089
    fx, fy, fz = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return [116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)]


FAMILIES = {
    "skip": ["skip_connect"],
    "pool": ["max_pool_3x3", "avg_pool_3x3", "max_pool_1x3x3", "avg_pool_1x3x3", "max_pool_3x3x3"],
    "separable": ["sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7", "sep_conv_1x3x3", "sep_conv_1x5x5"],
    "dilated": ["dil_conv_3x3", "dil_conv_5x5", "dil_conv_1x3x3", "dil_conv_1x5x5", "dil3d_conv_3x3x3"],
    "dense": ["conv_7x1_1x7", "nor_conv_1x1", "nor_conv_3x3"],
    "separable in time": ["sep3d_conv_3x3x3", "sep3d_conv_3x5x5"],
    "channels": ["channel_scale", "channel_bias"],
}
FAMILY = {operation: family for family, operations in FAMILIES.items() for operation in operations}


def test_every_operation_has_a_family() -> None:
    # "none" is told by its dotted line.
    assert set(FAMILY) | {"none"} == set(OPERATION_COLOURS)


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("name", OPERATION_SETS)
def test_families_stay_apart_in_colour_blindness(name: str, sight: str) -> None:
    """Operations that can stand in one drawing, and are of different families."""
    drawn = [operation for operation in OPERATION_SETS[name] if operation != "none"]
    for a, b in itertools.combinations(drawn, 2):
        if FAMILY[a] != FAMILY[b]:
            distance = math.dist(lab(colour_of(a), SIGHT[sight]), lab(colour_of(b), SIGHT[sight]))
            assert distance > 12, (a, b, distance)


@pytest.mark.parametrize("name", OPERATION_SETS)
def test_operations_of_one_family_differ_at_least_for_normal_sight(name: str) -> None:
    for a, b in itertools.combinations(OPERATION_SETS[name], 2):
        distance = math.dist(lab(colour_of(a), SIGHT["normal"]), lab(colour_of(b), SIGHT["normal"]))
        assert distance > 8, (a, b, distance)


def test_a_stage_search_names_its_graphs(tmp_path: Path) -> None:
    """The log of H-DAS names cells in its space, and what it wires in its phases."""
    phase = {"name": "stages", "iterations": 8, "cell": "stages", "kinds": ["stage1", "stage2"], "nodes": 3}
    run = write_run(tmp_path, {**START, "phases": [phase]}, decide_edge([1, 4], "max_pool_3x3", "stage2"))
    one, two = cells_of_run(run)
    assert (one.kind, one.nodes, one.graph, one.concat) == ("stage1", 3, True, (3, 4))
    assert [p for p, s in operations(one) if s == 4] == [1, 2, 3], "a cell may read the three before it"
    assert two.title == "stage2 graph"
    assert operations(two)[1, 4] == "max_pool_3x3"
