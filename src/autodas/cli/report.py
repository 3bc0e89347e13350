"""``autodas report``: a page about runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from autodas.cli._output import print_facts
from autodas.cli.config._configuration import parse
from autodas.terminal import message


@dataclass(frozen=True)
class ReportConfig:
    """Write a page about runs: one HTML file, to be opened in a browser, that asks the network for nothing.

    Of a search it shows how the architecture came to be, of a training curves and mistakes; several runs are
    compared. Runs that go on, or that are incomplete, are shown as far as they are.

    Args:
        runs: run folders, or folders with runs somewhere below.
        output: the file; it is replaced where it is there.
        json: print the name of the file and what is missing in the runs as JSON.
    """

    runs: tuple[str, ...] = field(metadata={"positional": True, "metavar": "RUN", "nargs": "+"})
    output: Path = field(default=Path("report.html"), metadata={"short": "-o"})
    json: bool = False


def run(argv: list[str]) -> int:
    """Run the command."""
    config = parse("report", ReportConfig, argv)
    from autodas.report.page import write_page
    from autodas.runs.finding import find_runs
    from autodas.runs.reading import read_run

    folders = find_runs(config.runs)
    path = write_page(folders, config.output)
    problems = {str(folder): list(read_run(folder).problems) for folder in folders}
    if config.json:
        print_facts({"page": str(path), "runs": problems}, as_json=True)
        return 0
    for folder, found in problems.items():
        for problem in found:
            print(message(f"{folder}: {problem}"))
    print(path)
    return 0
