"""DOT text of a cell."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from autodas.report.drawing._cells import DrawnCell, DrawnEdge
from autodas.report.drawing._colours import CONCAT, NEW, STATE_FILL, STATE_LINE, colour_of
from autodas.user_code import short_name

FONT = "Helvetica,Arial,sans-serif"


def dot(cell: DrawnCell, title: str | None = None) -> str:
    """Return the drawing of a cell as DOT text, to be rendered by any Graphviz.

    From left to right: input states grey, intermediate nodes blue with the number of their state (boxes for
    whole cells), the output pink. Each operation is a label in the middle of its line, so that labels never
    overlap each other or another line. Undecided edges are dashed and unlabelled.

    Args:
        cell: cell to draw.
        title: title above the drawing; by default the kind of the cell.
    """
    return _graph(cell, title, lambda names: _edges(cell, names))


def dot_in_place(
    cell: DrawnCell,
    edges: Sequence[tuple[int, int]],
    *,
    width: int,
    new: Collection[tuple[int, int]] = (),
) -> str:
    """Return the drawing of a cell with a fixed place for every edge of the search.

    Two drawings of one search with the same ``edges`` and ``width`` have the same layout, whatever is
    decided: removed edges and nodes are invisible, and undecided edges have a question mark in place of the
    operation.

    Args:
        cell: cell to draw; its edges are among ``edges``, each once.
        edges: ``(predecessor, state)`` of all edges, in order.
        width: space for the names of operations, in characters.
        new: edges just decided, which are highlighted.
    """
    states = max((state for _, state in edges), default=0) + 1
    return _graph(cell, None, lambda names: _edges_in_place(cell, edges, names, width, new), states)


def _graph(
    cell: DrawnCell, title: str | None, edges: Callable[[list[str]], list[str]], states: int = 0
) -> str:
    lines = [
        f"digraph {quote(cell.kind)} {{",
        f"  graph [rankdir=LR, bgcolor=white, nodesep=0.2, ranksep=0.42, pad=0.2, fontname={quote(FONT)},"
        f" fontsize=15, labelloc=t, label={quote(cell.title if title is None else title)}]",
        f"  node [fontname={quote(FONT)}, fontsize=13, height=0.44, penwidth=1.2]",
        "  edge [arrowsize=0.7, penwidth=1.4]",
    ]
    names = [_state_name(cell, state) for state in range(max(states, cell.inputs + cell.nodes))]
    lines += _states(cell, names)
    lines += edges(names)
    lines += [f'  {names[state]} -> output [color="{CONCAT}"]' for state in cell.concat]
    return "\n".join([*lines, "}", ""])


def _states(cell: DrawnCell, names: list[str]) -> list[str]:
    lines = [f"  {name} [shape=box, {_paint('input')}]" for name in names[: cell.inputs]]
    # The invisible chain keeps the inputs in order, the older one at the top.
    chain = " -> ".join(names[: cell.inputs])
    lines.append(f"  {{ rank=source; {chain}{' [style=invis]' if cell.inputs > 1 else ''} }}")
    shape = "shape=box" if cell.graph else "shape=circle, width=0.44, fixedsize=true"
    there = cell.inputs + cell.nodes
    lines += [f"  {name} [{shape}, {_paint('node')}]" for name in names[cell.inputs : there]]
    lines += [f"  {name} [{shape}, style=invis]" for name in names[there:]]
    lines.append(f"  output [shape=box, {_paint('output')}]")
    return lines


def _edges(cell: DrawnCell, names: list[str]) -> list[str]:
    lines = []
    for number, edge in enumerate(cell.edges):
        source, target, colour = names[edge.predecessor], names[edge.state], colour_of(edge.operation)
        if edge.operation is None:
            # As long as two lines with a label between them, so that decided edges keep their place.
            lines.append(f'  {source} -> {target} [style=dashed, minlen=2, color="{colour}"]')
            continue
        style = "dotted" if edge.operation == "none" else "solid"
        label, name = f"edge_{number}", quote(short_name(edge.operation))
        lines.append(
            f"  {label} [label={name}, shape=box, style=rounded, fontsize=11, height=0.26,"
            f' margin="0.13,0.02", penwidth=1, color="{colour}", fontcolor="{colour}"]'
        )
        lines.append(f'  {source} -> {label}:w [arrowhead=none, style={style}, color="{colour}"]')
        lines.append(f'  {label}:e -> {target} [style={style}, color="{colour}"]')
    return lines


def _edges_in_place(
    cell: DrawnCell,
    edges: Sequence[tuple[int, int]],
    names: list[str],
    width: int,
    new: Collection[tuple[int, int]],
) -> list[str]:
    drawn = {(edge.predecessor, edge.state): edge for edge in cell.edges}
    lines, room = [], f"width={0.3 + 0.085 * width:.3f}, height=0.26, fixedsize=true"
    for number, place in enumerate(edges):
        edge = drawn.get(place, DrawnEdge(*place, None))
        colour = colour_of(edge.operation)
        line = "dashed" if edge.operation is None else "dotted" if edge.operation == "none" else "solid"
        box, fill, thick = "rounded", "white", 1.0
        if place in new:
            box, fill, thick = "rounded,filled", NEW, 2.5
        if place not in drawn:
            line = box = "invis"
        source, target = (names[state] for state in place)
        label, paint = f"edge_{number}", f'style={line}, penwidth={0.4 + thick}, color="{colour}"'
        name = quote(short_name(edge.operation or "?"))
        lines += [
            f"  {label} [label={name}, shape=box, style={quote(box)}, fontsize=11,"
            f' {room}, penwidth={thick}, color="{colour}", fontcolor="{colour}", fillcolor="{fill}"]',
            f"  {source} -> {label}:w [arrowhead=none, {paint}]",
            f"  {label}:e -> {target} [{paint}]",
        ]
    return lines


def _state_name(cell: DrawnCell, state: int) -> str:
    if cell.graph:
        return quote(f"input {state}" if state < cell.inputs else f"cell {state}")
    return quote(f"c[k-{cell.inputs - state}]") if state < cell.inputs else str(state)


def _paint(role: str) -> str:
    return f'style="rounded,filled", fillcolor="{STATE_FILL[role]}", color="{STATE_LINE[role]}"'


def quote(text: str) -> str:
    """Return a text as a quoted DOT string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'
