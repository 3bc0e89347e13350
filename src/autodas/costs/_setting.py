"""Setting of a network: everything about it but its cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

from autodas.reading import TEXT, Fields, OneOf, Optional, Whole
from autodas.spaces import PoolNorm, Skeleton, get_skeleton

_SHAPE = Fields(
    {
        "skeleton": Fields(
            {"name": TEXT, "K": Whole(), "C1": Whole(1), "C2": Whole(1)},
            {"pool_norm": OneOf(get_args(PoolNorm))},
        ),
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
        names = {"name": "skeleton", "pool_norm": "pool_norm", "frames": "frames"}
        facts = {names.get(name, name): getattr(self.skeleton, name) for name in ("name", "K", "C1", "C2")}
        facts |= {"frames": self.skeleton.frames, "pool_norm": self.skeleton.pool_norm}
        return facts | {"channels": self.channels, "image_size": self.image_size}

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        size = {name: getattr(self.skeleton, name) for name in ("name", "K", "C1", "C2", "pool_norm")}
        return {
            "skeleton": size,
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
        size = facts["skeleton"]
        skeleton = get_skeleton(size["name"]).with_size(size["K"], size["C1"], size["C2"])
        skeleton = replace(skeleton, pool_norm=size.get("pool_norm", skeleton.pool_norm))
        return cls(
            skeleton.for_clips(facts.get("frames")), facts["channels"], facts["image_size"], facts["classes"]
        )
