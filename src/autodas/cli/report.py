"""``autodas report``: a report on runs in one HTML page."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from autodas.cli._output import print_facts
from autodas.cli.config._usage import Usage
from autodas.terminal import message


@dataclass(frozen=True)
class ReportConfig:
    """Write a report on runs as one HTML file, which works in any browser without a network connection.

    For a search it shows the evolution of the architecture, for a training its curves and mistakes; several
    runs are compared. Runs in progress and incomplete runs are shown as far as they are available.

    Args:
        runs: run folders, or folders that contain runs.
        output: output file; an existing one is replaced.
        json: print the name of the file and the problems of each run as JSON.
    """

    runs: tuple[str, ...] = field(metadata={"positional": True, "metavar": "RUN", "nargs": "+"})
    output: Path = field(default=Path("report.html"), metadata={"short": "-o"})
    json: bool = False


USAGES = (Usage("report", ReportConfig),)


def run(argv: list[str]) -> int:
    """Run the command."""
    config = USAGES[0].parse(argv)
    from autodas.report.page import write_page
    from autodas.runs.finding import find_runs
    from autodas.runs.reading import read_run

    folders = find_runs(config.runs)
    path = write_page(folders, config.output)
    problems = {str(folder): list(read_run(folder).problems) for folder in folders}
    if config.json:
        print_facts({"page": str(path), "runs": problems}, as_json=True)
        return 0
    for folder, own in problems.items():
        for problem in own:
            print(message(f"{folder}: {problem}"))
    print(path)
    return 0
