"""Estimate of the memory of a search, without allocating it."""

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
from autodas.kernels import compiled_library, expected_gpu_kernels, rehearse_kernels
from autodas.loop import ALONE, Compute, InputShape
from autodas.loop.tasks import Task
from autodas.search._cost import supernet_multiply_adds
from autodas.search._live_bytes import LiveBytes
from autodas.search._phase import PhaseRun
from autodas.settings import OptimSettings, SupernetSettings
from autodas.spaces import Space
from autodas.strategies import StrategyChoice, load_strategy
from autodas.strategies.base import Phase, SearchPlan, Strategy
from autodas.supernet import Supernet

SLACK = 1.12
"""Allocator overhead: bytes taken for each byte of tensors, because of fragmentation. Measured: 1 to 1.2."""

CODE = 25 * 2**20
"""Code of torch loaded by the first iteration on a CPU, in bytes, measured."""

MODULE = 3200
"""Python objects of each module of a supernet, in bytes, measured."""


LARGER = 2
"""Factor of the batch size of evaluations on GPUs, which compute larger batches faster (not measured).

Without a backward pass an evaluation keeps few maps, but in single precision in any case.
"""


@dataclass(frozen=True)
class SearchSize:
    """Everything that the memory of a search depends on.

    Args:
        space: the search space.
        strategy: the method.
        task: task of the network.
        shape: shape of its input; for videos without frames the clips are those of the space's skeleton.
        batch_size: samples per step, of all processes together.
        supernet: settings of the supernet's computation.
        compute: where and how iterations are computed; the device need not be available. The memory is that
            of each process.
        last_batch: samples of the smaller last batch of an epoch; 0 if there is none.

    Examples:
        >>> import autodas
        >>> size = autodas.SearchSize(
        ...     autodas.get_space("cifar-o2d").with_size(K=0, C1=4, C2=8),
        ...     autodas.choose_strategy("sdas"),
        ...     autodas.Classification(10),
        ...     autodas.InputShape(channels=3, image_size=32),
        ...     batch_size=16,
        ... )
        >>> size.estimate().total > 2**20
        True
    """

    space: Space
    strategy: StrategyChoice
    task: Task[Any]
    shape: InputShape
    batch_size: int
    supernet: SupernetSettings = field(default_factory=SupernetSettings)
    compute: Compute = field(default_factory=Compute)
    last_batch: int = 0

    @property
    def method(self) -> type[Strategy]:
        """The class of the method."""
        return load_strategy(self.strategy.name)

    @property
    def partial_channels(self) -> int:
        """K, if 1/K of the channels pass through the candidates: set by the user, or by the method."""
        own = self.supernet.partial_channels
        return self.method.partial_channels if own is None else own

    @property
    def processes(self) -> int:
        """Number of processes that share the batches."""
        return self.compute.group.size

    @property
    def samples(self) -> int:
        """Largest number of samples that a process has of a batch."""
        return -(-self.batch_size // self.processes)

    @property
    def evaluated_at_once(self) -> int:
        """Number of samples that are evaluated at once."""
        part = max(1, self.batch_size // max(1, self.compute.micro_batches * self.processes))
        # With recomputed cells an iteration, too, keeps few maps, and in bf16 it keeps smaller ones.
        on_gpu = torch.device(self.compute.device).type == "cuda"
        larger = on_gpu and not self.supernet.checkpoint and self.compute.precision == "fp32"
        return LARGER * part if larger else part

    def smaller(self) -> dict[str, SearchSize]:
        """Return configurations that need less memory, by the option that leads to them."""
        configurations = {}
        parts = min(4 * self.compute.micro_batches, self.batch_size // self.processes // 2)
        if parts > self.compute.micro_batches:
            compute = replace(self.compute, micro_batches=parts)
            configurations[f"`micro_batches={parts}`"] = replace(self, compute=compute)
        if self.partial_channels == 1:
            supernet = replace(self.supernet, partial_channels=4)
            configurations["`supernet.partial_channels=4`"] = replace(self, supernet=supernet)
        if not self.supernet.checkpoint:
            supernet = replace(self.supernet, checkpoint=True)
            configurations["`supernet.checkpoint=true`"] = replace(self, supernet=supernet)
        return configurations

    def estimate(self) -> MemoryEstimate:
        """Estimate the memory of the most expensive iterations: the first of a phase.

        Raises:
            AutodasError: if the supernet cannot be built.
        """
        return estimate_memory(self)

    def check(self, available: int | None) -> None:
        """Check that the search fits into memory.

        Args:
            available: bytes available to each process; ``None`` if unknown, in which case nothing is checked.

        Raises:
            AutodasError: if it does not fit; the message names options that lower the need, and by how much.
        """
        if available is not None and self.estimate().total > available:
            free = f"{in_words(available)} are free" + (" for each process" if self.processes > 1 else "")
            raise AutodasError(
                f"not enough memory: {free}; {self.advice()}; `check_memory=false` starts anyway"
            )

    def advice(self) -> str:
        """Return the memory needed, and how much less is needed with which options."""
        options = []
        for option, smaller in self.smaller().items():
            try:
                options.append(f"{option} ({smaller.estimate()})")
            except AutodasError:  # channels that cannot be divided
                continue
            except (MemoryError, RuntimeError):  # memory has run out even for the estimate
                options.append(option)
        options.append(f"a `batch_size` below {self.batch_size}")
        each = f" in each of {self.processes} processes" if self.processes > 1 else ""
        return f"this search needs about {self.estimate()}{each}, and less with {', '.join(options)}"

    def new_strategy(self) -> Strategy:
        """Return the method in its state before the search."""
        plan = SearchPlan(self.space, 10**6, 0, lambda alive: 1)
        return self.method(self.strategy.settings, plan)

    def dearest(self) -> list[int]:
        """Return the numbers of the phases that may need most memory: per space that with most candidates."""
        largest: dict[Space, tuple[int, int]] = {}
        for number, phase in enumerate(self.new_strategy().phases()):
            candidates = sum(sum(row) for mask in phase.alive.values() for row in mask)
            if candidates > largest.get(phase.space, (0, -1))[1]:
                largest[phase.space] = number, candidates
        return [number for number, _ in largest.values()]

    def work(self, samples: int) -> int:
        """Return the multiply-adds of forward passes for a number of samples, in the most expensive phase."""
        return samples * max(
            supernet_multiply_adds(
                phase.space,
                phase.alive,
                task=self.task,
                shape=self.shape,
                partial_channels=self.partial_channels,
                cells=phase.cells,
            )
            for phase in self.new_strategy().phases()
        )

    def new_supernet(self, phase: Phase) -> Supernet:
        """Return the supernet of a phase, with newly initialised weights."""
        return Supernet(
            phase.space,
            classes=self.task.outputs,
            channels=self.shape.channels,
            engine=self.supernet.engine,
            partial_channels=self.partial_channels,
            checkpoint=self.supernet.checkpoint,
            cells=phase.cells,
        )

    def run_of(self, number: int, device: torch.device) -> tuple[PhaseRun, Callable[..., Batch]]:
        """Return a phase of the search on a device, and a function that makes batches of noise for it.

        The function takes the number of samples, by default that of a process in a step.
        """
        strategy = self.new_strategy()
        phase = strategy.start(number, device)
        supernet = self.new_supernet(phase).to(device)
        compute = replace(self.compute, device=device, group=ALONE)
        if device.type == "meta":
            # Tensors without data do not support autocast; see _BFloat16.
            compute = replace(compute, precision="fp32")
        run = PhaseRun(phase, number, strategy, supernet, self.task, OptimSettings(), 10**6, compute)

        def noise(count: int = self.samples) -> Batch:
            size = self.space.skeleton.input_size(self.shape.image_size, self.shape.frames)
            shape = (count, self.shape.channels, *size)
            images = torch.randn(shape, device=device).movedim(1, -1).contiguous().movedim(-1, 1)
            return Batch(images, self.task.noise(count, device), torch.arange(count, device=device))

        return run, noise


@dataclass(frozen=True)
class MemoryEstimate:
    """Memory that the first, most expensive iterations of a search need beyond Python and torch, in bytes.

    Attributes:
        tensors: peak of live tensors: weights, gradients, momenta, batches, tensors kept for the backward
            pass, and temporary tensors.
        program: modules, and code that runs for the first time.
    """

    tensors: int
    program: int

    @property
    def total(self) -> int:
        """Total in bytes, including the allocator's overhead."""
        return int(SLACK * self.tensors) + self.program

    def __str__(self) -> str:
        return in_words(self.total)


@cache
def estimate_memory(size: SearchSize) -> MemoryEstimate:
    """Estimate the memory of a search by running iterations on tensors without data.

    The search's own code runs, so that all tensors that it keeps or needs temporarily are counted
    (:class:`LiveBytes`). Scratch memory within operators and kernels is not. For a search in several phases
    the estimate is that of the most expensive one.
    """
    return max((_estimate(size, number) for number in size.dearest()), key=lambda estimate: estimate.total)


def _estimate(size: SearchSize, number: int) -> MemoryEstimate:
    kind = torch.device(size.compute.device).type
    compiled = kind == "cpu" and compiled_library() is not None
    reduced: AbstractContextManager[Any] = nullcontext()
    maps = None
    if size.compute.precision == "bf16":
        reduced = _BFloat16(depthwise=kind != "cpu")
        maps = None if kind == "cpu" else torch.bfloat16
    gpu = expected_gpu_kernels() if kind == "cuda" else None
    with rehearse_kernels(compiled, maps, gpu), LiveBytes() as live, reduced, torch.device("meta"):
        run, noise = size.run_of(number, torch.device("meta"))
        for optimiser in (run.weight_optimiser, run.architecture_optimiser):
            for group in optimiser.param_groups if optimiser is not None else ():
                group["fused"] = False  # the fused kernel does not exist for tensors without data
        # Iterations that also move the architecture cost most.
        run.iteration = run.phase.weights_only if run.architecture_optimiser is not None else 0
        lasting = live.now
        run.step(noise(), noise() if run.searches else None)
    if kind == "cpu":
        return MemoryEstimate(live.peak, CODE + MODULE * sum(1 for _ in run.supernet.modules()))
    with (
        rehearse_kernels(compiled, gpu=gpu),
        LiveBytes() as evaluation,
        torch.device("meta"),
        torch.no_grad(),
    ):
        run.supernet.eval()
        run.forward(noise(size.evaluated_at_once).images, run.strategy.mixture())
    if size.compute.graphs == "off" or run.strategy.constants() is None:
        return MemoryEstimate(max(live.peak, lasting + evaluation.peak), 0)
    # A recording keeps its memory, beside that of what is computed as usual: smaller batches and evaluations.
    smaller = (live.peak - lasting) * size.last_batch // size.batch_size
    return MemoryEstimate(live.peak + max(smaller, evaluation.peak), 0)


class _BFloat16(TorchFunctionMode):
    """Emulation of autocast on supernets, for tensors without data.

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
    """Return a number of bytes as text."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
