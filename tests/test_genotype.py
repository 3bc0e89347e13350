"""Genotypes: what is read is what was written, and every fault is named with its place."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autodas.errors import AutodasError, GenotypeError
from autodas.genotype import CellGenotype, Edge, Genotype
from autodas.spaces import OPERATIONS

DOCUMENT: dict[str, Any] = {
    "schema": 1,
    "name": "small",
    "space": None,
    "cells": {
        "normal": {
            "inputs": 2,
            "nodes": [
                [["sep_conv_3x3", 0], ["skip_connect", 1]],
                [["max_pool_3x3", 2], ["dil_conv_5x5", 0]],
            ],
            "concat": [2, 3],
        }
    },
}


@st.composite
def cells(draw: st.DrawFn) -> CellGenotype:
    inputs = draw(st.integers(1, 3))
    nodes = []
    for state in range(inputs, inputs + draw(st.integers(1, 5))):
        edge = st.builds(Edge, st.sampled_from(sorted(OPERATIONS)), st.integers(0, state - 1))
        nodes.append(tuple(draw(st.lists(edge, max_size=4))))
    states = st.integers(0, inputs + len(nodes) - 1)
    concat = draw(st.lists(states, min_size=1, unique=True))
    return CellGenotype(tuple(nodes), tuple(concat), inputs)


genotypes = st.builds(
    Genotype,
    cells=st.dictionaries(st.text(min_size=1), cells(), min_size=1, max_size=3),
    name=st.text(),
    space=st.none() | st.text(),
    stages=st.dictionaries(st.text(min_size=1).map(lambda name: f"graph {name}"), cells(), max_size=2),
).filter(lambda genotype: not set(genotype.cells) & set(genotype.stages))


@pytest.mark.slow
@settings(deadline=None)  # a busy machine is no fault
@given(genotypes)
def test_round_trip(genotype: Genotype) -> None:
    text = genotype.to_json()
    assert json.loads(text) == genotype.to_dict()
    read = Genotype.from_json(text)
    assert read == genotype
    assert hash(read) == hash(genotype)
    assert read.to_json() == text


def test_one_line_a_node() -> None:
    lines = Genotype.from_dict(DOCUMENT).to_json().splitlines()
    assert '        [["sep_conv_3x3", 0], ["skip_connect", 1]],' in lines
    assert '        [["max_pool_3x3", 2], ["dil_conv_5x5", 0]]' in lines


def test_stage_graphs_make_another_genotype() -> None:
    plain = Genotype.from_dict(DOCUMENT)
    assert "stages" not in plain.to_dict()
    wired = Genotype.from_dict({**DOCUMENT, "stages": {"stage1": DOCUMENT["cells"]["normal"]}})
    assert wired != plain
    assert list(wired.to_dict()) == ["schema", "name", "space", "cells", "stages"]
    assert wired.parts == {"normal": plain.cells["normal"], "stage1": plain.cells["normal"]}


def test_save_and_load(tmp_path: Path) -> None:
    genotype = Genotype.from_dict(DOCUMENT)
    genotype.save(tmp_path / "genotype.json")
    assert Genotype.load(tmp_path / "genotype.json") == genotype
    assert [path.name for path in tmp_path.iterdir()] == ["genotype.json"]


def test_edges_are_in_the_order_of_their_predecessors() -> None:
    cell = Genotype.from_dict(DOCUMENT).cells["normal"]
    assert [(state, edge.predecessor) for state, edge in cell.edges()] == [(2, 0), (2, 1), (3, 0), (3, 2)]


FAULTS: list[tuple[tuple[Any, ...], Any, str]] = [
    # where the document is changed, to what, what the message must say
    (("schema",), 2, "schema 2 is not supported, this version reads schema 1"),
    (("schema",), "1", "schema '1' is not supported"),
    (("schema",), True, "schema True is not supported"),
    (("spaces",), "o2d", "unknown key 'spaces'; did you mean 'space'?"),
    (("name",), 3, "'name' and 'space' must be text"),
    (("space",), ["o2d"], "'name' and 'space' must be text"),
    (("cells",), {}, "'cells' must name at least one cell"),
    (("cells",), [], "'cells' must name at least one cell"),
    (("cells", "normal"), [], "cells.normal: an object with 'nodes' and 'concat' is expected"),
    (("cells", "normal", "conct"), [2], "cells.normal: unknown key 'conct'; did you mean 'concat'?"),
    (("cells", "normal", "inputs"), 0, "cells.normal.inputs: a number of at least 1 is expected, found 0"),
    (("cells", "normal", "inputs"), True, "cells.normal.inputs: a number of at least 1"),
    (("cells", "normal", "nodes"), [], "cells.normal.nodes: a list with at least one node is expected"),
    (("cells", "normal", "nodes"), None, "cells.normal.nodes: a list"),
    (("cells", "normal", "nodes", 1), {}, "cells.normal.nodes[1]: a list of [operation, predecessor]"),
    (("cells", "normal", "nodes", 1, 0), ["skip_connect"], "cells.normal.nodes[1][0]: [operation, pre"),
    (("cells", "normal", "nodes", 1, 0), [0, "skip_connect"], "cells.normal.nodes[1][0]: [operation, pre"),
    (
        ("cells", "normal", "nodes", 1, 0, 1),
        3,
        "cells.normal.nodes[1][0]: predecessor 3 is out of range, state 3 can read 0..2",
    ),
    (("cells", "normal", "nodes", 0, 0, 1), -1, "cells.normal.nodes[0][0]: predecessor -1 is out of range"),
    (("cells", "normal", "nodes", 0, 0, 1), 0.0, "cells.normal.nodes[0][0]: predecessor 0.0 is out of range"),
    (("cells", "normal", "nodes", 0, 0, 1), False, "cells.normal.nodes[0][0]: predecessor False is out of"),
    (("cells", "normal", "concat"), [], "cells.normal.concat: a list with at least one state"),
    (("cells", "normal", "concat"), [4], "cells.normal.concat: state 4 is out of range 0..3"),
    (("cells", "normal", "concat"), ["2"], "cells.normal.concat: state '2' is out of range"),
    (("cells", "normal", "concat"), [2, 2], "cells.normal.concat: a state appears twice"),
    (("stages",), {}, "'stages' must name at least one stage graph, or be left out"),
    (("stages",), [], "'stages' must name at least one stage graph, or be left out"),
    (("stages",), {"normal": DOCUMENT["cells"]["normal"]}, "'normal' is both a cell and a stage graph"),
    (("stages",), {"stage1": {}}, "stages.stage1.nodes: a list with at least one node is expected"),
    (
        ("stages",),
        {"stage1": {"nodes": [[["skip_connect", 2]]], "concat": [2]}},
        "stages.stage1.nodes[0][0]: predecessor 2 is out of range, state 2 can read 0..1",
    ),
]


@pytest.mark.parametrize(("path", "value", "message"), FAULTS, ids=[str(fault[0]) for fault in FAULTS])
def test_a_fault_is_named_with_its_place(path: tuple[Any, ...], value: Any, message: str) -> None:
    document = copy.deepcopy(DOCUMENT)
    place: Any = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(GenotypeError) as error:
        Genotype.from_dict(document, "mine.json")
    assert str(error.value).startswith("mine.json: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "{", "[1, 2", "[" * 100_000, "1" * 5_000])
def test_text_that_is_not_json(text: str) -> None:
    with pytest.raises(GenotypeError, match=r"mine\.json: not"):
        Genotype.from_json(text, "mine.json")


@pytest.mark.parametrize("document", [[], 3, None, {}, {"cells": {}}])
def test_json_that_is_no_genotype(document: Any) -> None:
    with pytest.raises(GenotypeError, match="not a genotype"):
        Genotype.from_dict(document)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(GenotypeError, match=r"absent\.json: cannot be read"):
        Genotype.load(tmp_path / "absent.json")
    (tmp_path / "binary.json").write_bytes(b"\x80\x02\xff")
    with pytest.raises(GenotypeError, match=r"binary\.json: cannot be read"):
        Genotype.load(tmp_path / "binary.json")
    assert issubclass(GenotypeError, AutodasError)
