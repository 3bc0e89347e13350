"""Pictures a second while a discrete network is trained on a CPU, before and after what speeds it up.

    python benchmarks/train_throughput.py -o benchmarks/results/train_throughput_cpu.json

The variants of a case take turns, step by step, so that a slow spell of the machine meets all of them; quote
the ratios. `contiguous` and `channels_last` are plain modules with a step of SGD for each parameter;
`compiled` is what `autodas train` does: channels last, compiled separable units, one fused step.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from autodas.loop import environment, weight_optimiser
from autodas.networks import build
from autodas.settings import OptimSettings
from autodas.spaces import get_skeleton
from autodas.zoo import load_genotype

CASES = {
    "digits (preset quickstart)": {"K": 1, "C1": 24, "C2": 32, "size": 8, "batch": 64, "channels": 1},
    "32x32, C = 16": {"K": 1, "C1": 24, "C2": 64, "size": 32, "batch": 32, "channels": 3},
    "32x32, C = 36 (width of cifar10-eval)": {
        "K": 0,
        "C1": 108,
        "C2": 144,
        "size": 32,
        "batch": 16,
        "channels": 3,
    },
}
GENOTYPES = ("darts_v2", "pdarts")
VARIANTS = ("contiguous", "channels_last", "compiled")


def make_step(variant: str, genotype: str, case: dict[str, int]) -> Callable[[], None]:
    """Return one gradient step on a batch of noise."""
    torch.manual_seed(0)
    skeleton = get_skeleton("cifar").with_size(case["K"], case["C1"], case["C2"])
    network = build(load_genotype(genotype), skeleton, channels=case["channels"]).train()
    network.use_compiled_kernels(variant == "compiled")
    layout = torch.contiguous_format if variant == "contiguous" else torch.channels_last
    network.to(memory_format=layout)
    settings = OptimSettings()
    if variant == "compiled":
        optimiser: torch.optim.Optimizer = weight_optimiser(network.parameters(), settings)
    else:
        optimiser = torch.optim.SGD(
            network.parameters(), settings.lr, momentum=settings.momentum, weight_decay=settings.weight_decay
        )
    images = torch.randn(case["batch"], case["channels"], case["size"], case["size"])
    images = images.contiguous(memory_format=layout)
    labels = torch.randint(10, (case["batch"],))

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        F.cross_entropy(network(images), labels).backward()
        nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
        optimiser.step()

    return step


def measure(name: str, genotype: str, threads: int, repeats: int) -> dict[str, object]:
    """Time all variants of a case."""
    torch.set_num_threads(threads)
    case = CASES[name]
    steps = {variant: make_step(variant, genotype, case) for variant in VARIANTS}
    seconds: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    for repeat in range(repeats + 2):
        for variant, step in steps.items():
            start = time.perf_counter()
            step()
            if repeat > 1:  # the first ones pay for allocations and compilation
                seconds[variant].append(time.perf_counter() - start)
    row: dict[str, object] = {"case": name, "genotype": genotype, "threads": threads, **case}
    for variant in VARIANTS:
        pairs = [a / b for a, b in zip(seconds["channels_last"], seconds[variant], strict=True)]
        row[variant] = {
            "pictures_a_second": case["batch"] / statistics.median(seconds[variant]),
            "speed_against_channels_last": statistics.median(pairs),
            "quarter": statistics.quantiles(pairs, n=4)[0],
            "three_quarters": statistics.quantiles(pairs, n=4)[2],
        }
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, help="write JSON there")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    rows = []
    for name, genotype, threads in product(CASES, GENOTYPES, arguments.threads):
        rows.append(measure(name, genotype, threads, arguments.repeats))
        shown = {v: round(rows[-1][v]["pictures_a_second"]) for v in VARIANTS}  # type: ignore[index]
        ratio = rows[-1]["compiled"]["speed_against_channels_last"]  # type: ignore[index]
        print(f"{name}, {genotype}, {threads} threads: {shown}, {ratio:.2f}", file=sys.stderr, flush=True)
    text = json.dumps({"results": rows, "environment": environment()}, indent=2) + "\n"
    if arguments.output:
        arguments.output.write_text(text)
    else:
        print(text)


if __name__ == "__main__":
    main()
