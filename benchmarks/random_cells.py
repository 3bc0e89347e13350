"""Cells that were searched beside random ones, in networks of equally many parameters that are trained alike.

usage: python benchmarks/random_cells.py --data NAME --space NAME --parameters N --run FOLDER --output FILE
           [--K 1] [--preset NAME] [--methods ...] [--seeds 3] [--random 12] [--jobs 1]
           [--with KEY=VALUE ...] [--both KEY=VALUE ...] [--search KEY=VALUE ...] [--train KEY=VALUE ...]

``--both``, ``--search`` and ``--train`` are options of the two commands, ``--with`` makes variants of the
methods. The width of each network is the one whose number of parameters is nearest to N. The JSON is written
after each training. What it has, or what is finished in the folder, is not repeated: methods, variants, seeds
and random cells can be added one by one.
"""

from __future__ import annotations

import argparse
import json
from bisect import bisect
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from random import Random
from statistics import fmean, stdev
from typing import Any

import numpy as np
from scipy.stats import mannwhitneyu, t

from autodas.genotype import Genotype
from autodas.networks import profile
from autodas.runs.comparison import Entry
from autodas.runs.folder import GENOTYPE
from autodas.spaces import Skeleton, fit_skeleton, get_space
from autodas.zoo import load_genotype
from finished_runs import finished_run, machine

RANDOM = "random cells"
WIDTHS = range(2, 514, 2)  # cells that reduce halve them


def fitting_width(genotype: Genotype, space: str, K: int, wanted: int) -> int:
    """Return the number of channels with which a network has nearly the wanted number of parameters."""
    usual = get_space(space).skeleton

    def parameters(width: int) -> int:
        skeleton = fit_skeleton(usual.with_size(K=K, **sizes(width, usual)), genotype)
        return profile(genotype, skeleton, auxiliary=False).parameters

    above = bisect(WIDTHS, wanted, key=parameters)
    return min(WIDTHS[above - 1 : above + 1], key=lambda width: abs(parameters(width) - wanted))


