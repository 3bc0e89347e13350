"""Exact numbers of architectures, at any state of a search."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, prod

from autodas.spaces._cell import CellSpace


def count_node(cell: CellSpace, choices: Sequence[int]) -> int:
    r"""Return the number of ways to complete one node.

    With :math:`n_e` operations still possible on incoming edge :math:`e` and k edges to keep, it is
    the elementary symmetric polynomial :math:`e_k(n_1, \dots, n_p)`. For :math:`r` resolved edges of
    :math:`p` and 7 operations that is :math:`\binom r2 + 7 r (p-r) + 49 \binom{p-r}2` (k = 2).

    Args:
        cell: the cell space.
        choices: for every incoming edge that is still possible, the number of operations that may be chosen.
    """
    if cell.kept == "all":
        return prod(choices)
    if cell.kept == "any":
        # An absent edge and "none" are equivalent.
        return prod(n if cell.none_is_a_choice else n + 1 for n in choices)
    if cell.repeats:
        # Any pair of predecessor and operation may be repeated: multisets of k pairs.
        return comb(sum(choices) + cell.kept - 1, cell.kept)
    kept = min(cell.kept, len(choices))
    polynomial = [1] + [0] * kept
    for n in choices:
        for k in range(kept, 0, -1):
            polynomial[k] += n * polynomial[k - 1]
    return polynomial[kept]


def count_cell(cell: CellSpace, choices: Sequence[Sequence[int]]) -> int:
    """Return the number of ways to complete one cell.

    Args:
        cell: the cell space.
        choices: for each node, the argument of :func:`count_node`.
    """
    return prod(count_node(cell, node) for node in choices)


def count_space(cell: CellSpace, kinds: int = 1) -> int:
    """Return the number of genotypes of a space with the given number of cell kinds."""
    full = [[len(cell.choices)] * len(cell.predecessors(state)) for state in cell.states]
    one = sum(count_cell(cell, full[:nodes]) for nodes in cell.lengths or (cell.nodes,))
    return prod([one] * kinds)


def count_alive(cell: CellSpace, alive: Sequence[Sequence[bool]]) -> int:
    """Return the number of architectures of one cell that remain valid.

    Args:
        cell: the cell space.
        alive: edges x operations; the candidates that may still be chosen. An edge without any has been
            removed.
    """
    names = cell.operations
    choices = [
        [
            n
            for edge in cell.incoming(state)
            if (n := sum(a for a, name in zip(alive[edge], names, strict=True) if name in cell.choices))
        ]
        for state in cell.states
    ]
    return count_cell(cell, choices)
