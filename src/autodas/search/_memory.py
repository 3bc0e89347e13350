"""How much memory a search needs, found without taking it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from autodas.data import Batch
from autodas.errors import AutodasError
from autodas.kernels import compiled_library, rehearse_kernels
from autodas.loop import Compute, InputShape
from autodas.loop.tasks import Task
from autodas.search._live_bytes import LiveBytes
from autodas.search._phase import PhaseRun
from autodas.settings import OptimSettings, SupernetSettings
from autodas.spaces import Space
from autodas.strategies import StrategyChoice, load_strategy
from autodas.strategies.base import Phase, SearchPlan, Strategy
from autodas.supernet import Supernet

SLACK = 1.12
"""What the allocator takes for each byte of tensors: holes between them. Measured: 1 to 1.2."""

CODE = 25 * 2**20
"""Code of torch that the first iteration brings into memory on a CPU, measured."""

MODULE = 3200
"""Python's own objects for each module of a supernet, in bytes, measured."""


@dataclass(frozen=True)
class SearchSize:
    """All that the memory of a search depends on.

    Args:
        space: where to search.
        strategy: the method.
        task: what is asked of the network.
        shape: what it sees; of videos without frames the clips are those of the space's skeleton.
        batch_size: samples a step.
        supernet: how the supernet is computed.
        compute: where and how iterations are computed; the device need not be there.
    """

    space: Space
    strategy: StrategyChoice
    task: Task[Any]
    shape: InputShape
    batch_size: int
    supernet: SupernetSettings = field(default_factory=SupernetSettings)
    compute: Compute = field(default_factory=Compute)

    @property
    def method(self) -> type[Strategy]:
        """The class of the method."""
        return load_strategy(self.strategy.name)

    @property
    def partial_channels(self) -> int:
        """One channel in so many goes through the candidates: what the user says, or the method wants."""
        own = self.supernet.partial_channels
        return self.method.partial_channels if own is None else own

    def smaller(self) -> dict[str, SearchSize]:
        """Return what would need less memory, by the options that make it so."""
        found = {}
        parts = min(4 * self.compute.micro_batches, self.batch_size // 2)
        if parts > self.compute.micro_batches:
            compute = replace(self.compute, micro_batches=parts)
            found[f"`micro_batches={parts}`"] = replace(self, compute=compute)
        if self.partial_channels == 1:
            supernet = replace(self.supernet, partial_channels=4)
            found["`supernet.partial_channels=4`"] = replace(self, supernet=supernet)
        if not self.supernet.checkpoint:
            supernet = replace(self.supernet, checkpoint=True)
            found["`supernet.checkpoint=true`"] = replace(self, supernet=supernet)
        return found

    def estimate(self) -> MemoryEstimate:
        """Estimate the memory of the dearest iterations: the first ones of a phase.

        Raises:
            AutodasError: if the supernet cannot be built.
        """
        return estimate_memory(self)

    def check(self, available: int | None) -> None:
        """Check that the search fits.

        Args:
            available: bytes that there are; ``None`` where nobody tells, then nothing is checked.

        Raises:
            AutodasError: if it does not; the message says what would lower the need, and how far.
        """
        if available is not None and self.estimate().total > available:
            raise AutodasError(
                f"not enough memory: {in_words(available)} are free; {self.advice()}; "
                "`check_memory=false` starts all the same"
            )

    def advice(self) -> str:
        """Return how much memory is needed, and by how much which options lower that."""
        options = []
        for option, smaller in self.smaller().items():
            try:
                options.append(f"{option} ({smaller.estimate()})")
            except AutodasError:  # channels that cannot be divided
                continue
            except (MemoryError, RuntimeError):  # memory has run out even for the estimate
                options.append(option)
        options.append(f"a `batch_size` below {self.batch_size}")
        return f"this search needs about {self.estimate()}, and less with {', '.join(options)}"

    def new_strategy(self) -> Strategy:
        """Return the method, as it is before the search."""
        plan = SearchPlan(self.space, 10**6, 0, lambda alive: 1)
        return self.method(self.strategy.settings, plan)

    def dearest(self) -> list[int]:
        """Return the numbers of the phases that may need most: of each space the one with most candidates."""
        found: dict[Space, tuple[int, int]] = {}
        for number, phase in enumerate(self.new_strategy().phases()):
            candidates = sum(sum(row) for mask in phase.alive.values() for row in mask)
            if candidates > found.get(phase.space, (0, -1))[1]:
                found[phase.space] = number, candidates
        return [number for number, _ in found.values()]

    def new_supernet(self, phase: Phase) -> Supernet:
        """Return the supernet of a phase, with fresh weights."""
        return Supernet(
            phase.space,
            classes=self.task.outputs,
            channels=self.shape.channels,
            engine=self.supernet.engine,
            partial_channels=self.partial_channels,
            checkpoint=self.supernet.checkpoint,
            cells=phase.cells,
        )

    def run_of(self, number: int, device: torch.device) -> tuple[PhaseRun, Callable[[], Batch]]:
        """Return a phase of the search, on a device, and what makes batches of noise for it."""
        strategy = self.new_strategy()
        phase = strategy.start(number, device)
        supernet = self.new_supernet(phase).to(device)
        compute = replace(self.compute, device=device)
        if device.type == "meta":
            # Tensors without data know no autocast; see _BFloat16.
            compute = replace(compute, precision="fp32")
        run = PhaseRun(phase, number, strategy, supernet, self.task, OptimSettings(), 10**6, compute)

        def noise() -> Batch:
            size = self.space.skeleton.input_size(self.shape.image_size, self.shape.frames)
            shape = (self.batch_size, self.shape.channels, *size)
            images = torch.randn(shape, device=device).movedim(1, -1).contiguous().movedim(-1, 1)
            targets = self.task.noise(self.batch_size, device)
            return Batch(images, targets, torch.arange(self.batch_size, device=device))

        return run, noise


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes that the first iterations of a search, its dearest, need beyond what Python and torch take.

    Attributes:
        tensors: the most that tensors take at one time: weights, gradients, momenta, batches, what is kept
            for the backward pass, and what is needed for a moment.
        program: modules, and code that runs for the first time.
    """

    tensors: int
    program: int

    @property
    def total(self) -> int:
        """Bytes altogether, with what the allocator adds."""
        return int(SLACK * self.tensors) + self.program

    def __str__(self) -> str:
        return in_words(self.total)


@cache
def estimate_memory(size: SearchSize) -> MemoryEstimate:
    """Estimate the memory of a search by going through iterations on tensors without data.

    It is the search's own code that runs, so that whatever it keeps or needs for a moment is counted
    (:class:`LiveBytes`). Scratch memory inside of operators and kernels is not. Of a search in several phases
    it is the dearest one's.
    """
    return max((_estimate(size, number) for number in size.dearest()), key=lambda estimate: estimate.total)


def _estimate(size: SearchSize, number: int) -> MemoryEstimate:
    kind = torch.device(size.compute.device).type
    compiled = kind == "cpu" and compiled_library() is not None
    reduced: AbstractContextManager[Any] = nullcontext()
    if size.compute.precision == "bf16":
        reduced = _BFloat16(depthwise=kind != "cpu")
    with rehearse_kernels(compiled), LiveBytes() as live, reduced, torch.device("meta"):
        run, noise = size.run_of(number, torch.device("meta"))
        for optimiser in (run.weight_optimiser, run.architecture_optimiser):
            for group in optimiser.param_groups if optimiser is not None else ():
                group["fused"] = False  # there is no such kernel without data
        # What moves the architecture, too, costs most.
        run.iteration = run.phase.weights_only if run.architecture_optimiser is not None else 0
        run.step(noise(), noise() if run.searches else None)
    program = 0
    if kind == "cpu":
        program = CODE + MODULE * sum(1 for _ in run.supernet.modules())
    return MemoryEstimate(live.peak, program)


class _BFloat16(TorchFunctionMode):
    """What autocast does to supernets, for tensors without data.

    Args:
        depthwise: whether depthwise convolutions are reduced, too.
    """

    reduced = (F.conv2d, F.conv3d, F.linear)

    def __init__(self, depthwise: bool) -> None:
        super().__init__()
        self.depthwise = depthwise

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in self.reduced and (self.depthwise or func is F.linear or args[1].shape[1] > 1):
            args = [a.bfloat16() if isinstance(a, Tensor) else a for a in args]
        return func(*args, **(kwargs or {}))


def in_words(count: int) -> str:
    """Return a number of bytes for people."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
