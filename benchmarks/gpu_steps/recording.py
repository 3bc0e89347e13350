"""Step 4: recorded iterations compute what usual ones compute, and release their memory after decisions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from autodas.loop import random_state

from .tools import SMALLEST, Check, Running, Setting

WAYS = [
    # graphs, deterministic
    ("off", True),
    ("auto", True),
    ("auto", False),
    ("auto", False),
]


def run(check: Check) -> None:
    """Tell the largest differences of weights between runs that should be equal."""
    for name in ("sdas-c", "snas"):
        usual = replace(Setting(strategy=name), **SMALLEST) if check.tiny else Setting(strategy=name)
        ends = []
        for graphs, deterministic in WAYS:
            torch.use_deterministic_algorithms(deterministic, warn_only=True)
            try:
                ends.append(_end(check, replace(usual, graphs=graphs)))
            finally:
                torch.use_deterministic_algorithms(False)
        off, on, first, second = ends
        check.tell(
            "graphs",
            strategy=name,
            recorded_or_not=_difference(off, on),
            same_random_numbers=off["random"] == on["random"],
            meters=[end["meter"] for end in ends],
            twice_without_deterministic=_difference(first, second),
            reserved_mib=on["reserved"],
            said=on["said"],
        )


def _end(check: Check, setting: Setting) -> dict[str, Any]:
    running = Running(check, setting)
    reserved = []
    check.forget_peak()
    for iteration in range(1, (7 if check.tiny else 42) + 1):
        running.step()
        running.strategy.after_iteration(iteration)
        if setting.strategy == "sdas-c" and iteration % 7 == 0:
            running.decide()
            reserved.append(torch.cuda.memory_reserved(check.device) / 2**20 if check.gpu else 0.0)
    state = random_state(check.device)
    return {
        "weights": running.weights,
        "random": [t.tolist() for t in (state["cpu"], *state.get("cuda", ()))],
        "meter": running.run.train_meter.sums.tolist(),
        "reserved": reserved,
        "said": running.said,
    }


def _difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    return float((one["weights"] - other["weights"]).abs().max())
