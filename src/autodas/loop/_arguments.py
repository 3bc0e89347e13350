"""Arguments that searches, trainings and their commands have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch

from autodas.data import ImageDataset
from autodas.loop._device import best_device
from autodas.runs.folder import RunFolder
from autodas.settings import Graphs, Precision

CellDrawings = Callable[[], Mapping[str, bytes]]
"""Draws cells, by their kind, as PNG."""


@dataclass(frozen=True)
class Compute:
    """Where and how a run computes.

    Args:
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, or ``"auto"`` for a GPU where there is one.
        precision: of forward and backward passes: ``"fp32"`` or ``"bf16"``; evaluations are in single
            precision.
        graphs: ``"auto"`` records iterations as CUDA graphs on CUDA devices, where the method admits it;
            ``"off"`` never does.
        micro_batches: parts that each batch is computed in, one after the other: less memory, the same
            gradient but for batch normalisation, whose statistics are those of a part.
        workers: processes that read samples which are not held in memory.
        check_memory: whether a search compares an estimate of the memory with what there is, and refuses to
            start where that is less.
    """

    device: torch.device | str = "cpu"
    precision: Precision = "fp32"
    graphs: Graphs = "auto"
    micro_batches: int = 1
    workers: int = 0
    check_memory: bool = True

    @property
    def place(self) -> torch.device:
        """The device.

        Raises:
            AutodasError: if there is no such device.
        """
        return best_device(str(self.device))

    def placed(self) -> Compute:
        """Return the same with the device that its name stands for here; raises as :attr:`place`."""
        return replace(self, device=self.place)


@dataclass(frozen=True)
class Keeping:
    """What is kept of a run, and how it goes on.

    Args:
        folder: the run folder; it has to have been created before the run begins.
        every: time between checkpoints: iterations of a search, epochs of a training; 0 for one at the end of
            each epoch.
        resume: whether to go on from the folder's checkpoint.
        tensorboard: whether to write TensorBoard files, where tensorboard is installed.
        pictures: draws the kinds of cells that have changed since it was last called, as PNG; TensorBoard
            shows them after every epoch of a search.
        quiet: whether to print nothing.
    """

    folder: RunFolder
    every: int = 0
    resume: bool = False
    tensorboard: bool = True
    pictures: CellDrawings | None = None
    quiet: bool = False

    @property
    def writes(self) -> bool:
        """Whether this process writes the run's files: of several that compute one run, only one may."""
        return True


@dataclass(frozen=True)
class InputShape:
    """What a network sees.

    Args:
        channels: of each image or frame.
        image_size: height and width in pixels.
        frames: of a clip; ``None`` for images. Of videos ``None`` stands for what the skeleton wants.
    """

    channels: int
    image_size: int
    frames: int | None = None

    @classmethod
    def of(cls, dataset: ImageDataset) -> InputShape:
        """Return the shape of a data set's samples."""
        return cls(dataset.channels, dataset.image_size, dataset.frames)
