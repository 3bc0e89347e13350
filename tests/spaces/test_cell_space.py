"""Cell spaces: their graph, and which genotypes belong to them."""

from __future__ import annotations

import random

import pytest

from autodas.errors import AutodasError, GenotypeError
from autodas.genotype import CellGenotype, Edge, Genotype
from autodas.spaces import CELL_SPACES, OPERATION_SETS, CellSpace, get_cell_space, get_space, validate


def random_genotype(cell: CellSpace, rng: random.Random) -> Genotype:
    nodes = []
    for state in cell.states:
        count = rng.randint(0, state) if cell.kept == "any" else cell.kept_edges(state)
        if cell.repeats:
            chosen = [rng.randrange(state) for _ in range(count)]
        else:
            chosen = sorted(rng.sample(cell.predecessors(state), count))
        nodes.append(tuple(Edge(rng.choice(cell.choices), p) for p in chosen))
    made = CellGenotype(tuple(nodes), cell.concat, cell.inputs)
    return Genotype({"normal": made, "reduction": made}, space=cell.name)


def with_node(genotype: Genotype, node: int, edges: list[tuple[str, int]]) -> Genotype:
    cell = genotype.cells["normal"]
    nodes = list(cell.nodes)
    nodes[node] = tuple(Edge(*edge) for edge in edges)
    return Genotype({"normal": CellGenotype(tuple(nodes), cell.concat, cell.inputs)}, space=genotype.space)


def test_the_image_operations_and_their_order() -> None:
    assert OPERATION_SETS["o2d"] == (
        "skip_connect",
        "max_pool_3x3",
        "avg_pool_3x3",
        "sep_conv_3x3",
        "sep_conv_5x5",
        "dil_conv_3x3",
        "dil_conv_5x5",
    )
    assert OPERATION_SETS["darts"][0] == "none"
    assert len(OPERATION_SETS["darts"]) == 8


def test_edges_of_the_image_cell() -> None:
    cell = get_cell_space("o2d")
    assert len(cell.edges) == 14
    assert cell.edges[:5] == ((0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
    assert cell.incoming(5) == [9, 10, 11, 12, 13]
    assert [cell.must_choose_edges(state) for state in cell.states] == [False, True, True, True]


def test_steps_of_the_image_space() -> None:
    assert get_cell_space("o2d").steps == 17
    assert get_space("cifar-o2d").steps == 34


@pytest.mark.parametrize("name", CELL_SPACES)
def test_random_members_are_valid(name: str) -> None:
    rng = random.Random(7)
    for _ in range(50):
        genotype = random_genotype(get_cell_space(name), rng)
        assert validate(genotype) is genotype


O2D = random_genotype(get_cell_space("o2d"), random.Random(0))
NASNET = random_genotype(get_cell_space("nasnet"), random.Random(0))
SKIP = "skip_connect"


@pytest.mark.parametrize(
    ("genotype", "message"),
    [
        (with_node(O2D, 0, [("none", 0), (SKIP, 1)]), "nodes[0][0]: operation 'none' is not in space 'o2d'"),
        (with_node(O2D, 3, [("sep_conv_7x7", 0), (SKIP, 1)]), "nodes[3][0]: operation 'sep_conv_7x7' is not"),
        (with_node(O2D, 1, [(SKIP, 1), (SKIP, 1)]), "nodes[1]: a predecessor is repeated"),
        (with_node(O2D, 1, [(SKIP, 1)]), "nodes[1]: 1 edges, but a node with 3 predecessors keeps 2"),
        (with_node(O2D, 2, []), "nodes[2]: 0 edges, but a node with 4 predecessors keeps 2"),
        (with_node(O2D, 2, [(SKIP, 0), (SKIP, 1), (SKIP, 2)]), "nodes[2]: 3 edges"),
        (with_node(NASNET, 0, [(SKIP, 0)] * 3), "nodes[0]: 3 edges, but a node with 2 predecessors keeps 2"),
    ],
)
def test_what_does_not_belong_is_named_with_its_place(genotype: Genotype, message: str) -> None:
    with pytest.raises(GenotypeError) as error:
        validate(genotype, "mine.json")
    assert str(error.value).startswith("mine.json: cells.normal")
    assert message in str(error.value)


def test_another_number_of_nodes() -> None:
    genotype = Genotype({"normal": NASNET.cells["normal"]}, space="o2d")
    with pytest.raises(
        GenotypeError, match=r"cells\.normal: 2 inputs and 5 nodes, but space 'o2d' has 2 and 4"
    ):
        validate(genotype)


def test_nodes_without_edges_where_any_number_may_stay() -> None:
    cell = CellGenotype(nodes=((), (), (), ()), concat=(2, 3, 4, 5))
    validate(Genotype({"normal": cell}, space="snas"))


def test_a_node_of_all_edges() -> None:
    cell = CellSpace("dense", ("a", "b"), nodes=2, inputs=1, kept="all")
    full = CellGenotype(((Edge("a", 0),), (Edge("a", 0), Edge("b", 1))), (1, 2), inputs=1)
    cell.validate(Genotype({"normal": full}))
    with pytest.raises(GenotypeError, match=r"nodes\[1\]: 1 edges, but a node with 2 predecessors keeps 2"):
        cell.validate(
            Genotype({"normal": CellGenotype(((Edge("a", 0),), (Edge("b", 1),)), (1, 2), inputs=1)})
        )


def test_a_space_needs_a_cell_of_every_kind() -> None:
    space = get_space("cifar-o2d")
    space.validate(O2D)
    with pytest.raises(GenotypeError, match="no cell of kind reduction"):
        space.validate(Genotype({"normal": O2D.cells["normal"]}))


def test_a_genotype_of_no_space_is_not_checked_against_one() -> None:
    genotype = Genotype({"normal": NASNET.cells["normal"]}, space=None)
    assert validate(genotype) is genotype


def test_a_genotype_of_an_unknown_space() -> None:
    with pytest.raises(AutodasError, match="unknown cell space 'o2b'; did you mean 'o2d'"):
        validate(Genotype({"normal": O2D.cells["normal"]}, space="o2b"))
