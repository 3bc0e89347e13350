"""``autodas space``: search spaces and their numbers of architectures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from autodas.cli._output import print_facts
from autodas.cli._settings import ListConfig
from autodas.cli.config._verbs import Verb, run_verbs, usages_of
from autodas.spaces import Space, count_space, get_space, space_names


@dataclass(frozen=True)
class ShowConfig:
    """Show a search space.

    Args:
        name: name of the space, as skeleton-cellspace: cifar-o2d, ...; or nasbench201.
        json: print JSON.
    """

    name: str = field(metadata={"positional": True})
    json: bool = False


def run(argv: list[str]) -> int:
    """Run the command."""
    return run_verbs("space", argv, VERBS)


def _list(config: ListConfig) -> None:
    """List the search spaces."""
    rows = []
    for name in space_names():
        space = get_space(name)
        rows.append(
            {
                "name": name,
                "operations": len(space.cell.operations),
                "steps": space.steps,
                "architectures": space.architectures,
            }
        )
    print_facts(rows, config.json)


def _show(config: ShowConfig) -> None:
    """Show a search space: operations, edges, discretisation steps, number of architectures."""
    print_facts(_facts(get_space(config.name)), config.json)


def _facts(space: Space) -> dict[str, Any]:
    cell, skeleton = space.cell, space.skeleton
    return {
        "name": space.name,
        "operations": list(cell.operations),
        "kinds": list(space.kinds),
        "inputs": cell.inputs,
        "nodes": cell.nodes,
        "kept": cell.kept,
        "edges": len(cell.edges) * len(space.kinds),
        "edges_per_cell": len(cell.edges),
        "deciding_nodes": sum(cell.must_choose_edges(state) for state in cell.states) * len(space.kinds),
        "steps": space.steps,
        "architectures_per_cell": count_space(cell),
        "architectures": space.architectures,
        "edge_list": [f"{predecessor}-{state}" for predecessor, state in cell.edges],
        "skeleton": {"name": skeleton.name, "K": skeleton.K, "C1": skeleton.C1, "C2": skeleton.C2},
    }


VERBS = {
    "list": Verb(ListConfig, _list),
    "show": Verb(ShowConfig, _show),
}
USAGES = usages_of("space", VERBS)
