"""DOT text of a whole network as a stack of cells."""

from __future__ import annotations

from collections.abc import Mapping

from autodas.genotype import CellGenotype
from autodas.report.drawing._colours import STATE_FILL, STATE_LINE, colour_of
from autodas.report.drawing._dot import FONT, quote
from autodas.spaces import CellSlot, Skeleton

_LINE, _FRAME = "#6b7280", "#d3d6db"
_CELL = ("#dbe8f6", "#4d86b8")
_REDUCTION = ("#fbe3cf", "#b96f35")
_BLOCK = ("#eeeeee", "#8c8c8c")


def network_dot(
    skeleton: Skeleton, graphs: Mapping[str, CellGenotype] | None = None, title: str | None = None
) -> str:
    """Return the drawing of a network as DOT text: every cell with its kind, width and stride.

    From left to right: the stem, the cells with frames around their stages, the classifier. Reduction cells
    have another colour. Lines lead to each cell from its inputs. The cells of a stage graph are drawn in
    their frame, with the operations between them.

    Args:
        skeleton: skeleton of the network.
        graphs: stage graphs, if the skeleton has any; a missing one is drawn as a single box.
        title: title above the drawing.
    """
    stem, classifier = (_paint(STATE_FILL[role], STATE_LINE[role]) for role in ("input", "output"))
    frame = f'labelloc=b, fontsize=11, fontcolor="{_LINE}", color="{_FRAME}", style=rounded, margin=10'
    lines = [
        "digraph network {",
        f"  graph [rankdir=LR, bgcolor=white, nodesep=0.25, ranksep=0.4, pad=0.2, fontname={quote(FONT)},"
        f" fontsize=15, labelloc=t, label={quote(title or f'{skeleton.name} network')}]",
        f"  node [shape=box, style={quote('rounded,filled')}, fontname={quote(FONT)}, fontsize=12,"
        " height=0.5, penwidth=1.2]",
        f'  edge [arrowsize=0.7, penwidth=1.3, color="{_LINE}", fontname={quote(FONT)}, fontsize=10]',
        f"  stem [label={_lines('stem', f'C1 = {skeleton.C1}')}, {stem}]",
    ]
    before = previous = "stem"
    for stage in range(len(skeleton.stages)):
        slots = [slot for slot in skeleton.slots() if slot.stage == stage]
        if not slots:
            continue
        inside, reads = [], []
        for slot in slots:
            graph = (graphs or {}).get(slot.part) if slot.graph else None
            if graph is None:
                inside.append(_cell(f"cell_{slot.index}", slot.part, slot))
                reads += _reads(skeleton, slot, f"cell_{slot.index}", before, previous)
                output = f"cell_{slot.index}"
            else:
                output = f"concat_{slot.index}"
                inside += _graph(slot, graph, output)
                reads += _graph_reads(slot, graph, output, previous)
            before, previous = previous, output
        lines += [
            f"  subgraph cluster_{stage} {{",
            f'    graph [label="stage {stage + 1}", {frame}]',
            *(f"    {line}" for line in inside),
            "  }",
            *(f"  {line}" for line in reads),
        ]
    lines += [f"  classifier [label=classifier, {classifier}]", f"  {previous} -> classifier", "}", ""]
    return "\n".join(lines)


def _cell(name: str, kind: str, slot: CellSlot) -> str:
    colours = _BLOCK if slot.block else _REDUCTION if slot.reduces else _CELL
    stride = [f"stride {'x'.join(map(str, slot.stride))}"] if slot.reduces else []
    label = _lines(kind, f"C = {slot.width}", *stride)
    return f"{name} [label={label}, {_paint(*colours)}]"


def _reads(skeleton: Skeleton, slot: CellSlot, name: str, before: str, previous: str) -> list[str]:
    """Return the lines into a cell, the one from the cell before the previous drawn weaker."""
    lines = [f"{previous} -> {name}"]
    if skeleton.reads == "two" and not slot.block and before != previous:
        lines.append(f'{before} -> {name} [penwidth=0.9, color="#a9afb8", constraint=false]')
    return lines


def _graph(slot: CellSlot, graph: CellGenotype, output: str) -> list[str]:
    cells = [
        _cell(f"cell_{slot.index}_{graph.inputs + node}", slot.kind, slot) for node in range(len(graph.nodes))
    ]
    return [*cells, f'{output} [shape=point, width=0.12, color="{_LINE}"]']


def _graph_reads(slot: CellSlot, graph: CellGenotype, output: str, previous: str) -> list[str]:
    def name(state: int) -> str:
        return previous if state < graph.inputs else f"cell_{slot.index}_{state}"

    lines = []
    for state, edge in graph.edges():
        colour = colour_of(edge.operation)
        lines.append(
            f"{name(edge.predecessor)} -> {name(state)} [label={quote(edge.operation)},"
            f' color="{colour}", fontcolor="{colour}"]'
        )
    return lines + [f"{name(state)} -> {output} [arrowhead=none]" for state in graph.concat]


def _lines(*lines: str) -> str:
    """Return a label with several lines."""
    return '"' + r"\n".join(quote(line)[1:-1] for line in lines) + '"'


def _paint(fill: str, line: str) -> str:
    return f'fillcolor="{fill}", color="{line}"'
