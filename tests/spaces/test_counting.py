"""Numbers of architectures: against the paper's own, and against enumeration."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autodas.spaces import (
    CellSpace,
    count_alive,
    count_cell,
    count_node,
    count_space,
    get_cell_space,
    get_space,
)

O2D = get_cell_space("o2d")


def test_the_full_space_of_the_paper() -> None:
    assert count_space(O2D) == 1_037_664_180
    assert count_space(O2D, kinds=2) == 1_076_746_950_455_072_400
    assert get_space("cifar-o2d").architectures == 1_076_746_950_455_072_400


def node_choices(predecessors: int, resolved: int) -> list[int]:
    """What may still win on the edges of a node; ``predecessors + 1`` resolved: the node is decided too."""
    if resolved > predecessors:
        return [1, 1]
    return [1] * resolved + [7] * (predecessors - resolved)


# SDAS, table 1: resolved edges of the nodes with 2, 3, 4 and 5 predecessors, normal and reduction.
TABLE_1 = [
    ((0, 1, 1, 0), (0, 0, 1, 1), "9.90e16"),
    ((1, 2, 1, 0), (1, 0, 1, 1), "4.81e14"),
    ((1, 2, 2, 0), (1, 1, 2, 1), "4.44e13"),
    ((2, 3, 2, 1), (1, 1, 3, 1), "2.56e11"),
    ((2, 4, 2, 1), (1, 1, 3, 3), "2.49e10"),
    ((2, 4, 3, 2), (1, 1, 4, 3), "1.13e9"),
    ((2, 4, 3, 2), (1, 4, 5, 3), "3.00e6"),
    ((2, 4, 3, 2), (1, 4, 5, 6), "3.19e4"),
    ((2, 4, 4, 3), (2, 4, 5, 6), "5.64e2"),
    ((3, 4, 5, 6), (3, 4, 5, 6), "1.00e0"),
]


def truncated(number: int) -> str:
    """Three digits, cut and not rounded, as the paper prints."""
    digits = str(number)
    return f"{digits[0]}.{digits[1:3].ljust(2, '0')}e{len(digits) - 1}"


@pytest.mark.parametrize(("normal", "reduction", "printed"), TABLE_1)
def test_table_1(normal: Sequence[int], reduction: Sequence[int], printed: str) -> None:
    counts = [
        count_cell(O2D, [node_choices(p, r) for p, r in enumerate(resolved, start=2)])
        for resolved in (normal, reduction)
    ]
    assert truncated(counts[0] * counts[1]) == printed


def test_figure_7_normal_cell_after_30_and_40_epochs() -> None:
    assert count_cell(O2D, [node_choices(p, r) for p, r in enumerate((2, 4, 3, 2), start=2)]) == 4_560


def enumerate_node(cell: CellSpace, choices: Sequence[int]) -> int:
    """Write every completion of a node down and count the different ones."""
    candidates = [(edge, choice) for edge, n in enumerate(choices) for choice in range(n)]
    if cell.repeats:
        assert isinstance(cell.kept, int)
        return len(set(itertools.combinations_with_replacement(candidates, cell.kept)))
    found = set()
    sizes = {
        "all": [len(choices)],
        "any": range(len(choices) + 1),
    }.get(str(cell.kept), [cell.kept_edges(len(choices))])
    for size in sizes:
        for subset in itertools.combinations(candidates, size):
            edges = [edge for edge, _ in subset]
            if len(set(edges)) == size:
                # With "none" as choice 0, an edge that is absent and one that has it are the same.
                found.add(tuple(c for c in subset if not (cell.none_is_a_choice and c[1] == 0)))
    return len(found)


COUNTED = [
    CellSpace("one", ("a", "b", "c"), kept=1),
    CellSpace("two", ("a", "b", "c"), kept=2),
    CellSpace("three", ("a", "b", "c"), kept=3),
    CellSpace("all", ("a", "b", "c"), kept="all"),
    CellSpace("any", ("a", "b", "c"), kept="any"),
    CellSpace("any with none", ("none", "b", "c"), kept="any", none_is_a_choice=True),
    CellSpace("repeats", ("a", "b", "c"), kept=2, repeats=True),
]


@pytest.mark.slow
@pytest.mark.parametrize("cell", COUNTED, ids=lambda cell: cell.name)
@settings(deadline=None)  # a busy machine is no fault
@given(choices=st.lists(st.integers(1, 3), min_size=1, max_size=4))
def test_count_node_equals_enumeration(cell: CellSpace, choices: list[int]) -> None:
    assert count_node(cell, choices) == enumerate_node(cell, choices)


@pytest.mark.parametrize("kept", [2, "all"])
def test_all_and_fixed_counts_with_none_as_an_operation_like_others(kept: int | str) -> None:
    cell = CellSpace("nb201", ("none", "b", "c"), kept=kept, none_is_a_choice=True)  # type: ignore[arg-type]
    assert count_node(cell, [3, 3]) == 9


def test_nas_bench_201_has_15625_cells() -> None:
    operations = ("none", "skip_connect", "conv_1x1", "conv_3x3", "avg_pool_3x3")
    cell = CellSpace("nb201", operations, nodes=3, inputs=1, kept="all", none_is_a_choice=True)
    assert count_space(cell) == 15_625
    assert cell.steps == 6


def test_none_that_no_genotype_contains_is_not_counted() -> None:
    assert count_space(get_cell_space("darts")) == count_space(O2D)


def test_count_alive() -> None:
    alive = [[True] * 7 for _ in O2D.edges]
    assert count_alive(O2D, alive) == 1_037_664_180
    for edge in O2D.incoming(2):
        alive[edge] = [True] + [False] * 6
    assert count_alive(O2D, alive) == 1_037_664_180 // 49
    # Node 3 keeps predecessors 0 and 2: the other edge is gone, and only operations can vary.
    alive[O2D.edges.index((1, 3))] = [False] * 7
    assert count_alive(O2D, alive) == 1_037_664_180 // 49 // (3 * 49) * 49


def test_count_alive_leaves_none_out() -> None:
    darts = get_cell_space("darts")
    assert count_alive(darts, [[True] * 8 for _ in darts.edges]) == count_space(darts)


def test_count_alive_falls_to_one() -> None:
    alive = [[False] * 7 for _ in O2D.edges]
    for state in O2D.states:
        for edge in O2D.incoming(state)[:2]:
            alive[edge][3] = True
    assert count_alive(O2D, alive) == 1
