"""Evidence that a search finds better cells than chance: methods and seeds, judged by NAS-Bench-201.

usage: python benchmarks/evidence.py --data cifar10:PATH --table FILE [options]

Nothing is trained. The CPU time of what is left is printed first, from a few iterations of each method
(``--estimate`` stops there). The JSON and a page are written after each search. What the JSON has is not
searched again: methods, seeds and variants (``--with strategy.beta_decay=5``) can be added one by one, and a
search that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autodas.benchmark_string import read_benchmark_string
from autodas.report import FoundRun, TableComparison, read_found_run, render_table_comparison
from autodas.runs.agreement import agreement
from autodas.runs.folder import ENVIRONMENT
from autodas.tables import open_table

HERE = Path(__file__).resolve().parent
SETTINGS = HERE / "evidence_settings" / "nasbench201.yaml"
METHODS = "das,sdas-a,sdas-b,sdas-c,snas,pdarts,pcdarts,edas"
"""All methods that search a single kind of cell; random search has its expectation in the table."""


@dataclass(frozen=True)
class Search:
    """Search of a method, or of a variant of it, with a seed.

    Args:
        method: method, with its further options.
        seed: seed.
        words: words of its command.
        folder: run folder.
    """

    method: str
    seed: int
    words: tuple[str, ...]
    folder: Path

    def run(self, *more: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
        """Run the command."""
        return subprocess.run([sys.executable, "-m", "autodas", *self.words, *more], check=True, **options)

    def estimate(self) -> float:
        """Return the CPU time in seconds, from a few iterations on one thread."""
        done = self.run("--dry_run", "--json", capture_output=True)
        return float(json.loads(done.stdout)["time_seconds"])


class Evidence:
    """All searches of one file of settings, and what the table says about them.

    Args:
        path: the JSON; a page of the same name is written beside it.
        table: path of the table.
        data: name of the data set.
    """

    def __init__(self, path: Path, table: Path, data: str) -> None:
        self.path, self.file, self.name = path, table, data
        self.table = open_table(f"nasbench201:{table}")
        self.judge = self.table.column(data)
        known = json.loads(path.read_text()) if path.exists() else {"runs": [], "searches": {}}
        self.runs = {(run["method"], run["seed"]): FoundRun(**run) for run in known["runs"]}
        self.searches: dict[str, Any] = known["searches"]

    def add(self, search: Search) -> FoundRun:
        """Add the result of a finished search, and write the JSON and the page."""
        found = read_found_run(search.method, search.seed, search.folder, self.table, self.judge)
        self.runs[search.method, search.seed] = found
        environment = json.loads((search.folder / ENVIRONMENT).read_text())
        self.searches[search.method] = {
            "command": self.without_places(" ".join(["autodas", *search.words])),
            "machine": {name: environment[name] for name in ("autodas", "torch", "processor", "cores")},
        }
        self.write()
        return found

    def write(self) -> None:
        """Write the JSON and the page."""
        runs = tuple(self.runs[key] for key in sorted(self.runs))
        comparison = TableComparison(runs, self.table, self.judge)
        agreements = {
            method: found._asdict()
            for method, own in comparison.groups.items()
            if (found := agreement([operations(run) for run in own])) is not None
        }
        facts = {"searches": self.searches, **comparison.to_dict(), "agreement": agreements}
        self.path.write_text(self.without_places(json.dumps(facts, indent=1)) + "\n")
        page = self.without_places(render_table_comparison(comparison))
        self.path.with_suffix(".html").write_text(page)

    def without_places(self, text: str) -> str:
        """Return a text without the places of files on this machine, which mean nothing elsewhere."""
        places = {self.name.partition(":")[2]: "PATH", str(self.file): self.file.name, f"{HERE.parent}/": ""}
        for place, shown in places.items():
            text = text.replace(place, shown) if place else text
        return text


def operations(run: FoundRun) -> dict[tuple[str, tuple[int, ...]], str]:
    """Return the operation of each edge of a cell that was found."""
    return {
        (kind, (edge.predecessor, node)): edge.operation
        for kind, cell in read_benchmark_string(run.architecture).cells.items()
        for node, edge in cell.edges()
    }


def planned(arguments: argparse.Namespace, method: str, seed: int) -> Search:
    """Return the search of a method with a seed."""
    options = [f"--{word}" for word in arguments.options]
    further = ", ".join(word.removeprefix("strategy.") for word in arguments.options)
    label = f"{method} with {further}" if further else method
    folder = arguments.run or Path("runs") / f"evidence-{arguments.settings.stem}"
    words = ["search", f"--data={arguments.data}", f"--config={arguments.settings}", "--preset=quickstart"]
    words += [f"--strategy={method}", f"--seed={seed}", "--compute.threads=1", *options]
    words += [f"--table=nasbench201:{arguments.table}"]
    return Search(label, seed, tuple(words), folder / re.sub(r"[ ,]+", "-", label) / f"seed{seed}")


def searched(search: Search) -> Search:
    """Finish a search."""
    search.run(f"--run={search.folder}", "--resume=auto", "--quiet")
    return search


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", required=True, help="cifar10:PATH")
    parser.add_argument("--table", type=Path, required=True, help="CSV of NAS-Bench-201")
    parser.add_argument("--settings", type=Path, default=SETTINGS, help="configuration of all searches")
    parser.add_argument("--methods", default=METHODS)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument(
        "--with", nargs="*", default=[], dest="options", metavar="KEY=VALUE", help="further options"
    )
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--run", type=Path, help="folder; by default runs/evidence-NAME, after the settings")
    parser.add_argument("--output", type=Path, help="JSON; by default results/evidence_NAME.json")
    parser.add_argument("--estimate", action="store_true", help="print the time, and stop")
    arguments = parser.parse_args()

    output = arguments.output or HERE / "results" / f"evidence_{arguments.settings.stem}.json"
    evidence = Evidence(output, arguments.table, arguments.data)
    every = (
        planned(arguments, method, seed)
        for method in arguments.methods.split(",")
        for seed in range(arguments.seeds)
    )
    left: dict[str, list[Search]] = {}
    for search in every:
        if (search.method, search.seed) not in evidence.runs:
            left.setdefault(search.method, []).append(search)
    seconds = 0.0
    for method, searches in left.items():
        each = searches[0].estimate()
        seconds += len(searches) * each
        print(f"{method}: {len(searches)} searches of about {each / 60:.0f} CPU minutes", flush=True)
    print(f"in all about {seconds / 3600:.1f} hours of CPU", flush=True)
    if arguments.estimate:
        return 0
    with ThreadPoolExecutor(arguments.jobs) as pool:
        running = [pool.submit(searched, search) for searches in left.values() for search in searches]
        for future in as_completed(running):
            found = evidence.add(future.result())
            accuracy = found.accuracies[evidence.judge]
            print(f"{found.method}, seed {found.seed}: {accuracy:.2f} %, {found.cpu_seconds:.0f} CPU s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
