"""What a benchmark computes: the network, the pictures, the device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from autodas.settings import Precision
from autodas.spaces import Space, get_space

Varied = Literal["batch_size", "image_size", "K", "C2"]
"""What the growth of cost is measured over."""


@dataclass(frozen=True)
class BenchSetting:
    """The size of what is timed.

    Args:
        space: where to search, with its size.
        batch_size: pictures in each gradient step.
        image_size: height and width of the pictures.
        channels: channels of the pictures.
        classes: number of classes.
        precision: of forward and backward passes.
        device: where.
        frames: of a clip, by default those of the space's skeleton; of pictures there are none.

    Raises:
        AutodasError: if pictures are to have frames.
    """

    space: Space
    batch_size: int
    image_size: int
    channels: int = 3
    classes: int = 10
    precision: Precision = "fp32"
    device: str = "cpu"
    frames: int | None = None

    def __post_init__(self) -> None:
        self.space.skeleton.input_size(self.image_size, self.frames)

    def keywords(self) -> dict[str, Any]:
        """Return the setting as plain data: the keyword arguments of an engine of the user's own."""
        skeleton = self.space.skeleton
        return {
            "space": self.space.name,
            "K": skeleton.K,
            "C1": skeleton.C1,
            "C2": skeleton.C2,
            "batch_size": self.batch_size,
            "image_size": self.image_size,
            "channels": self.channels,
            "classes": self.classes,
            "device": self.device,
            "precision": self.precision,
            **({} if self.frames is None else {"frames": self.frames}),
        }

    @classmethod
    def from_keywords(cls, keywords: Mapping[str, Any]) -> BenchSetting:
        """Return the setting that :meth:`keywords` describes."""
        rest = dict(keywords)
        space = get_space(rest.pop("space")).with_size(*(rest.pop(name) for name in ("K", "C1", "C2")))
        return cls(space, **rest)

    def vary(self, what: Varied, value: int) -> BenchSetting:
        """Return the same setting with one size changed.

        Args:
            what: ``C2`` stands for the width of the whole network: C1 keeps its ratio to it.
            value: the size.

        Raises:
            AutodasError: if the space cannot have that size.
        """
        if what == "batch_size":
            return replace(self, batch_size=value)
        if what == "image_size":
            return replace(self, image_size=value)
        if what == "K":
            return replace(self, space=self.space.with_size(K=value))
        skeleton = self.space.skeleton
        stem = max(1, round(skeleton.C1 * value / skeleton.C2))
        return replace(self, space=self.space.with_size(C1=stem, C2=value))