def sizes(width: int, usual: Skeleton) -> dict[str, int]:
    """Return the sizes of a skeleton whose first cells have nodes of a given number of channels."""
    output = 4 * width
    return {"C1": output * usual.C1 // usual.C2, "C2": output}


def draw(space: str, seed: int, folder: Path) -> Path:
    """Return the file of a genotype that is drawn uniformly from a space."""
    path = folder / f"random{seed}.json"
    folder.mkdir(parents=True, exist_ok=True)
    get_space(space).random_genotype(Random(seed), f"random-{seed}").save(path)
    return path


def comparison(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    r"""Compare the errors of each method with those of random cells, at equal parameters.

    The error of network i of method m with n parameters is modelled as

    .. math:: \mu_m + \beta \log(n_i / \bar n) + \varepsilon_{mi}

    by least squares, as widths match the numbers of parameters only nearly. ``difference`` is that of the
    :math:`\mu`; ``detectable`` is the difference that its t test on the level of 5 % would find in four of
    five repetitions. ``p`` (two sided, exact) is that of the test of Mann and Whitney, without the model.
    """
    methods = sorted({row["method"] for row in rows}, key=lambda method: (method != RANDOM, method))
    errors = {method: [row["error"] for row in rows if row["method"] == method] for method in methods}
    found: dict[str, dict[str, float]] = {
        method: {"count": len(own), "error": fmean(own)} | ({"deviation": stdev(own)} if len(own) > 1 else {})
        for method, own in errors.items()
    }
    degrees = len(rows) - len(methods) - 1
    if RANDOM not in errors or degrees < 1:
        return found
    logarithms = np.log([row["parameters"] for row in rows])
    design = np.array([[row["method"] == method for method in methods] for row in rows], float)
    design = np.column_stack([design, logarithms - logarithms.mean()])
    inverse = np.linalg.pinv(design.T @ design)
    values = np.array([row["error"] for row in rows])
    solution = inverse @ design.T @ values
    variance = float(((values - design @ solution) ** 2).sum()) / degrees
    for column, method in enumerate(methods[1:], start=1):
        contrast = np.zeros(design.shape[1])
        contrast[[0, column]] = -1, 1
        error = float(contrast @ inverse @ contrast * variance) ** 0.5
        found[method] |= {
            "difference": float(contrast @ solution),
            "standard_error": error,
            "detectable": float(t.ppf(0.975, degrees) + t.ppf(0.8, degrees)) * error,
            "p": float(mannwhitneyu(errors[method], errors[RANDOM], method="exact").pvalue),
        }
    return found


def measured(arguments: argparse.Namespace, method: str, seed: int) -> dict[str, Any]:
    """Search, unless the cell is drawn at random, and train; return what was found."""
    common = [f"--data={arguments.data}", f"--preset={arguments.preset}", "--compute.threads=1"]
    common += [f"--{word}" for word in arguments.both]
    row: dict[str, Any] = {"method": method, "seed": seed}
    folder = arguments.run / method.replace(" ", "-").replace(",", "") / f"seed{seed}"
    if method == RANDOM:
        genotype = draw(arguments.space, seed, folder)
    else:
        words = ["search", f"--strategy={method.partition(' ')[0]}", f"--space.name={arguments.space}"]
        words += [
            f"--seed={seed}",
            *common,
            *(f"--{word}" for word in (*arguments.search, *arguments.options)),
        ]
        search = finished_run(words, folder / "search")
        genotype = search.folder / GENOTYPE
        spent = Entry(method, search, None).cpu_seconds
        row |= {"search_cpu_seconds": spent, "remarks": search.summary["remarks"]}
    width = fitting_width(load_genotype(str(genotype)), arguments.space, arguments.K, arguments.parameters)
    shape = {"K": arguments.K, **sizes(width, get_space(arguments.space).skeleton)}
    words = ["train", str(genotype), f"--seed={seed}", *common, *(f"--{word}" for word in arguments.train)]
    train = finished_run([*words, *(f"--skeleton.{n}={v}" for n, v in shape.items())], folder / "train")
    summary = train.summary
    return row | {
        "genotype": json.loads(genotype.read_text()),
        "width": width,
        "parameters": summary["parameters"],
        "multiply_adds": summary["multiply_adds"],
        "error": 100 - summary["test"]["top1"],
        "samples": summary["test"]["count"],
        "machine": machine(train),
    }


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--space", required=True)
    parser.add_argument("--preset", default="quickstart")
    parser.add_argument("--methods", default=f"{RANDOM},das,sdas-a,sdas-b,sdas-c")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--random", type=int, default=12, help="number of random cells")
    parser.add_argument("--parameters", type=int, required=True, help="of each trained network, about")
    parser.add_argument("--K", type=int, default=1, help="cells between two reductions")
    for name, dest in (("with", "options"), ("both", "both"), ("search", "search"), ("train", "train")):
        parser.add_argument(f"--{name}", nargs="*", default=[], dest=dest, metavar="KEY=VALUE")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--run", type=Path, required=True, help="folder")
    parser.add_argument("--output", type=Path, required=True, help="JSON")
    arguments = parser.parse_args(argv)

    known = json.loads(arguments.output.read_text()) if arguments.output.exists() else {"rows": []}
    rows = {(row["method"], row["seed"]): row for row in known["rows"]}
    further = ", ".join(word.removeprefix("strategy.") for word in arguments.options)
    left = []
    for method in arguments.methods.split(","):
        label = f"{method} with {further}" if further and method != RANDOM else method
        left += [(label, seed) for seed in range(arguments.random if method == RANDOM else arguments.seeds)]
    told = {name: getattr(arguments, name) for name in ("data", "space", "preset", "parameters", "K")}
    told |= {name: getattr(arguments, name) for name in ("both", "search", "train")}
    told["data"] = arguments.data.partition(":")[0]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        running = [pool.submit(measured, arguments, *each) for each in left if each not in rows]
        for future in as_completed(running):
            row = future.result()
            rows[row["method"], row["seed"]] = row
            print(f"{row['method']}, seed {row['seed']}: error {row['error']:.2f} %", flush=True)
            ordered = [rows[key] for key in sorted(rows)]
            facts = {"settings": told, "methods": comparison(ordered), "rows": ordered}
            arguments.output.write_text(json.dumps(facts, indent=1) + "\n")
    for method, found in comparison(list(rows.values())).items():
        print(method, json.dumps(found))


if __name__ == "__main__":
    main()
