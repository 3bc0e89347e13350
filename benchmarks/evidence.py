"""Evidence that a search finds better cells than chance: methods and seeds, judged by NAS-Bench-201.

usage: python benchmarks/evidence.py --data cifar10:PATH --table FILE [options]

The searches are those of ``autodas compare --table``: nothing is trained, and what was stopped goes on where
it was. The CPU time of what is left is printed first, from a few iterations of each method (``--estimate``
stops there).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from autodas.runs.folder import COMPARISON, COMPARISON_PAGE, RunFolder

HERE = Path(__file__).resolve().parent
SETTINGS = HERE / "evidence_settings" / "nasbench201.yaml"
METHODS = "das,sdas-a,sdas-b,sdas-c,snas,pdarts,pcdarts,edas,random"
"""All methods that search a single kind of cell; random trains several cells for the cost of DAS."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", required=True, help="cifar10:PATH")
    parser.add_argument("--table", type=Path, required=True, help="CSV of NAS-Bench-201")
    parser.add_argument("--settings", type=Path, default=SETTINGS, help="configuration of all searches")
    parser.add_argument("--methods", default=METHODS)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--run", type=Path, help="folder; by default runs/evidence-NAME, after the settings")
    parser.add_argument(
        "--output", type=Path, help="JSON; by default results/evidence_NAME.json, with a page"
    )
    parser.add_argument("--estimate", action="store_true", help="print the time, and stop")
    arguments = parser.parse_args()
    settings, name = arguments.settings, arguments.settings.stem
    folder = arguments.run or Path("runs") / f"evidence-{name}"
    methods = arguments.methods.split(",")

    left = {
        method: missing
        for method in methods
        if (missing := sum(not finished(folder / method / f"seed{s}") for s in range(arguments.seeds)))
    }
    seconds = 0.0
    for method, missing in left.items():
        each = estimate(method, arguments.data, settings)
        seconds += missing * each
        print(f"{method}: {missing} searches of about {each / 60:.0f} CPU minutes", flush=True)
    print(f"in all about {seconds / 3600:.1f} hours of CPU", flush=True)
    if arguments.estimate:
        return 0
    words = [f"--data={arguments.data}", f"--search.config={settings}", f"--run={folder}"]
    words += [f"--methods={arguments.methods}", f"--seeds={arguments.seeds}", f"--jobs={arguments.jobs}"]
    words += [f"--table=nasbench201:{arguments.table}", "--compute.threads=1"]
    done = subprocess.run([sys.executable, "-m", "autodas", "compare", *words], check=False)
    if done.returncode == 0:
        output = arguments.output or HERE / "results" / f"evidence_{name}.json"
        places = {arguments.data.partition(":")[2]: "PATH", str(arguments.table): arguments.table.name}
        for source, target in ((COMPARISON, output), (COMPARISON_PAGE, output.with_suffix(".html"))):
            target.write_text(without_places((folder / source).read_text(), places))
    return done.returncode


def without_places(text: str, places: dict[str, str]) -> str:
    """Return a result without the places of files on this machine, which mean nothing elsewhere."""
    for place, shown in {**places, f"{HERE.parent}/": ""}.items():
        text = text.replace(place, shown) if place else text
    return text


def finished(folder: Path) -> bool:
    """Return whether the search of a method with a seed has its result."""
    return RunFolder(folder / "search").finished


def estimate(method: str, data: str, settings: Path) -> float:
    """Return the CPU time of a search in seconds, from a few of its iterations on one thread."""
    words = ["search", f"--data={data}", f"--config={settings}", "--preset=quickstart"]
    words += [f"--strategy={method}", "--compute.threads=1", "--dry_run", "--json"]
    done = subprocess.run([sys.executable, "-m", "autodas", *words], check=True, capture_output=True)
    return float(json.loads(done.stdout)["time_seconds"])


if __name__ == "__main__":
    sys.exit(main())
