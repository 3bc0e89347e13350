"""Setting of a benchmark: network, input, device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from autodas.settings import Graphs, Precision
from autodas.spaces import Space, get_space

Varied = Literal["batch_size", "image_size", "K", "C2"]
"""Sizes over which the growth of cost is measured."""


@dataclass(frozen=True)
class BenchSetting:
    """Setting of a benchmark.

    Args:
        space: search space with its size.
        batch_size: images or clips in each gradient step.
        image_size: height and width of the images.
        channels: channels of the images.
        classes: number of classes.
        precision: precision of forward and backward passes.
        device: device to compute on.
        frames: frames of a clip, by default those of the space's skeleton; ``None`` for images.
        graphs: whether iterations are recorded as CUDA graphs.

    Raises:
        AutodasError: if frames are given for images.
    """

    space: Space
    batch_size: int
    image_size: int
    channels: int = 3
    classes: int = 10
    precision: Precision = "fp32"
    device: str = "cpu"
    frames: int | None = None
    graphs: Graphs = "auto"

    def __post_init__(self) -> None:
        self.space.skeleton.input_size(self.image_size, self.frames)

    def keywords(self) -> dict[str, Any]:
        """Return the setting as plain data: the keyword arguments of a user's engine."""
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
        """Return the setting described by :meth:`keywords`, with further fields by name."""
        rest = dict(keywords)
        space = get_space(rest.pop("space")).with_size(*(rest.pop(name) for name in ("K", "C1", "C2")))
        return cls(space, **rest)

    def vary(self, what: Varied, value: int) -> BenchSetting:
        """Return the setting with one size changed.

        Args:
            what: size to change; ``C2`` changes the width of the whole network, with C1 in proportion.
            value: new value.

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
