"""Time and memory of iterations with the memory that commands let the allocator keep, and without it.

    python benchmarks/allocator.py -o benchmarks/results/allocator_cpu.json

The two processes of a case take turns, iteration by iteration, so that a slow spell of the machine meets
both; quote the ratios. Only on Linux with glibc: elsewhere the commands set nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from autodas.bench._iteration import Iteration, make_iteration
from autodas.bench._setting import BenchSetting
from autodas.bench._timing import Times, compare, timed
from autodas.cli._allocator import KEPT, tuned
from autodas.loop import environment
from autodas.networks import build
from autodas.spaces import get_skeleton, get_space
from autodas.zoo import load_genotype
from train_throughput import CASES as TRAININGS
from train_throughput import make_step

SEARCHES = {
    "paper": ("cifar-o2d", 2, 48, 64, 16, 32),
    "NAS-Bench-201": ("nasbench201", 1, 16, 64, 64, 32),
    "digits": ("cifar-o2d", 1, 24, 32, 64, 8),
}
"""Space, K, C1, C2, batch and image size of searches."""

CASES = (
    *(f"search, {name}, {engine}" for name in SEARCHES for engine in ("fused", "reference")),
    *(f"{kind}, {name}" for kind in ("training", "inference") for name in TRAININGS),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--cases", nargs="+", default=CASES, choices=CASES, metavar="CASE")
    parser.add_argument("--measure", choices=CASES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        answer(arguments.measure)
        return
    rows = []
    for case in arguments.cases:
        for row in measured(case, arguments.repeats):
            print(json.dumps(row), flush=True)
            rows.append(row)
    if arguments.output:
        document = {"benchmark": "allocator", "results": rows, "environment": environment()}
        arguments.output.write_text(json.dumps(document, indent=2) + "\n")


def measured(case: str, repeats: int) -> list[dict[str, Any]]:
    """Return a row for each of the two environments."""
    own = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    kept = tuned(own, os.confstr("CS_GNU_LIBC_VERSION") or "")
    if kept is None:
        raise SystemExit("the C library of this system is not glibc")
    words = [word for word in kept["GLIBC_TUNABLES"].split(":") if word.partition("=")[0] not in KEPT]
    environments = {"by default": {**own, "GLIBC_TUNABLES": ":".join(words)}, "kept": kept}
    processes = {
        name: subprocess.Popen(
            [sys.executable, __file__, "--measure", case],
            env=each,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for name, each in environments.items()
    }
    times: dict[str, list[Times]] = {name: [] for name in processes}
    for _ in range(repeats):
        for name, process in processes.items():
            times[name].append(Times(*map(float, asked(process, "step").split())))
    peaks = {name: float(asked(process, "peak")) for name, process in processes.items()}
    for process in processes.values():
        process.communicate()
    rows = compare("memory", times)
    return [{"case": case, **row, "peak_mib": peaks[row["memory"]]} for row in rows]


def asked(process: subprocess.Popen[str], question: str) -> str:
    """Return the answer of a process to a line."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{question}\n")
    process.stdin.flush()
    return process.stdout.readline()


def answer(case: str) -> None:
    """Compute an iteration for every line, and print its times; or the peak of the process' memory."""
    import torch

    torch.set_num_threads(1)
    iteration = iteration_of(case)
    for _ in range(2):
        iteration()
    for line in sys.stdin:
        if line.strip() == "peak":
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, flush=True)
        else:
            print(*timed(iteration, "cpu"), flush=True)


def iteration_of(case: str) -> Iteration:
    kind, _, name = case.partition(", ")
    if kind == "training":
        return make_step("compiled", "darts_v2", TRAININGS[name])
    if kind == "inference":
        return inference(TRAININGS[name])
    name, _, engine = name.partition(", ")
    space, cells, first, second, batch, size = SEARCHES[name]
    setting = BenchSetting(get_space(space).with_size(cells, first, second), batch, size)
    return make_iteration(engine, setting)


def inference(case: dict[str, int]) -> Iteration:
    """Return a forward pass of the network of a training, as evaluations compute it."""
    import torch

    skeleton = get_skeleton("cifar").with_size(case["K"], case["C1"], case["C2"])
    network = build(load_genotype("darts_v2"), skeleton, channels=case["channels"]).eval()
    network.to(memory_format=torch.channels_last)
    shape = case["batch"], case["channels"], case["size"], case["size"]
    images = torch.randn(shape).to(memory_format=torch.channels_last)

    @torch.no_grad()
    def forward() -> None:
        network(images)

    return forward


if __name__ == "__main__":
    main()
