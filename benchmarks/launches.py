"""Kernels that an iteration of a search launches on a GPU, and the bytes that they move; counted without one.

usage: python benchmarks/launches.py [--output FILE] [options]

The search's own code runs on tensors without data, along the path of a GPU: an operation that is not a view
is one launch, and moves each of its tensors once; a Triton program likewise. Caches are left out of account.
An operation over many tensors (foreach) counts as one launch for each 48 of them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import torch._dynamo  # by optimisers otherwise, which fails with torch 2.8 where tensors have no data
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from autodas.data import Batch
from autodas.kernels import gpu, rehearse_kernels
from autodas.kernels.gpu._launch import Launch, noted_launches
from autodas.loop import Compute
from autodas.loop.tasks import Classification
from autodas.search._phase import PhaseRun
from autodas.settings import OptimSettings
from autodas.spaces import Space, get_space
from autodas.strategies import choose_strategy, load_strategy
from autodas.strategies.base import Phase, SearchPlan, Strategy
from autodas.supernet import Supernet

TENSORS_A_LAUNCH = 48
"""Tensors of a foreach operation that one launch computes, about."""

NOTHING = {"detach", "empty", "empty_like", "empty_strided", "new_empty", "_local_scalar_dense"}
NOTHING |= {"promote_types", "_unsafe_view", "_record_function_enter_new", "_record_function_exit"}
"""Operations that launch nothing."""


class Operations(TorchDispatchMode):
    """Counter of operations and of the bytes of their tensors.

    Attributes:
        launches: operations that compute something.
    """

    def __init__(self) -> None:
        super().__init__()
        self.launches: list[Launch] = []

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        views = any(r.alias_info is not None and not r.alias_info.is_write for r in func._schema.returns)
        name = func.overloadpacket.__name__
        if not views and name not in NOTHING:
            tensors = [t for t in tree_flatten((args, kwargs, result))[0] if isinstance(t, Tensor)]
            sizes = {t.untyped_storage()._cdata: t.numel() * t.element_size() for t in tensors}
            count = -(-len(args[0]) // TENSORS_A_LAUNCH) if name.startswith("_foreach") else 1
            self.launches += [Launch(name, sum(sizes.values()) // count)] * count
        return result


def decided(space: Space, decisions: int) -> Strategy:
    """Return SDAS after some decisions, at random, with parameters without data."""
    iterations = 10**6
    choice = choose_strategy("sdas-c", initial_std=1.0)
    method = load_strategy(choice.name)(choice.settings, SearchPlan(space, iterations, 0, lambda alive: 1))
    method.start(0, "cpu")
    if decisions:
        method.after_iteration(method.decision_times()[decisions - 1])
    for table in (method.alpha, method.beta):
        for edges in table.values():
            for key, parameter in edges.items():
                edges[key] = nn.Parameter(parameter.detach().to("meta"))
    method.device = "meta"
    return method


def count(space: Space, batch_size: int, decisions: int) -> dict[str, Any]:
    """Return the launches and the bytes of one iteration of SDAS after some decisions.

    Args:
        space: space with its size.
        batch_size: images in each of both batches.
        decisions: number of decisions taken before.
    """
    method = decided(space, decisions)
    task, device = Classification(10), torch.device("meta")
    phase = Phase("search", space, 10**6, 0, method.alive())
    devices = patch("torch.utils._foreach_utils._get_foreach_kernels_supported_devices", lambda: ["meta"])
    # Adam's count of steps has no data either.
    steps = patch("torch.optim.adam._get_value", lambda count: 1.0)
    with torch.device("meta"), rehearse_kernels(False, gpu=gpu), devices, steps:
        supernet = Supernet(space, engine="fused")
        compute = Compute(device)
        run = PhaseRun(phase, 0, method, supernet, task, OptimSettings(), 10**6, compute)
        images = torch.randn(batch_size, 32, 32, 3).movedim(-1, 1)
        for optimiser in (run.weight_optimiser, run.architecture_optimiser):
            assert optimiser is not None
            for group in optimiser.param_groups:  # the fused kernel does not exist for tensors without data
                group["fused"], group["foreach"] = False, True
        batch = Batch(images, task.noise(batch_size, device), torch.arange(batch_size))
        run.step(batch, batch)  # tables are made in the first iteration
        with noted_launches() as programs, Operations() as operations:
            run.step(batch, batch)
    every = [*programs, *operations.launches]
    names = Counter(each.name for each in every)
    return {
        "decisions": decisions,
        "launches": len(every),
        "gigabytes": round(sum(each.bytes for each in every) / 1e9, 1),
        "most": dict(names.most_common()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--decisions", type=int, nargs="*", default=[0, 8, 17, 25, 33])
    parser.add_argument("--output", type=Path, help="JSON")
    arguments = parser.parse_args()
    rows = []
    for decisions in arguments.decisions:
        rows.append(count(get_space("cifar-o2d"), arguments.batch_size, decisions))
        print(json.dumps(rows[-1]), flush=True)
    if arguments.output:
        command = ["python", "benchmarks/launches.py", *sys.argv[1:]]
        arguments.output.write_text(json.dumps({"command": command, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
