"""Step 0: the machine, and the two constants of the model of an iteration's time."""

from __future__ import annotations

import torch

from autodas.kernels import gpu_kernels
from autodas.loop import environment

from .tools import Check

MANY = 2000


def run(check: Check) -> None:
    """Tell the machine, its bandwidth, and the time of a small kernel: launched, and in a recording."""
    facts = dict(environment())
    if not check.gpu:
        return check.tell("facts", **facts)
    import triton

    kernels = gpu_kernels(check.device)
    facts |= {
        "cudnn": torch.backends.cudnn.version(),
        "triton": triton.__version__,
        "kernels": kernels.how,
        "new": kernels.new,
    }
    source = torch.empty(2**28, device=check.device)
    target = torch.empty_like(source)
    facts["copy_tb_s"] = 2 * source.nbytes / check.milliseconds(lambda: target.copy_(source)) / 1e9
    small = torch.zeros(16, device=check.device)

    def many() -> None:
        for _ in range(MANY):
            small.add_(1)

    facts["eager_us"] = check.milliseconds(many, 5) / MANY * 1e3
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=torch.cuda.Stream(check.device)):
        many()
    facts["node_us"] = check.milliseconds(graph.replay) / MANY * 1e3
    return check.tell("facts", **facts)
