"""Genotypes in the one-line form of NAS-Bench-201, ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|``.

The cell has one input, state 0, and a group ``|...|`` for each further node; ``op~p`` is the operation on the
edge from state p. The last node is the output (Dong and Yang, ICLR 2020).
"""

from __future__ import annotations

from autodas.errors import GenotypeError
from autodas.genotype import CellGenotype, Edge, Genotype

SPACE = "nasbench201"
"""Name of the cell space of these genotypes."""

KIND = "normal"
"""The only kind of cell of these genotypes."""

_LONGEST = 10_000


def is_benchmark_string(text: str) -> bool:
    """Return whether a text is meant as such a string, judging by its first character."""
    return text.strip().startswith("|")


def read_benchmark_string(text: str) -> Genotype:
    """Read a genotype of the space ``nasbench201``.

    Args:
        text: string such as ``|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|nor_conv_1x1~2|``; the
            order of edges within a node does not matter.

    Raises:
        GenotypeError: if the text is invalid; the message names the place.
    """
    where, nodes = f"'{text.strip()}'", []
    if len(text) > _LONGEST:
        raise GenotypeError(f"a string of {len(text):,} characters is not a genotype of NAS-Bench-201")
    for number, group in enumerate(text.split("+"), 1):
        node = _read_node(group, f"{where}: node {number}")
        if [edge.predecessor for edge in node] != list(range(number)):
            raise GenotypeError(f"{where}: node {number} must read each of the states 0..{number - 1} once")
        nodes.append(node)
    return Genotype({KIND: CellGenotype(tuple(nodes), (len(nodes),), 1)}, space=SPACE)


def benchmark_string(genotype: Genotype) -> str | None:
    """Return the one-line form of a genotype; ``None`` for genotypes of other spaces."""
    if genotype.space != SPACE or KIND not in genotype.cells:
        return None
    groups = []
    for node in genotype.cells[KIND].nodes:
        edges = sorted(node, key=lambda edge: edge.predecessor)
        groups.append("|" + "".join(f"{edge.operation}~{edge.predecessor}|" for edge in edges))
    return "+".join(groups)


def _read_node(group: str, where: str) -> tuple[Edge, ...]:
    group = group.strip()
    if len(group) < 2 or not (group.startswith("|") and group.endswith("|")):
        raise GenotypeError(f"{where}: '|operation~state|...' is expected, found '{group}'")
    edges = []
    for item in group[1:-1].split("|"):
        operation, _, predecessor = item.partition("~")
        if not (predecessor.isascii() and predecessor.isdecimal() and len(predecessor) < 4):
            raise GenotypeError(f"{where}: 'operation~state' is expected, found '{item}'")
        edges.append(Edge(operation, int(predecessor)))
    return tuple(sorted(edges, key=lambda edge: edge.predecessor))
