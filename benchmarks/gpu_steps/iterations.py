"""Step 5: the time of one iteration at the papers' setting, by engine, precision and decisions taken."""

from __future__ import annotations

import os
import time
from dataclasses import replace

from autodas.kernels import gpu_kernels

from .tools import SMALLEST, Check, Running, Setting

CASES = [
    # engine, decisions taken; the most telling first
    ("fused", 0),
    ("fused", 33),
    ("reference", 0),
    ("fused", 17),
    ("plain", 0),
    ("fused", 8),
    ("fused", 25),
]


def run(check: Check) -> None:
    """Tell milliseconds an iteration, the time until it is recorded, and the memory it takes."""
    for precision in ("fp32",) if check.tiny else ("fp32", "bf16"):
        for engine, decisions in CASES[:: 2 if check.tiny else 1]:
            for graphs in ("auto", "off"):
                setting = Setting(precision=precision, decisions=decisions, graphs=graphs)
                _time(check, engine, setting)
    _time(check, "fused", Setting(image=48, batch=256))


def _time(check: Check, engine: str, setting: Setting) -> None:
    if check.left <= 0:
        return
    if check.tiny:
        setting = replace(setting, **{**SMALLEST, "batch": min(setting.batch, 4)})
    plain = engine == "plain"
    if plain:  # the fused engine without kernels for GPUs
        os.environ["AUTODAS_KERNELS"] = "plain"
        gpu_kernels.cache_clear()
    try:
        setting = replace(setting, engine="fused" if plain else engine)
        check.forget_peak()
        running = Running(check, setting)
        start = time.perf_counter()
        for _ in range(3):
            running.step()
        check.wait()
        first = time.perf_counter() - start
        check.tell(
            "iteration",
            engine=engine,
            precision=setting.precision,
            decisions=setting.decisions,
            graphs=setting.graphs,
            image=setting.image,
            batch=setting.batch,
            ms=check.milliseconds(running.step, 10, 1),
            seconds_of_the_first_three=first,
            recorded=running.recorded,
            reserved_mib=check.reserved_mib(),
            said=running.said,
        )
        running.run.end()
    finally:
        if plain:
            del os.environ["AUTODAS_KERNELS"]
            gpu_kernels.cache_clear()
