"""Time of an iteration of a search on this processor, beside the least for its arithmetic and its traffic.

usage: python benchmarks/roofline.py [--output FILE]

The arithmetic is five times that of a forward pass of all candidates: two forward passes, two gradients of
the maps and one of the weights. The traffic is that of a GPU's kernels (``launches.py``), each reading and
writing its maps once; caches save a part of it. Both rates are measured on one thread: a product of matrices,
a copy.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch

from autodas.bench._iteration import searching
from autodas.bench._setting import BenchSetting
from autodas.loop import InputShape
from autodas.loop.tasks import Classification
from autodas.search._cost import supernet_multiply_adds
from autodas.spaces import all_alive, get_space
from launches import count

PASSES = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--output", type=Path, help="JSON")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    space, batch = get_space("cifar-o2d"), arguments.batch_size
    alive = {kind: all_alive(space.cell) for kind in space.kinds}
    task, shape = Classification(10), InputShape(3, 32, None)
    products = PASSES * batch * supernet_multiply_adds(space, alive, task=task, shape=shape)
    traffic = count(space, batch, 0)["gigabytes"]
    iteration = searching("das", "fused", BenchSetting(space, batch, 32), iterations=10**6, seed=0)
    seconds = seconds_of(iteration)
    square, long, other = torch.randn(1024, 1024), torch.randn(2**26), torch.empty(2**26)
    rate = 1024**3 / seconds_of(lambda: square @ square)
    bandwidth = 2 * 4 * 2**26 / seconds_of(lambda: other.copy_(long)) / 1e9
    facts = {
        "command": ["python", "benchmarks/roofline.py", *sys.argv[1:]],
        "giga_multiply_adds": round(products / 1e9, 1),
        "gigabytes": traffic,
        "giga_multiply_adds_a_second": round(rate / 1e9, 1),
        "gigabytes_a_second": round(bandwidth, 1),
        "seconds_of_arithmetic": round(products / rate, 3),
        "seconds_of_traffic": round(traffic / bandwidth, 3),
        "seconds": round(seconds, 3),
    }
    print(json.dumps(facts, indent=1))
    if arguments.output:
        arguments.output.write_text(json.dumps(facts, indent=1) + "\n")


def seconds_of(call: Callable[[], object]) -> float:
    """Return the CPU time of a call, the median of five after two others."""
    times = []
    for _ in range(7):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return median(times[2:])


if __name__ == "__main__":
    main()
