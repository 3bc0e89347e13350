"""Setting of a network: everything about it but its cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autodas.reading import MAPPING, Fields, Optional, Whole
from autodas.spaces import Skeleton, read_skeleton

_SHAPE = Fields(
    {
        "skeleton": MAPPING,
        "channels": Whole(1, 64),
        "image_size": Whole(1, 10_000),
        "classes": Whole(1, 1_000_000),
    },
    {"frames": Optional(Whole(1, 10_000))},
)


@dataclass(frozen=True)
class NetworkSetting:
    """Setting of networks that differ in their cells only: skeleton, input and number of classes.

    Args:
        skeleton: skeleton with its size; for clips with their number of frames.
        channels: channels of the images or frames.
        image_size: height and width of the images or frames.
        classes: number of classes.
    """

    skeleton: Skeleton
    channels: int
    image_size: int
    classes: int

    @property
    def input_size(self) -> tuple[int, ...]:
        """Size of one sample: channels, frames of clips, height, width."""
        return self.channels, *self.skeleton.input_size(self.image_size)

    def differences(self, other: NetworkSetting) -> list[str]:
        """Return in what another setting differs, apart from the number of classes.

        The classifier is a small part of a network, and part of the constant of a table.
        """
        ours, theirs = self._facts(), other._facts()
        return [
            f"{name} is {theirs[name]}, not {value}" for name, value in ours.items() if theirs[name] != value
        ]

    def _facts(self) -> dict[str, Any]:
        size = self.skeleton.to_dict()
        name, pool_norm = size.pop("name"), size.pop("pool_norm")
        return {
            "skeleton": name,
            **size,
            "frames": self.skeleton.frames,
            "pool_norm": pool_norm,
            "channels": self.channels,
            "image_size": self.image_size,
        }

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "skeleton": self.skeleton.to_dict(),
            "channels": self.channels,
            "frames": self.skeleton.frames,
            "image_size": self.image_size,
            "classes": self.classes,
        }

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any], where: str) -> NetworkSetting:
        """Restore a setting from the plain data of :meth:`to_dict`.

        Raises:
            AutodasError: if an entry is missing or invalid; the message names the place.
        """
        _SHAPE.check(facts, where)
        skeleton = read_skeleton(facts["skeleton"], f"{where}: skeleton")
        return cls(
            skeleton.for_clips(facts.get("frames")), facts["channels"], facts["image_size"], facts["classes"]
        )
