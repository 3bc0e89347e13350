"""Data set that can be searched and trained on."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

from autodas.data._fingerprint import fingerprint_of
from autodas.data.augmentation._augmentation import Augmentation
from autodas.data.frames._flow import FlowEncoding
from autodas.data.pixels._form import Range
from autodas.data.splits._clips import Clips
from autodas.data.splits._split import Split
from autodas.data_options import DataOptions, Modality, TaskName

_NOT_SEEN = ("name", "train", "test", "classes", "bad", "default_augmentation", "notes", "options", "task")
"""Fields that do not describe the network's input."""


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """Data set of images, or of videos, with labels.

    Args:
        name: name with which it was opened.
        train: images (or videos) to search and train with.
        test: images (or videos) that are only used for the final evaluation.
        classes: name of each class; for regression, of each number.
        channels: 1 (grey), 3 (RGB), 2 (optical flow), or the number of channels of the images.
        image_size: side of the network's input, in pixels.
        mean: mean of the training samples, one value per channel, on the scale 0..1.
        std: standard deviation, likewise; never 0.
        bad: files that could not be read, each with the reason.
        default_augmentation: augmentation used by default.
        notes: notes for the user on how the data were read: skipped files, splits, oddities.
        clips: how clips are taken from videos; ``None`` for images.
        modality: input of the network for videos: ``"rgb"`` or ``"flow"``.
        flow: how optical flow is computed, if it is the input; ``None`` otherwise.
        value_range: values of black and white, for images with more than 8 bits; ``None`` for images of 8
            bits, where these are 0 and 255.
        options: options with which the data were read.
        task: what the labels of the splits are: ``"classification"``, ``"multilabel"`` or ``"regression"``.
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    channels: int
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    bad: tuple[str, ...]
    default_augmentation: Augmentation
    notes: tuple[str, ...] = ()
    clips: Clips | None = None
    modality: Modality = "rgb"
    value_range: Range | None = None
    flow: FlowEncoding | None = None
    options: DataOptions = field(default_factory=DataOptions)
    task: TaskName = "classification"

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        """Plain data that identify the data set: see :func:`fingerprint_of`."""
        seen = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _NOT_SEEN}
        return fingerprint_of(self.name, self.classes, self.options, seen, self.train, self.test)

    @property
    def frames(self) -> int | None:
        """Number of frames of a clip; ``None`` for images."""
        return None if self.clips is None else self.clips.frames

    @property
    def what(self) -> str:
        """Noun for the samples in messages."""
        return self.train.what
