"""Step 7: one gradient step of a discrete network, by memory format, precision and depthwise convolutions."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import torch
from torch.nn import functional as F

from autodas.networks import build
from autodas.spaces import get_skeleton
from autodas.zoo import load_genotype

from .tools import SMALLEST, Check, Running, Setting

WAYS = [
    # memory format, separable units as `autodas train` computes them
    (torch.channels_last, True),
    (torch.channels_last, False),
    (torch.contiguous_format, False),
]


def run(check: Check) -> None:
    """Tell milliseconds a step of DARTS' network of 20 cells, C = 36, batch 96."""
    size, batch = ((0, 12, 16), 4) if check.tiny else ((6, 108, 144), 96)
    genotype, skeleton = load_genotype("darts_v2"), get_skeleton("cifar").with_size(*size)
    for precision, search, (layout, units) in product(("fp32", "bf16"), (False, True), WAYS):
        if check.left <= 0:
            return
        torch.backends.cudnn.benchmark = search
        try:
            network = build(genotype, skeleton).to(check.device).to(memory_format=layout).train()
            network.use_compiled_kernels(units)
            images = torch.randn(batch, 3, 32, 32, device=check.device).to(memory_format=layout)
            labels = torch.zeros(batch, dtype=torch.int64, device=check.device)

            def step(network=network, images=images, labels=labels, precision=precision) -> None:
                network.zero_grad()
                with torch.autocast(check.device.type, torch.bfloat16, enabled=precision == "bf16"):
                    loss = F.cross_entropy(network(images), labels)
                loss.backward()

            check.forget_peak()
            check.tell(
                "train",
                precision=precision,
                layout=layout,
                units=units,
                cudnn_benchmark=search,
                ms=check.milliseconds(step, 5, 2),
                reserved_mib=check.reserved_mib(),
            )
        finally:
            torch.backends.cudnn.benchmark = False


def run_video(check: Check) -> None:
    """Tell milliseconds an iteration of a search on clips, 16 x 112 x 112, batch 8."""
    for operations in ("oadv", "o3d"):
        setting = Setting(space=f"video-{operations}", K=1, C1=16, C2=32, batch=8, image=112, frames=16)
        if check.tiny:
            setting = replace(setting, **SMALLEST, frames=4)
        running = Running(check, setting)
        ms = check.milliseconds(running.step, 3, 3)
        check.tell(
            "video",
            operations=operations,
            ms=ms,
            recorded=running.recorded,
            reserved_mib=check.reserved_mib(),
            said=running.said,
        )
        running.run.end()
