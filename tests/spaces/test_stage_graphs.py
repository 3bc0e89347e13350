"""Spaces of one-input cells and of stage graphs, and the skeletons that they stand in."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest

from autodas.errors import AutodasError, GenotypeError
from autodas.genotype import CellGenotype, Edge
from autodas.spaces import (
    count_space,
    fit_skeleton,
    get_skeleton,
    get_space,
    graph_form,
    random_cell,
    space_names,
    stage_graphs,
    stage_space,
    validate,
)
from autodas.zoo import load_zoo

CHOICES = ("max_pool_3x3", "avg_pool_3x3", "skip_connect")


def test_nas_bench_201() -> None:
    space = get_space("nasbench201")
    assert "nasbench201" in space_names()
    assert not any("nasbench201" in name for name in space_names() if name != "nasbench201")
    operations = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
    assert space.cell.operations == space.cell.choices == operations
    assert space.cell.edges == ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
    assert (space.cell.concat, space.steps, space.architectures) == ((3,), 6, 5**6)
    assert space.kinds == ("normal",)
    slots = space.skeleton.slots()
    assert [slot.block for slot in slots] == [i in (5, 11) for i in range(17)]
    assert [slot.width for slot in slots] == [16] * 5 + [32] * 6 + [64] * 6
    assert [slot.reduces for slot in slots] == [slot.block for slot in slots]


def test_cells_that_read_their_input_as_it_is_want_a_stem_of_their_width() -> None:
    space = get_space("nasbench201").with_size(C2=32)
    assert (space.skeleton.C1, space.skeleton.width) == (8, 8)
    with pytest.raises(AutodasError, match="C1=24 must equal the width of the cells, C2/4 = 8"):
        get_space("nasbench201").with_size(C1=24, C2=32)


def brute_force_graphs(cells: int) -> int:
    """Count the stage graphs of so many cells, one by one."""
    count = 1
    for cell in range(cells):
        window = [state for state in (cell - 1, cell, cell + 1) if state >= 0]
        pairs = list(itertools.combinations(window, 2))
        count *= len(list(itertools.product(pairs, CHOICES, CHOICES)))
    return count


@pytest.mark.parametrize("cells", [1, 2, 4, 6])
def test_stage_graphs(cells: int) -> None:
    graph = stage_graphs(cells)
    # H-DAS: cell i reads states i - 1, i and i + 1; the first one the two inputs.
    rows = [2] + [3] * (cells - 1)
    assert len(graph.edges) == sum(rows)
    for state in graph.states:
        assert [graph.edges[edge][0] for edge in graph.incoming(state)] == [
            p for p in range(state - 3, state) if p >= 0
        ]
        assert graph.must_choose_edges(state) == (state > 2)
    assert graph.choices == CHOICES
    assert count_space(graph) == brute_force_graphs(cells)
    assert graph.steps == sum(rows) + cells - 1
    generator = random.Random(cells)
    for _ in range(20):
        graph.validate_cell(random_cell(graph, generator), "here")


def test_the_output_of_a_stage_graph() -> None:
    assert stage_graphs(6).concat == (6, 7)
    assert stage_graphs(4).concat == (4, 5)


def test_faults_of_stage_graphs_are_named_with_their_place() -> None:
    genotype = load_zoo("hdas_cifar_darts_v1")

    def changed(node: int, *edges: Edge, concat: tuple[int, ...] = (6, 7)) -> CellGenotype:
        nodes = list(genotype.stages["stage2"].nodes)
        nodes[node] = edges
        return CellGenotype(tuple(nodes), concat)

    skip = "skip_connect"
    for graph, message in (
        (
            changed(3, Edge(skip, 1), Edge(skip, 4)),
            "nodes[3][0]: state 5 reads state 1, but in space 'stages' it",
        ),
        (changed(3, Edge(skip, 3)), "nodes[3]: 1 edges, but a node with 3 predecessors keeps 2"),
        (changed(3, Edge(skip, 3), Edge(skip, 3)), "nodes[3]: a predecessor is repeated"),
        (
            changed(3, Edge(skip, 3), Edge("none", 4)),
            "nodes[3][1]: operation 'none' is not in space 'stages'",
        ),
        (
            changed(0, Edge(skip, 0), Edge(skip, 1), concat=(5, 7)),
            "concat: space 'stages' concatenates the last",
        ),
    ):
        with pytest.raises(GenotypeError) as error:
            validate(replace(genotype, stages={**genotype.stages, "stage2": graph}), "mine.json")
        assert str(error.value).startswith("mine.json: stages.stage2")
        assert message in str(error.value)


def test_the_space_of_stage_graphs() -> None:
    space = stage_space(get_skeleton("cifar").with_size(6, 108, 144))
    assert space.kinds == ("stage1", "stage2", "stage3")
    assert space.cell == stage_graphs(6)
    # The stem has 4C channels.
    assert (space.skeleton.K, space.skeleton.C1, space.skeleton.C2) == (6, 144, 144)
    assert space.with_size(K=4).cell == stage_graphs(4)
    assert space.architectures == brute_force_graphs(6) ** 3
    genotype = load_zoo("hdas_cifar_darts_v1")
    space.validate(genotype)
    with pytest.raises(GenotypeError, match="no stage graph of kind stage2, stage3"):
        space.validate(replace(genotype, stages={"stage1": genotype.stages["stage1"]}))
    with pytest.raises(AutodasError, match="wires at least 2 cells, found K=1"):
        stage_space(get_skeleton("cifar").with_size(K=1))


def test_kinds_are_told_apart_by_stage_where_the_genotype_does() -> None:
    cells, plain = load_zoo("hdas_cells"), load_zoo("darts_v2")
    five = ("normal1", "reduction1", "normal2", "reduction2", "normal3")
    for name in ("cifar", "imagenet"):
        for skeleton in (get_skeleton(name), get_skeleton(f"{name}_stages")):
            assert fit_skeleton(skeleton, cells).kinds == five
            assert fit_skeleton(skeleton, plain).kinds == ("normal", "reduction")
            assert fit_skeleton(skeleton, cells).pool_norm == skeleton.pool_norm
    assert get_skeleton("cifar_stages").kinds == five
    assert get_space("cifar_stages-darts").steps == 5 * 17


@pytest.mark.parametrize(("name", "K"), [("hdas_cifar_darts_v1", 6), ("hdas_imagenet_darts_v1", 4)])
def test_the_graph_says_how_many_cells_a_stage_has(name: str, K: int) -> None:
    genotype = load_zoo(name)
    skeleton = fit_skeleton(get_skeleton("cifar").with_size(2, 108, 144), genotype)
    assert (skeleton.name, skeleton.K, skeleton.C2) == ("cifar_graph", K, 144)
    assert skeleton.kinds == ("stage1", "stage2", "stage3")
    assert skeleton.cell_kinds == ("normal", "reduction")
    over = fit_skeleton(skeleton, replace(load_zoo("hdas_cells"), stages=genotype.stages))
    assert over.cell_kinds == ("normal1", "reduction1", "normal2", "reduction2", "normal3")


def test_a_skeleton_without_a_form_for_graphs() -> None:
    with pytest.raises(AutodasError, match="'nasbench201' has no form whose cells are wired by stage graphs"):
        graph_form(get_skeleton("nasbench201"))
