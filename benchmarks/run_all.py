"""Run the benchmarks one after the other; each writes a file into ``results``.

usage: python benchmarks/run_all.py [--folder FOLDER] [NAME ...]

Without names: all that this machine can run, about an hour on two CPU cores; nothing else should run
meanwhile. Names are those of ``plan.py``. ``python benchmarks/tables.py`` then puts the figures on the page.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import torch

from plan import BENCHMARKS

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the benchmarks of plan.py.")
    parser.add_argument("--folder", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(b.name for b in BENCHMARKS))
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - {b.name for b in BENCHMARKS}:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    failed = []
    for benchmark in BENCHMARKS:
        if arguments.names and benchmark.name not in arguments.names:
            continue
        if not arguments.names and benchmark.gpu and not torch.cuda.is_available():
            continue
        # Relative where it can be: the file holds the command that made it.
        output = os.path.relpath(arguments.folder / f"{benchmark.name}.json", ROOT)
        command = [sys.executable, "-m", "autodas", "bench", *benchmark.words, f"--output={output}"]
        print(f"== {benchmark.title}", flush=True)
        # In the root of the checkout, where benchmarks.plain_supernet is found.
        if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
            failed.append(benchmark.name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
