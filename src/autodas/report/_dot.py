"""The DOT text of a cell."""

from __future__ import annotations

from autodas.report._cells import DrawnCell
from autodas.report._colours import CONCAT, STATE_FILL, STATE_LINE, colour_of

_FONT = "Helvetica,Arial,sans-serif"


def dot(cell: DrawnCell, title: str | None = None) -> str:
    """Return the drawing of a cell as DOT text, to be rendered by any Graphviz.

    From left to right: input states grey, intermediate nodes blue with the number of their state (boxes
    where they are whole cells), the output pink. An operation is a label that its line passes through, so
    that labels never lie on each other or on a foreign line. Undecided edges are dashed and without label.

    Args:
        cell: what to draw.
        title: what stands above it; the kind of the cell when not given.
    """
    lines = [
        f"digraph {_quote(cell.kind)} {{",
        f"  graph [rankdir=LR, bgcolor=white, nodesep=0.2, ranksep=0.42, pad=0.2, fontname={_quote(_FONT)},"
        f" fontsize=15, labelloc=t, label={_quote(cell.title if title is None else title)}]",
        f"  node [fontname={_quote(_FONT)}, fontsize=13, height=0.44, penwidth=1.2]",
        "  edge [arrowsize=0.7, penwidth=1.4]",
    ]
    names = [_state_name(cell, state) for state in range(cell.inputs + cell.nodes)]
    lines += _states(cell, names)
    lines += _edges(cell, names)
    lines += [f'  {names[state]} -> output [color="{CONCAT}"]' for state in cell.concat]
    return "\n".join([*lines, "}", ""])


def _states(cell: DrawnCell, names: list[str]) -> list[str]:
    lines = [f"  {name} [shape=box, {_paint('input')}]" for name in names[: cell.inputs]]
    # The invisible chain keeps the inputs in order, the older one above.
    chain = " -> ".join(names[: cell.inputs])
    lines.append(f"  {{ rank=source; {chain}{' [style=invis]' if cell.inputs > 1 else ''} }}")
    shape = "shape=box" if cell.graph else "shape=circle, width=0.44, fixedsize=true"
    lines += [f"  {name} [{shape}, {_paint('node')}]" for name in names[cell.inputs :]]
    lines.append(f"  output [shape=box, {_paint('output')}]")
    return lines


def _edges(cell: DrawnCell, names: list[str]) -> list[str]:
    lines = []
    for number, edge in enumerate(cell.edges):
        source, target, colour = names[edge.predecessor], names[edge.state], colour_of(edge.operation)
        if edge.operation is None:
            # As long as two lines and the label between them, so that decided edges keep their place.
            lines.append(f'  {source} -> {target} [style=dashed, minlen=2, color="{colour}"]')
            continue
        style = "dotted" if edge.operation == "none" else "solid"
        label = f"edge_{number}"
        lines.append(
            f"  {label} [label={_quote(edge.operation)}, shape=box, style=rounded, fontsize=11, height=0.26,"
            f' margin="0.13,0.02", penwidth=1, color="{colour}", fontcolor="{colour}"]'
        )
        lines.append(f'  {source} -> {label}:w [arrowhead=none, style={style}, color="{colour}"]')
        lines.append(f'  {label}:e -> {target} [style={style}, color="{colour}"]')
    return lines


def _state_name(cell: DrawnCell, state: int) -> str:
    if cell.graph:
        return _quote(f"input {state}" if state < cell.inputs else f"cell {state}")
    return _quote(f"c[k-{cell.inputs - state}]") if state < cell.inputs else str(state)


def _paint(role: str) -> str:
    return f'style="rounded,filled", fillcolor="{STATE_FILL[role]}", color="{STATE_LINE[role]}"'


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'
