"""Memory that a search is predicted to need, against what it takes in a process of its own.

    python benchmarks/memory_estimate.py [--output FILE]

The measured number is the most resident memory of a process that builds the supernet and searches for three
iterations, less what it held when everything was imported.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autodas.search import SearchSize

PAPER = {"K": 2, "C1": 48, "C2": 64, "image_size": 32, "batch_size": 16}
DIGITS = {"K": 1, "C1": 24, "C2": 32, "image_size": 8, "batch_size": 64}

CONFIGURATIONS: list[dict[str, Any]] = [
    *({**PAPER, "batch_size": batch} for batch in (8, 16, 32, 64)),
    *({**PAPER, "batch_size": batch, "engine": "reference"} for batch in (8, 16, 32)),
    *({**PAPER, "partial_channels": 4, "batch_size": batch} for batch in (16, 64)),
    {**PAPER, "partial_channels": 4, "engine": "reference"},
    *({**PAPER, "checkpoint": True, "batch_size": batch} for batch in (16, 64)),
    {**PAPER, "checkpoint": True, "engine": "reference"},
    {**PAPER, "checkpoint": True, "partial_channels": 4, "batch_size": 64},
    {**PAPER, "micro_batches": 4, "batch_size": 64},
    {**PAPER, "precision": "bf16"},
    {**PAPER, "precision": "bf16", "engine": "reference"},
    {**PAPER, "strategy": "sdas-c"},
    {**PAPER, "C1": 24, "C2": 32},
    {**PAPER, "C1": 96, "C2": 128, "batch_size": 8},
    {**PAPER, "space": "cifar-darts"},
    {**PAPER, "space": "cifar-darts", "engine": "reference"},
    {**PAPER, "space": "cifar-darts", "strategy": "pcdarts", "partial_channels": 4},
    {**PAPER, "space": "cifar-darts", "strategy": "pcdarts", "partial_channels": 4, "engine": "reference"},
    {**PAPER, "strategy": "snas"},
    {**PAPER, "strategy": "edas"},
    DIGITS,
    {**DIGITS, "engine": "reference"},
    {**DIGITS, "strategy": "random"},
]


def size_of(job: dict[str, Any]) -> SearchSize:
    from autodas.loop import Compute, InputShape
    from autodas.loop.tasks import Classification
    from autodas.search import SearchSize
    from autodas.settings import SupernetSettings
    from autodas.spaces import get_space
    from autodas.strategies import choose_strategy

    rest = dict(job)
    space = get_space(rest.pop("space", "cifar-o2d"))
    space = space.with_size(*(rest.pop(name) for name in ("K", "C1", "C2")))
    choice = choose_strategy(rest.pop("strategy", "das"))
    return SearchSize(
        space,
        choice,
        Classification(10),
        InputShape(3, rest.pop("image_size")),
        rest.pop("batch_size"),
        SupernetSettings(
            rest.pop("engine", "fused"), rest.pop("partial_channels", 1), rest.pop("checkpoint", False)
        ),
        Compute(**rest),
    )


def measured(job: dict[str, Any]) -> float:
    """Return MiB, from a fresh process."""
    from autodas.cli._allocator import tuned

    command = [sys.executable, __file__, "--measure", json.dumps(job)]
    # As commands set it.
    environment = tuned(dict(os.environ), os.confstr("CS_GNU_LIBC_VERSION") or "")
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return float(done.stdout.split()[-1])


def measure(job: dict[str, Any]) -> float:
    import torch

    from autodas.kernels import compiled_library
    from autodas.loop import peak_resident

    torch.set_num_threads(1)
    size = size_of(job)
    compiled_library()

    def search() -> None:
        run, noise = size.run_of(0, torch.device("cpu"))
        run.iteration = run.phase.weights_only  # what moves the architecture, too, costs most
        for _ in range(3):
            run.step(noise(), noise() if run.searches else None)

    return peak_resident(search)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure")
    parser.add_argument("--output")
    words = parser.parse_args()
    if words.measure:
        print(measure(json.loads(words.measure)))
        return
    rows = []
    for job in CONFIGURATIONS:
        predicted, found = size_of(job).estimate().total / 2**20, measured(job)
        rows.append({**job, "predicted_mib": predicted, "measured_mib": found})
        rest = {name: value for name, value in job.items() if value != PAPER.get(name)}
        print(
            f"| {rest} | {predicted:.0f} | {found:.0f} | {100 * (predicted / found - 1):+.0f} % |", flush=True
        )
    if words.output:
        Path(words.output).write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
