"""Detectors around searched cells, random ones and a network of timm, trained alike from scratch.

usage: python benchmarks/detection.py --data voc:PATH --searched GENOTYPE [GENOTYPE ...] --parameters N
           --run FOLDER --output FILE [--timm resnet18] [--space imagenet-o2d] [--K 1] [--train KEY=VALUE ...]

For each searched genotype there are a random cell and a network of timm with the same seed. The width of
the networks of cells is the one whose number of parameters is nearest to N. ``--train`` are further options
of the training. The JSON is written after each training. What is finished is not repeated.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from autodas.runs.events import Epoch
from autodas.spaces import get_space
from autodas.zoo import load_genotype
from finished_runs import finished_run, machine
from random_cells import RANDOM, draw, fitting_width, sizes

SEARCHED = "searched cells"
METRICS = ("map", "map50")


def measured(arguments: argparse.Namespace, method: str, seed: int) -> dict[str, Any]:
    """Train a detector, and return what was found."""
    folder = arguments.run / method.replace(" ", "-").replace(":", "-") / f"seed{seed}"
    row: dict[str, Any] = {"method": method, "seed": seed}
    words = ["--task=detection", f"--data={arguments.data}", f"--preset={arguments.preset}", f"--seed={seed}"]
    words += ["--compute.threads=1", *(f"--{word}" for word in arguments.train)]
    if method in (SEARCHED, RANDOM):
        searched = Path(arguments.searched[seed])
        genotype = searched if method == SEARCHED else draw(arguments.space, seed, folder)
        width = fitting_width(
            load_genotype(str(genotype)), arguments.space, arguments.K, arguments.parameters
        )
        shape = {"K": arguments.K, **sizes(width, get_space(arguments.space).skeleton)}
        words = [str(genotype), *words, *(f"--skeleton.{name}={value}" for name, value in shape.items())]
        row |= {"genotype": json.loads(genotype.read_text()), "skeleton": shape}
    else:
        words = [method, *words]
    run = finished_run(["train", *words], folder / "train")
    test = run.summary["test"]
    epochs = run.events_of(Epoch)
    return row | {
        "parameters": run.summary["network_parameters"],
        "parameters_of_detector": run.summary["parameters"],
        **{name: test[name] for name in METRICS},
        "map50_of_class": {name: own["ap50"] for name, own in test["per_class"].items()},
        "images": test["count"],
        "boxes": test["boxes"],
        "epochs": run.summary["epochs"],
        "cpu_minutes": sum(epoch.spent("cpu_seconds") or 0 for epoch in epochs) / 60,
        "machine": machine(run),
    }


def means(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return mean and deviation of the metrics of each method over its seeds."""
    found: dict[str, dict[str, float]] = {}
    for method in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == method]
        found[method] = {"count": len(own)}
        for name in (*METRICS, "parameters", "cpu_minutes"):
            values = [row[name] for row in own]
            found[method] |= {name: fmean(values)}
            if name in METRICS and len(own) > 1:
                found[method] |= {f"{name}_deviation": stdev(values)}
    return found


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--searched", nargs="+", required=True, metavar="GENOTYPE")
    parser.add_argument("--parameters", type=int, required=True, help="of each network of cells, about")
    parser.add_argument("--timm", default="resnet18")
    parser.add_argument("--space", default="imagenet-o2d", help="of the random cells")
    parser.add_argument("--K", type=int, default=1, help="cells between two reductions")
    parser.add_argument("--preset", default="detection-cpu")
    parser.add_argument("--train", nargs="*", default=[], metavar="KEY=VALUE")
    parser.add_argument("--run", type=Path, required=True, help="folder")
    parser.add_argument("--output", type=Path, required=True, help="JSON")
    arguments = parser.parse_args(argv)

    known = json.loads(arguments.output.read_text()) if arguments.output.exists() else {"rows": []}
    rows = {(row["method"], row["seed"]): row for row in known["rows"]}
    told = {name: getattr(arguments, name) for name in ("parameters", "space", "K", "preset", "train")}
    told |= {"data": Path(arguments.data.partition(":")[2]).name}
    for seed in range(len(arguments.searched)):
        for method in (SEARCHED, RANDOM, f"timm:{arguments.timm}"):
            if (method, seed) in rows:
                continue
            row = rows[method, seed] = measured(arguments, method, seed)
            print(f"{method}, seed {seed}: mAP@0.5 {row['map50']:.1f} %, {row['cpu_minutes']:.1f} min")
            ordered = [rows[key] for key in sorted(rows)]
            facts = {"settings": told, "methods": means(ordered), "rows": ordered}
            arguments.output.write_text(json.dumps(facts, indent=1) + "\n")
    print(json.dumps(means(list(rows.values())), indent=1))


if __name__ == "__main__":
    main()
