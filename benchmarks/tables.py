"""Write the tables of ``README.md`` from the files in ``results``: no figure is typed by hand.

usage: python benchmarks/tables.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from plan import BENCHMARKS, PLAIN, Benchmark

FOLDER = Path(__file__).resolve().parent
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"


def page(text: str, results: Path) -> str:
    """Return a page with its tables renewed.

    Args:
        text: the page; what stands between the two marks is replaced.
        results: folder of the results.
    """
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    parts = [_part(benchmark, results / f"{benchmark.name}.json") for benchmark in BENCHMARKS]
    return "\n\n".join([f"{before}{BEGIN}", *parts, f"{END}{after}"])


def _part(benchmark: Benchmark, path: Path) -> str:
    words = " ".join(("autodas bench", *benchmark.words)).replace(PLAIN, "PLAIN")
    lines = [f"### {benchmark.title}", "", f"`{words}`", ""]
    if not path.exists():
        return "\n".join([*lines, "**Not measured.**"])
    document = json.loads(path.read_text(encoding="utf-8"))
    columns = _columns(document)
    rows = [[show(row) for show in columns.values()] for row in document["results"]]
    return "\n".join(
        [
            *lines,
            "| " + " | ".join(columns) + " |",
            "| " + " | ".join("---" for _ in columns) + " |",
            *("| " + " | ".join(row) + " |" for row in rows),
            "",
            f"{_machine(document)} ([{path.name}](results/{path.name}))",
        ]
    )


def _columns(document: dict[str, Any]) -> dict[str, Any]:
    """Return the head of each column and what shows a row there."""
    label = "strategy" if document["benchmark"] == "search" else "engine"
    columns: dict[str, Any] = {label: lambda row: row[label].replace(PLAIN, "plain")}
    if document["benchmark"] == "growth":
        varied = document["setting"]["vary"]
        columns = {varied: lambda row: str(row[varied]), **columns}
    columns |= {
        "s an iteration": lambda row: _number(row["seconds_an_iteration"]),
        "CPU s": lambda row: _number(row["cpu_seconds"]),
        "ratio": lambda row: _number(row["ratio"]),
        "from - to": lambda row: f"{_number(row['ratio_least'])} - {_number(row['ratio_most'])}",
    }
    das = [row for row in document["results"] if row.get("strategy") == "das"]
    if das and das[0] != document["results"][0]:
        columns["of das"] = lambda row: _number(row["seconds_an_iteration"] / das[0]["seconds_an_iteration"])
    if document["benchmark"] == "growth":
        columns["growth"] = lambda row: _number(row["growth"])
    if "peak_mib" in document["results"][0]:
        columns["peak MiB"] = lambda row: _number(row["peak_mib"])
        columns["ratio of memory"] = lambda row: _number(row["memory_ratio"])
    return columns


def _number(value: float | None) -> str:
    if value is None:
        return "not measured"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _machine(document: dict[str, Any]) -> str:
    facts = document["environment"]
    gpus = facts.get("gpus", []) if document["setting"]["compute"]["device"] != "cpu" else []
    where = (
        ", ".join(gpus) or f"{facts['processor']}, {facts['cores']} cores, {facts['threads']} of them used"
    )
    return f"{where}; torch {facts['torch']}, Python {facts['python']}; {document['date']}"


if __name__ == "__main__":
    readme = FOLDER / "README.md"
    readme.write_text(page(readme.read_text(encoding="utf-8"), FOLDER / "results"), encoding="utf-8")
