"""Tasks that images bring, on real pictures: classes of different sizes, several labels, an angle.

usage: python benchmarks/tasks.py --run FOLDER [--only imbalanced,pairs,angle] [--output FILE]

The data are functions of this file, named by the commands: ``--data python:benchmarks.tasks:pairs``. CIFAR-10
is found as usual: in ``$AUTODAS_DATA/cifar10`` or ``./data/cifar10``. What is finished in the folder is not
repeated.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

ROOT = Path(__file__).resolve().parents[1]
LARGEST, RATIO = 1223, 10
TESTED = 200
PAIRS = {"train": 5_000, "test": 1_000}
STEEPEST = 60.0
TURNED = {"train": 4_000, "test": 720}

Pictures = tuple[np.ndarray, np.ndarray, tuple[str, ...]]
"""Pictures uint8 (N, S, S) or (N, S, S, C), what a network should answer, and names."""


@cache
def cifar10() -> Any:
    """Return CIFAR-10."""
    from autodas import open_dataset

    return open_dataset("cifar10", storage="memory")


def pixels_of(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the pictures (N, 32, 32, 3) and the classes of a split of CIFAR-10."""
    own = getattr(cifar10(), split)
    return own.pixels.permute(0, 2, 3, 1).numpy(), own.labels


def imbalanced(split: str) -> Pictures:
    """Return CIFAR-10 with classes of 1223 to 122 training pictures (4,998), and 200 test pictures each.

    Class c has ``1223 * 10 ** (-c / 9)``.
    """
    pixels, labels = pixels_of(split)
    counts = [round(LARGEST * RATIO ** (-c / 9)) if split == "train" else TESTED for c in range(10)]
    chosen = np.concatenate([np.flatnonzero(labels == c)[:count] for c, count in enumerate(counts)])
    return pixels[chosen], labels[chosen], cifar10().classes


def pairs(split: str) -> Pictures:
    """Return pairs of pictures of CIFAR-10 side by side, squeezed to half of their width, and both classes.

    Two pictures of one class are one label.
    """
    pixels, labels = pixels_of(split)
    drawn = np.random.default_rng(len(split)).permutation(len(labels))[: 2 * PAIRS[split]].reshape(-1, 2)
    halves = pixels.reshape(len(pixels), 32, 16, 2, 3)[drawn].mean(4).round().astype(np.uint8)
    table = np.zeros((len(drawn), 10), dtype=np.uint8)
    for side in range(2):
        table[np.arange(len(drawn)), labels[drawn[:, side]]] = 1
    return np.concatenate([halves[:, 0], halves[:, 1]], axis=2), table, cifar10().classes


def angle(split: str) -> Pictures:
    """Return handwritten digits of 16x16 pixels, turned by -60 to 60 degrees, and the angle.

    Training and test pictures show different digits.
    """
    digits, generator = load_digits(), np.random.default_rng(len(split))
    of_test = np.arange(len(digits.images)) % 5 == 0
    images = digits.images[of_test if split == "test" else ~of_test]
    angles = generator.uniform(-STEEPEST, STEEPEST, TURNED[split])
    turned = []
    for number, degrees in zip(generator.integers(0, len(images), len(angles)), angles, strict=True):
        image = Image.fromarray(np.rint(images[number] * (255 / 16)).astype(np.uint8))
        large = image.resize((12, 12), Image.Resampling.BICUBIC)
        canvas = Image.new("L", (16, 16))
        canvas.paste(large, (2, 2))
        turned.append(np.asarray(canvas.rotate(degrees, Image.Resampling.BICUBIC)))
    return np.stack(turned), angles, ("angle",)


COMMON = ["--compute.threads=1"]
TRAINED = ["train", "darts_v2", "--preset=quickstart", "--skeleton.K=0", "--epochs=20", "--batch_size=128"]
SEARCHED = ["search", "--preset=quickstart", "--strategy=sdas-b"]


def commands(only: Sequence[str]) -> dict[str, list[str]]:
    """Return the commands by the names of their runs; ``RUN`` stands for the folder of all of them."""
    words: dict[str, list[str]] = {}
    if "imbalanced" in only:
        for balance in ("none", "weights", "sampler"):
            for seed in range(3):
                own = [
                    "--data=python:benchmarks.tasks:imbalanced",
                    f"--data.balance={balance}",
                    f"--seed={seed}",
                ]
                words[f"imbalanced/{balance}-{seed}"] = [*TRAINED, *own, *COMMON]
    for name in ("pairs", "angle"):
        if name in only:
            words[f"{name}/search"] = [
                *SEARCHED,
                f"--data=python:benchmarks.tasks:{name}",
                *SIZES[name],
                *COMMON,
            ]
            words[f"{name}/train"] = ["train", f"RUN/{name}/search", *LONGER, *COMMON]
    return words


SIZES = {
    "pairs": ["--space.C1=12", "--space.C2=16", "--epochs=6"],
    "angle": ["--space.C1=12", "--space.C2=16", "--epochs=8"],
}
LONGER = ["--epochs=20", "--validation=0.1"]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="folder")
    parser.add_argument("--only", default="imbalanced,pairs,angle")
    parser.add_argument("--output", type=Path, help="JSON")
    arguments = parser.parse_args(argv)
    sys.path.append(str(ROOT / "benchmarks"))
    from finished_runs import finished_run, machine

    facts: dict[str, Any] = {}
    for name, words in commands(arguments.only.split(",")).items():
        own = [word.replace("RUN/", f"{arguments.run}/") for word in words]
        run = finished_run(own, arguments.run / name)
        facts[name] = {
            "command": ["autodas", *words],
            "machine": machine(run),
            "result": run.summary.get("test") or run.summary["accuracies"],
        }
        print(name, run.summary.get("result") or run.summary["accuracies"], flush=True)
        if arguments.output is not None:
            text = json.dumps({"runs": facts, "balance": spread(facts)}, indent=1)
            arguments.output.write_text(text + "\n")


def spread(facts: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return means and deviations over seeds for each way of balancing classes."""
    found: dict[str, dict[str, Any]] = {}
    for balance in ("none", "weights", "sampler"):
        results = [own["result"] for name, own in facts.items() if name.startswith(f"imbalanced/{balance}-")]
        for metric in ("top1", "macro_f1") if results else ():
            values = [result[metric] for result in results]
            deviation = stdev(values) if len(values) > 1 else None
            found.setdefault(balance, {})[metric] = {"mean": fmean(values), "deviation": deviation}
        if results:
            recalls = [
                fmean(column) for column in zip(*(r["recalls"].values() for r in results), strict=True)
            ]
            found[balance]["recalls"] = dict(zip(results[0]["recalls"], recalls, strict=True))
    return found


if __name__ == "__main__":
    main()
