"""A data set that can be searched and trained on."""

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
from autodas.data_options import DataOptions, Modality

_NOT_SEEN = ("name", "train", "test", "classes", "bad", "default_augmentation", "notes", "options")
"""Fields that do not tell what the network sees."""


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """A data set of images, or of videos, with labels.

    Args:
        name: as it was asked for.
        train: images (or videos) to search and train with.
        test: those that are only looked at in the end.
        classes: name of each label.
        channels: 1 (grey), 3 (RGB), 2 (optical flow), or as many as the images have.
        image_size: side of what the network sees, in pixels.
        mean: of the training images, one value a channel, on the scale 0..1.
        std: likewise; never 0.
        bad: files that could not be read, each with the reason.
        default_augmentation: what suits these images when the user says nothing.
        notes: what a user should know of how the data were read: what was left out, how they were split,
            what is odd about them.
        clips: how clips are taken from videos; ``None`` for images.
        modality: what the network sees of videos: ``"rgb"`` or ``"flow"``.
        flow: how optical flow is made, where that is seen; ``None`` otherwise.
        value_range: the values that stand for black and white, of images with more than 8 bits; ``None`` for
            images of 8 bits, where these are 0 and 255.
        options: how the data were read.
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

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        """Plain data that tell whether another data set is the same: see :func:`fingerprint_of`."""
        seen = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _NOT_SEEN}
        return fingerprint_of(self.name, self.classes, self.options, seen, self.train, self.test)

    @property
    def frames(self) -> int | None:
        """Frames of a clip; ``None`` for images."""
        return None if self.clips is None else self.clips.frames

    @property
    def what(self) -> str:
        """What messages call the samples."""
        return self.train.what
