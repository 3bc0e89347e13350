"""What to run first on a GPU: one command, in the order of what tells most, at most ten minutes on an H100.

    PYTHONPATH=src python benchmarks/gpu_check.py --out gpu_check
    PYTHONPATH=src python benchmarks/gpu_check.py --out gpu_check --steps search --data cifar10:PATH
    PYTHONPATH=src python benchmarks/gpu_check.py --out tried --device cpu --tiny

Results are lines of JSON, printed and appended to OUT/results.jsonl as they are found. A step that fails says
so, and the next one begins. `--device cpu --tiny` only shows that the script works.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import torch

from autodas.loop import best_device, use_single_precision
from gpu_steps import (
    constants,
    engines,
    failures,
    iterations,
    kernels,
    methods,
    profiles,
    recording,
    training,
    whole,
)
from gpu_steps.tools import Check

STEPS: dict[str, Callable[[Check], None]] = {
    "facts": constants.run,
    "kernels": kernels.run,
    "smoke": methods.run,
    "engines": engines.run,
    "graphs": recording.run,
    "iterations": iterations.run,
    "profile": profiles.run,
    "train": training.run,
    "video": training.run_video,
    "search": whole.run,
    "failures": failures.run,
}
"""The steps in their order."""

ALONE = {"video": 60}
"""Steps that may hang, in a process of their own that is ended after so many seconds."""


def in_a_process(name: str, words: list[str], seconds: float) -> None:
    """Run one step of this script in another process.

    Raises:
        subprocess.SubprocessError: if it fails, or takes longer.
    """
    command = [sys.executable, __file__, *words, "--steps", name, "--child"]
    subprocess.run(command, timeout=seconds, check=True)


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("gpu_check"), help="folder of the results")
    parser.add_argument("--device", default="cuda")
    usual = ",".join(name for name in STEPS if name != "search")
    parser.add_argument("--steps", default=usual, help=f"some of {', '.join(STEPS)}")
    parser.add_argument("--minutes", type=float, default=9, help="no step begins after so many minutes")
    parser.add_argument("--data", help="data set of the complete search, such as cifar10:PATH")
    parser.add_argument("--tiny", action="store_true", help="the smallest sizes")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(words)
    given.out.mkdir(parents=True, exist_ok=True)
    use_single_precision()
    # Read by torch when it first multiplies on a GPU, for what is compared to the bit.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    end = time.monotonic() + 60 * given.minutes
    check = Check(best_device(given.device), given.tiny, given.out, given.data, end)
    if check.gpu:
        torch.cuda.set_device(check.device)
    for name in given.steps.split(","):
        if check.left <= 0:
            check.tell(name, skipped="no time is left")
            continue
        start = time.monotonic()
        try:
            if name in ALONE and not given.child:
                in_a_process(name, words, min(ALONE[name], check.left + 10))
            else:
                STEPS[name](check)
        except Exception as error:
            where = traceback.format_exc().strip().splitlines()[-6:]
            check.tell(name, failed=f"{type(error).__name__}: {error}", where=where)
        if not given.child:
            check.tell("took", what=name, seconds=round(time.monotonic() - start, 1))


if __name__ == "__main__":
    main(sys.argv[1:])
