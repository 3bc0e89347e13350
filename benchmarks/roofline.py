"""Time of an iteration of a search on this processor, beside the least for its arithmetic and its traffic.

usage: python benchmarks/roofline.py [--output FILE]

The arithmetic is five times that of a forward pass of all candidates: two forward passes, two gradients of
the maps and one of the weights. The traffic is that of a GPU's kernels (``launches.py``), each reading and
writing its maps once; caches save a part of it. The rates are measured on one thread: products and sums that
stay in the registers, torch's product of matrices, and a copy.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch

from autodas.bench._iteration import searching
from autodas.bench._setting import BenchSetting
from autodas.kernels._build import FLAGS
from autodas.loop import InputShape
from autodas.loop.tasks import Classification
from autodas.search._cost import supernet_multiply_adds
from autodas.spaces import all_alive, get_space
from launches import count

PASSES = 5
CHAINS = 16
SOURCE = """
#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif
typedef float vector __attribute__((vector_size(4 * LANES)));

int lanes(void) { return LANES; }

float chains(long length)
{
    vector sum[16], factor, summand;
    for (int i = 0; i < LANES; i++) {
        factor[i] = 0.999f;
        summand[i] = i;
    }
    for (int i = 0; i < 16; i++)
        sum[i] = summand + (float)i;
    for (long k = 0; k < length; k++)
        _Pragma("GCC unroll 16") for (int i = 0; i < 16; i++)
            sum[i] = sum[i] * factor + summand;
    float total = 0;
    for (int i = 0; i < 16 * LANES; i++)
        total += sum[i / LANES][i % LANES];
    return total;
}
"""
"""16 chains of products and sums, which need nothing but registers."""


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
    most = most_products()
    bandwidth = 2 * 4 * 2**26 / seconds_of(lambda: other.copy_(long)) / 1e9
    facts = {
        "command": ["python", "benchmarks/roofline.py", *sys.argv[1:]],
        "giga_multiply_adds": round(products / 1e9, 1),
        "gigabytes": traffic,
        "giga_multiply_adds_a_second_in_registers": round(most / 1e9, 1),
        "giga_multiply_adds_a_second_of_torch": round(rate / 1e9, 1),
        "gigabytes_a_second": round(bandwidth, 1),
        "seconds_of_arithmetic_in_registers": round(products / most, 3),
        "seconds_of_arithmetic_by_torch": round(products / rate, 3),
        "seconds_of_traffic": round(traffic / bandwidth, 3),
        "seconds": round(seconds, 3),
    }
    print(json.dumps(facts, indent=1))
    if arguments.output:
        arguments.output.write_text(json.dumps(facts, indent=1) + "\n")


def most_products() -> float:
    """Return the multiply-adds a second that a core does if it waits for nothing."""
    with tempfile.TemporaryDirectory() as folder:
        source, built = Path(folder) / "chains.c", Path(folder) / "chains.so"
        source.write_text(SOURCE)
        subprocess.run(["cc", *FLAGS, str(source), "-o", str(built)], check=True)
        library = ctypes.CDLL(str(built))
    library.chains.argtypes, library.chains.restype = [ctypes.c_long], ctypes.c_float
    length = 10**7
    return CHAINS * int(library.lanes()) * length / seconds_of(lambda: library.chains(length))


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
