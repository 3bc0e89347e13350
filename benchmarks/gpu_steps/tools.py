"""What the steps share: results, times, and a phase of a search on noise."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

import autodas
from autodas.data import Batch
from autodas.loop import Compute
from autodas.loop._recorded import CudaRecorder
from autodas.loop.tasks import Classification
from autodas.search._phase import PhaseRun
from autodas.settings import OptimSettings
from autodas.strategies import choose_strategy, load_strategy
from autodas.strategies.base import SearchPlan
from autodas.supernet import Supernet

CLASSES = 10


@dataclass(frozen=True)
class Check:
    """One run of the script.

    Args:
        device: device to check.
        tiny: whether to take the smallest sizes.
        out: folder of the results.
        data: data set of the complete search.
        end: when no other work may begin, on the monotonic clock.
    """

    device: torch.device
    tiny: bool
    out: Path
    data: str | None
    end: float

    @property
    def gpu(self) -> bool:
        """Whether the device is a GPU."""
        return self.device.type == "cuda"

    @property
    def left(self) -> float:
        """Seconds left."""
        return self.end - time.monotonic()

    def tell(self, step: str, **facts: Any) -> None:
        """Print facts, and append them to the results."""
        line = json.dumps({"step": step, **facts}, default=str)
        print(line, flush=True)
        with open(self.out / "results.jsonl", "a", encoding="utf-8") as file:
            file.write(line + "\n")

    def wait(self) -> None:
        """Wait for the device."""
        if self.gpu:
            torch.cuda.synchronize(self.device)

    def milliseconds(self, call: Callable[[], Any], repeats: int = 10, warm: int = 2) -> float:
        """Return the median time of a call that is waited for."""
        if self.tiny:
            repeats, warm = 2, 1
        for _ in range(warm):
            call()
        times = []
        for _ in range(repeats):
            self.wait()
            start = time.perf_counter()
            call()
            self.wait()
            times.append(time.perf_counter() - start)
        return 1e3 * statistics.median(times)

    def reserved_mib(self) -> float:
        """Return the peak of the reserved memory since :meth:`forget_peak`."""
        return torch.cuda.max_memory_reserved(self.device) / 2**20 if self.gpu else 0.0

    def forget_peak(self) -> None:
        """Release free memory, and forget the peak of what was reserved."""
        if self.gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)


@dataclass(frozen=True)
class Setting:
    """A phase of a search; by default the search network of the papers, batch 64.

    Args:
        strategy: name of the method.
        options: its settings.
        decisions: decisions that have been taken, with random outcomes (SDAS).
    """

    strategy: str = "sdas-c"
    options: dict[str, Any] = field(default_factory=dict)
    space: str = "cifar-o2d"
    K: int = 2
    C1: int = 48
    C2: int = 64
    batch: int = 64
    image: int = 32
    frames: int | None = None
    engine: str = "fused"
    precision: str = "fp32"
    graphs: str = "auto"
    decisions: int = 0
    micro_batches: int = 1
    checkpoint: bool = False
    partial_channels: int | None = None


SMALLEST = {"K": 1, "C1": 8, "C2": 16, "batch": 4, "image": 8}
"""Sizes of ``--tiny``."""


class Running:
    """A phase that runs on batches of noise.

    Attributes:
        run: the phase.
        batch: the batch.
        said: what the user would have been told.
    """

    def __init__(self, check: Check, setting: Setting) -> None:
        # As in a new process: a recording that has failed must not keep others from being tried.
        CudaRecorder.failed = False
        torch.manual_seed(0)
        space = autodas.get_space(setting.space).with_size(K=setting.K, C1=setting.C1, C2=setting.C2)
        choice = choose_strategy(setting.strategy, **setting.options)
        plan = SearchPlan(space, 10**6, 0, lambda alive: 1, 100)
        self.strategy: Any = load_strategy(choice.name)(choice.settings, plan)
        phase = self.strategy.start(0, check.device)
        supernet = Supernet(
            phase.space,
            classes=CLASSES,
            engine=setting.engine,
            partial_channels=setting.partial_channels or self.strategy.partial_channels,
            checkpoint=setting.checkpoint,
            cells=phase.cells,
        )
        self._decide(setting.decisions)
        self.said: list[str] = []
        compute = Compute(check.device, setting.precision, setting.graphs, setting.micro_batches)  # type: ignore[arg-type]
        self.run = PhaseRun(
            phase,
            0,
            self.strategy,
            supernet.to(check.device),
            Classification(CLASSES),
            OptimSettings(),
            100,
            compute,
            self.said.append,
        )
        self.run.iteration = phase.weights_only
        size = space.skeleton.input_size(setting.image, setting.frames)
        generator = torch.Generator().manual_seed(1)
        images = torch.randn(setting.batch, *size, 3, generator=generator).movedim(-1, 1)
        labels = torch.randint(CLASSES, (setting.batch,), generator=generator)
        indices = torch.arange(setting.batch)
        self.batch = Batch(*(t.to(check.device) for t in (images, labels, indices)))

    def _decide(self, count: int) -> None:
        if not count:
            return
        generator = torch.Generator().manual_seed(0)
        for table in (self.strategy.alpha, self.strategy.beta):
            for edges in table.values():
                for parameter in edges.values():
                    parameter.data.copy_(torch.randn(parameter.shape, generator=generator))
        for _ in range(count):
            self.strategy._decide()

    def step(self) -> None:
        """Run an iteration."""
        self.run.step(self.batch, self.batch if self.run.searches else None)

    def decide(self) -> None:
        """Take another decision (SDAS)."""
        self.strategy._decide()
        self.run.let_go()

    @property
    def recorded(self) -> int:
        """Number of recordings."""
        return len(self.run.steps.recorded._recorded)

    @property
    def weights(self) -> torch.Tensor:
        """All weights in one vector."""
        return torch.cat([weight.detach().flatten() for weight in self.run.weights])
