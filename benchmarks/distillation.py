"""A small network with and without a teacher: test accuracies of several seeds.

usage: python benchmarks/distillation.py --data NAME --pictures N --run FOLDER --output FILE

Teacher and network learn from the same N pictures. What is finished in the folder is not repeated.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from scipy.stats import ttest_rel

from finished_runs import finished_run, machine

COMMON = ["--batch_size=32", "--optim.lr=0.05", "--auxiliary=false", "--epochs=20"]
LARGE = ["--skeleton.K=2", "--skeleton.C1=32", "--skeleton.C2=64"]
SMALL = ["--skeleton.K=0", "--skeleton.C1=4", "--skeleton.C2=8"]
SEEDS = range(6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--pictures", type=int, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    words = ["train", "darts_v2", f"--data={options.data}", f"--data.subset={options.pictures}", *COMMON]

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
    settings = {"common": COMMON, "teacher": LARGE, "network": SMALL, "pictures": options.pictures}
    record = {"machine": facts, "data": options.data, "settings": settings, "rows": rows}
    options.output.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
