"""Arguments shared by searches, trainings and their commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import torch

from autodas.data import ImageDataset, Part
from autodas.errors import AutodasError
from autodas.loop._device import best_device, check_precision
from autodas.loop._group import ALONE, Group
from autodas.loop._threads import Threads, threads_for
from autodas.runs.folder import RunFolder
from autodas.settings import Graphs, Precision
from autodas.tables import Table

CellDrawings = Callable[[], Mapping[str, bytes]]
"""Function that draws cells as PNG, by cell kind."""


@dataclass(frozen=True)
class Compute:
    """Where and how a run computes.

    Args:
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, or ``"auto"`` for a GPU if one is available.
        precision: precision of forward and backward passes, ``"fp32"`` or ``"bf16"``; evaluations run in
            single precision.
        graphs: ``"auto"`` records iterations as CUDA graphs on CUDA devices, if the method allows it;
            ``"off"`` never does.
        micro_batches: number of parts into which each batch is split and computed one after the other. This
            needs less memory and gives the same gradient, except for batch normalisation, whose statistics
            are those of a part.
        workers: number of processes that read samples not held in memory.
        check_memory: whether a search compares its estimated memory with the available memory, and refuses
            to start if that is less.
        group: the processes that compute the run together, by default this one alone. Each computes its part
            of each batch, as if the parts were micro-batches.
        threads: CPU threads while the run computes: a number, or ``"auto"`` for those of torch, but no more
            than have work, as in the commands. By default those of torch: their number is the program's.

    Raises:
        AutodasError: if ``threads`` is below 1.

    Examples:
        >>> import autodas
        >>> autodas.Compute(device="cpu").place
        device(type='cpu')
    """

    device: torch.device | str = "cpu"
    precision: Precision = "fp32"
    graphs: Graphs = "auto"
    micro_batches: int = 1
    workers: int = 0
    check_memory: bool = True
    group: Group = ALONE
    threads: Threads = None

    def __post_init__(self) -> None:
        if isinstance(self.threads, int) and self.threads < 1:
            raise AutodasError(f"threads={self.threads} must be at least 1")

    def threaded(self, work: Callable[[], int]) -> AbstractContextManager[None]:
        """Return a context in which torch has the threads of the run.

        Args:
            work: function that returns the multiply-adds of the forward pass of a batch.
        """
        return threads_for(None if self.place.type != "cpu" else self.threads, work)

    @property
    def part(self) -> Part:
        """The part of the data that this process computes."""
        return Part(self.group.rank, self.group.size)

    @property
    def place(self) -> torch.device:
        """The device.

        Raises:
            AutodasError: if the device is not available.
        """
        return best_device(str(self.device))

    def placed(self) -> Compute:
        """Return a copy with the device that its name stands for here.

        Raises:
            AutodasError: if the device is not available, or does not compute in the precision.
        """
        place = self.place
        check_precision(place, self.precision)
        return replace(self, device=place)


@dataclass(frozen=True)
class Keeping:
    """What is kept of a run, and whether it is resumed.

    Args:
        folder: the run folder; it must exist before the run begins.
        every: interval between checkpoints, in iterations of a search or epochs of a training; 0 for one at
            the end of each epoch.
        resume: whether to resume from the folder's checkpoint.
        tensorboard: whether to write TensorBoard files, if tensorboard is installed.
        pictures: function that draws the cell kinds changed since its last call, as PNG; TensorBoard shows
            these figures after every epoch of a search.
        table: table in which a search looks up, after every epoch, the architecture that it would derive.
        quiet: whether to print nothing.
        writes: whether this process writes the run's files: only one of the processes of a run may.
    """

    folder: RunFolder
    every: int = 0
    resume: bool = False
    tensorboard: bool = True
    pictures: CellDrawings | None = None
    table: Table | None = None
    quiet: bool = False
    writes: bool = True

    def by(self, group: Group) -> Keeping:
        """Return a copy with which only the first process of a group writes."""
        return self if group.first else replace(self, writes=False, quiet=True, tensorboard=False)


@dataclass(frozen=True)
class InputShape:
    """Shape of a network's input.

    Args:
        channels: number of channels of each image or frame.
        image_size: height and width in pixels.
        frames: number of frames of a clip; ``None`` for images. For videos ``None`` stands for the number
            that the skeleton expects.
    """

    channels: int
    image_size: int
    frames: int | None = None

    @classmethod
    def of(cls, dataset: ImageDataset) -> InputShape:
        """Return the shape of a data set's samples."""
        return cls(dataset.channels, dataset.image_size, dataset.frames)
