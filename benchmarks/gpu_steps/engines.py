"""Step 3: both engines compute the same loss, gradients and running statistics."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from autodas.search._phase import Samples

from .tools import SMALLEST, Check, Running, Setting


def run(check: Check) -> None:
    """Tell the relative differences; about 1e-4 is expected in fp32, 2e-2 in bf16."""
    usual = replace(Setting(graphs="off"), **SMALLEST) if check.tiny else Setting(graphs="off")
    for precision in ("fp32", "bf16"):
        reference, fused = (
            _found(check, replace(usual, engine=engine, precision=precision))
            for engine in ("reference", "fused")
        )
        check.tell(
            "engines",
            precision=precision,
            losses=[float(reference["loss"]), float(fused["loss"])],
            **{
                name: float((reference[name] - fused[name]).norm() / reference[name].norm())
                for name in ("weights", "statistics", "architecture")
            },
        )


def _found(check: Check, setting: Setting) -> dict[str, Tensor]:
    running = Running(check, setting)
    run, batch = running.run, running.batch
    samples = Samples(batch.images, batch.labels)
    loss = run._training_gradient(samples, run.strategy.weight_mixture())
    weights = torch.cat([w.grad.flatten() for w in run.weights if w.grad is not None])
    statistics = torch.cat([b.flatten() for n, b in run.supernet.named_buffers() if "running" in n])
    parameters = list(run.strategy.parameters().values())
    run._gradient(samples, parameters)
    architecture = torch.cat([p.grad.flatten() for p in parameters if p.grad is not None])
    return {"loss": loss, "weights": weights, "statistics": statistics, "architecture": architecture}
