"""A small network with and without a teacher: test accuracies of several seeds.

usage: python benchmarks/distillation.py --cifar10 FOLDER --run FOLDER --output FILE

Teacher and network learn from the same pictures. What is finished in the folder is not repeated.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from scipy.stats import ttest_rel

from finished_runs import finished_run, machine

COMMON = ["--data.subset=5000", "--batch_size=64", "--optim.lr=0.05", "--auxiliary=false"]
LARGE = ["--skeleton.K=2", "--skeleton.C1=32", "--skeleton.C2=96", "--epochs=15"]
SMALL = ["--skeleton.K=1", "--skeleton.C1=8", "--skeleton.C2=32", "--epochs=10"]
SEEDS = range(3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cifar10", required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    words = ["train", "darts_v2", f"--data=cifar10:{options.cifar10}", *COMMON]

    def accuracy(folder: Path, *more: str) -> float:
        finished_run([*words, *more], folder)
        found: float = json.loads((folder / "summary.json").read_text())["test"]["top1"]
        return found

    large = options.run / "teacher"
    teacher = accuracy(large, *LARGE)
    rows: dict[str, Any] = {"teacher": teacher}
    for name, more in (("alone", []), ("with the teacher", [f"--teacher={large}"])):
        found = [
            accuracy(options.run / f"{name.replace(' ', '-')}-{seed}", *SMALL, *more, f"--seed={seed}")
            for seed in SEEDS
        ]
        rows[name] = {"top1": fmean(found), "deviation": stdev(found), "seeds": found}
        print(name, rows[name])
    rows["p"] = float(ttest_rel(rows["with the teacher"]["seeds"], rows["alone"]["seeds"]).pvalue)
    facts = machine(finished_run([*words, *LARGE], large))
    options.output.write_text(json.dumps({"machine": facts, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
