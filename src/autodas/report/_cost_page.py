"""Page of a table of costs: predicted against measured costs, and what each operation costs on each edge."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from autodas.costs import CostTable
from autodas.report.page import page_around
from autodas.report.page._charts import Dot, scatter_chart
from autodas.report.page._html import csv_link, escape, paragraph, section, table
from autodas.report.page._shaded import Shaded, shaded_table
from autodas.report.page._thinning import some_of

_MANY = 500
"""Most networks in the picture."""


def render_costs(costs: CostTable) -> str:
    """Return the page, which makes no network requests.

    Args:
        costs: a table of costs; parts for which it has no facts are left out.
    """
    title = f"Costs of operations: {costs.metric} in space {costs.cell.name}"
    main = [
        f"<h1>{escape(title)}</h1>",
        _quality(costs),
        section("held-out", "Predicted and measured", _picture(costs)),
        section("costs", "Operations on edges", *_operations(costs)),
        section("device", "Device", _facts(costs.device)),
    ]
    return page_around("\n".join(main), title)


def _quality(costs: CostTable) -> str:
    fit = costs.fit
    if "rank_correlation" not in fit:
        return ""
    return paragraph(
        f"Fitted to {fit['networks']} networks. For networks held out: rank correlation "
        f"{fit['rank_correlation']:.3f}, relative error {100 * fit['median_error']:.1f} % in the median, "
        f"{100 * fit['p90_error']:.1f} % at the 90th percentile."
    )


def _picture(costs: CostTable) -> str:
    unit = costs.unit or costs.metric
    dots = [
        Dot("networks held out", f"measured {y:.4g}, predicted {p:.4g}", y, p, p, p)
        for y, p in some_of(costs.fit.get("held_out", []), _MANY)
    ]
    return scatter_chart(
        "held-out",
        "Networks, each predicted by a fit to others",
        f"measured {unit}",
        f"predicted {unit}",
        dots,
        what="network",
        equal=True,
    )


def _operations(costs: CostTable) -> list[str]:
    largest = max((abs(value) for rows in costs.costs.values() for row in rows for value in row), default=0.0)
    head = costs.cell.operations
    parts = [
        paragraph(
            "What an operation on an edge adds to the network, in all cells of a kind together, in "
            f"{costs.unit or costs.metric}; everything else costs {costs.constant:.4g}. Orange: below 0.",
            "note",
        )
    ]
    for kind, costs_of_edges in costs.costs.items():
        rows = [
            (f"{predecessor} → {state}", row)
            for (predecessor, state), row in zip(costs.cell.edges, costs_of_edges, strict=True)
        ]
        cells = [(edge, _shades(row, largest)) for edge, row in rows]
        parts += [
            shaded_table(head, cells, f"Cells of kind {kind}: a row for each edge"),
            csv_link(f"costs-{kind}.csv", ["edge", *head], [[edge, *row] for edge, row in rows]),
        ]
    return parts


def _shades(row: Sequence[float], largest: float) -> list[Shaded]:
    """Return cells with three digits of the largest cost."""
    digits = max(0, 2 - math.floor(math.log10(largest))) if largest else 0
    # Adding 0 makes 0 of -0.
    texts = [f"{round(value, digits) + 0.0:.{digits}f}" for value in row]
    return [
        Shaded(text, abs(value) / (largest or 1.0), value < 0) for text, value in zip(texts, row, strict=True)
    ]


def _facts(device: Mapping[str, Any]) -> str:
    rows = [[name, str(value)] for name, value in device.items()]
    return table(["", ""], rows, "As measured") if rows else ""
