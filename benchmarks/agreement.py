"""Agreement of seeds: does a search find the same operations again, more often than by chance?

usage: python benchmarks/agreement.py --data NAME --run FOLDER --output FILE [options]

Other options are passed to ``autodas search``, such as ``--data.subset 1000``. Searches that are finished are
not repeated, and what was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from statistics import fmean

from autodas.runs.agreement import agreement, decided_operations
from autodas.runs.reading import Run
from finished_runs import finished_run, machine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--preset", default="quickstart")
    parser.add_argument("--methods", default="das,sdas-b")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--run", type=Path, required=True, help="folder")
    parser.add_argument("--output", type=Path, required=True, help="JSON")
    arguments, more = parser.parse_known_args()
    found = {}
    for method in arguments.methods.split(","):
        runs = [searched(arguments, method, seed, more) for seed in range(arguments.seeds)]
        agreed = agreement([decided_operations(run) for run in runs])
        assert agreed is not None, "a method that decides nothing"
        clear = [run.summary["decisiveness"] for run in runs]
        found[method] = {
            **agreed._asdict(),
            "margin": fmean(each["margin"] for each in clear),
            "margin_by_chance": fmean(each["chance"] for each in clear),
            "close_to_a_draw": sum(bool(run.summary["remarks"]) for run in runs),
        }
        print(f"{method}: {agreed.in_words()}", flush=True)
    command = ["python", "benchmarks/agreement.py", *sys.argv[1:]]
    facts = {"command": command, "machine": machine(runs[0]), "methods": found}
    arguments.output.write_text(json.dumps(facts, indent=2) + "\n")


def searched(arguments: argparse.Namespace, method: str, seed: int, more: list[str]) -> Run:
    """Return the finished run of a method with a seed."""
    words = ["search", f"--data={arguments.data}", f"--preset={arguments.preset}", f"--strategy={method}"]
    return finished_run([*words, f"--seed={seed}", *more], arguments.run / method / f"seed{seed}")


if __name__ == "__main__":
    main()
