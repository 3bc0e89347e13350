"""Step 2: every method, engine and precision for a few iterations with one decision, and rarer options."""

from __future__ import annotations

import time
import traceback
from dataclasses import asdict, replace
from itertools import product

from .tools import SMALLEST, Check, Running, Setting

METHODS = ("sdas-c", "das", "snas", "pdarts", "pcdarts", "edas", "random")
ITERATIONS = 5
WIRING = {"level": "stages", "genotype": "hdas_cells", "lengths": (2, 3)}
"""Settings of H-DAS that wires given cells."""


def cases() -> list[Setting]:
    """Return the cases, the most usual first."""
    small = Setting(K=1, C1=16, C2=32, batch=16)
    video = replace(small, K=0, frames=8, batch=8)
    second = replace(small, strategy="das2", K=0)
    return [
        *(replace(video, space=f"video-{name}") for name in ("o2d_video", "o3d", "oadv")),
        replace(small, checkpoint=True),
        replace(small, strategy="snas", checkpoint=True),
        replace(small, micro_batches=2),
        replace(small, partial_channels=4),
        replace(small, space="nasbench201", K=1),
        replace(second, options={"unrolled": "finite"}),
        replace(second, options={"unrolled": "exact"}, engine="reference"),
        replace(small, strategy="hdas", space="cifar_stages-darts", options={"level": "cells"}),
        *(
            replace(small, strategy=name, engine=engine, precision=precision)
            for precision, engine, name in product(("fp32", "bf16"), ("fused", "reference"), METHODS)
        ),
        *(replace(video, space=f"video-{name}", precision="bf16") for name in ("o3d", "oadv")),
        replace(small, strategy="hdas", space="cifar_stages-darts", options=WIRING),
    ]


def run(check: Check) -> None:
    """Tell for each case whether it runs, whether it is recorded, and why not."""
    chosen = [replace(case, **SMALLEST) for case in cases()[::10]] if check.tiny else cases()
    usual = asdict(Setting())
    for case in chosen:
        if check.left <= 0:
            return check.tell("smoke", skipped="no time is left")
        start = time.monotonic()
        differs = {name: value for name, value in asdict(case).items() if value != usual[name]}
        facts = {"strategy": case.strategy, **differs}
        try:
            facts |= _iterations(check, case)
        except Exception as error:
            facts |= {
                "failed": f"{type(error).__name__}: {error}",
                "where": traceback.format_exc().strip().splitlines()[-5:],
            }
        check.tell("smoke", **facts, seconds=round(time.monotonic() - start, 1))
    return None


def _iterations(check: Check, case: Setting) -> dict[str, object]:
    running = Running(check, case)
    for _ in range(ITERATIONS):
        running.step()
    found: dict[str, object] = {"recorded": running.recorded}
    if case.strategy.startswith("sdas"):
        running.decide()
        for _ in range(ITERATIONS):
            running.step()
        found["recorded_after_a_decision"] = running.recorded
    running.run.steps.watch.check()
    check.wait()
    return {**found, "said": running.said}
