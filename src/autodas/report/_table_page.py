"""Page of a comparison by a table: where the methods fell in the distribution of all architectures."""

from __future__ import annotations

from autodas.report._table_comparison import RANDOM, TableComparison
from autodas.report.page import page_around
from autodas.report.page._html import escape, paragraph, section, table
from autodas.report.page._strips import strip_chart


def render_table_comparison(comparison: TableComparison, remarks: str = "") -> str:
    """Return the page, which makes no network requests.

    Args:
        comparison: the comparison.
        remarks: what else is said below the table, as plain text.
    """
    title = f"Architectures found, by the table {comparison.table_of.name}"
    charts = [
        strip_chart(
            f"found-{data}",
            f"{data}: all architectures, and those that were found",
            f"accuracy on {data}, percent",
            comparison.table_of.ranked(data),
            {
                **{
                    method: {f"seed {run.seed}": run.accuracies[data] for run in runs}
                    for method, runs in comparison.groups.items()
                },
                RANDOM: {"expectation": comparison.table_of.mean(data)},
            },
        )
        for data in comparison.table_of.data
    ]
    data = comparison.table_of.data
    head = ["method", "seed", *(f"{name}, %" for name in data), "better than, %", "architecture"]
    head.append(f"{comparison.data} after each epoch, %")
    rows = [
        [
            run.method,
            run.seed,
            *(run.accuracies[name] for name in data),
            100 * run.worse,
            run.architecture,
            ", ".join("-" if accuracy is None else f"{accuracy:.2f}" for accuracy in run.trajectory),
        ]
        for run in comparison.runs
    ]
    main = [
        f"<h1>{escape(title)}</h1>",
        paragraph(comparison.verdict()),
        paragraph(remarks) if remarks else "",
        section("distribution", "Distribution", *charts),
        section("methods", "Methods", table(*comparison.columns(), "Means over seeds", sortable=True)),
        section(
            "found", "All searches", table(head, rows, "Architecture found by each search", sortable=True)
        ),
    ]
    return page_around("\n".join(main), title)
