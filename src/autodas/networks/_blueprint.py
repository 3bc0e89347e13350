"""Blueprint of a network: a genotype in a skeleton, or the name of a hand-crafted network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autodas.genotype import Genotype
from autodas.networks._network import Network, auxiliary_map, build, total_stride
from autodas.networks._profile import Profile, profile
from autodas.networks.handcrafted import (
    CLIP,
    WIDTH,
    HandcraftedNetwork,
    build_handcrafted,
    check_handcrafted,
    profile_handcrafted,
)
from autodas.reading import MAPPING, TEXT, Fields, Number
from autodas.spaces import Skeleton, read_skeleton


@dataclass(frozen=True)
class CellBlueprint:
    """Blueprint of a network of stacked cells.

    Args:
        genotype: the architecture.
        skeleton: skeleton in which its cells are stacked.
    """

    genotype: Genotype
    skeleton: Skeleton

    @property
    def name(self) -> str:
        """Name of the architecture."""
        return self.genotype.name

    @property
    def dimensions(self) -> int:
        """2 for images, 3 for clips."""
        return self.skeleton.dimensions

    @property
    def stride(self) -> int:
        """Factor by which the last map is smaller than the image in height and width."""
        return total_stride(self.skeleton)

    def build(
        self, *, classes: int, channels: int, image_size: int | None = None, auxiliary: bool = False
    ) -> Network:
        """Return the network with new weights; arguments as in :func:`autodas.networks.build`."""
        return build(
            self.genotype,
            self.skeleton,
            classes=classes,
            channels=channels,
            image_size=image_size,
            auxiliary=auxiliary,
        )

    def profile(
        self, *, classes: int, channels: int, image_size: int | None = None, frames: int | None = None
    ) -> Profile:
        """Return the cost of the network for one image or clip, without an auxiliary head."""
        return profile(
            self.genotype,
            self.skeleton,
            classes=classes,
            channels=channels,
            image_size=image_size,
            frames=frames,
            auxiliary=False,
        )

    def why_no_auxiliary(self, image_size: int) -> str | None:
        """Return why there can be no auxiliary head; ``None`` if there can be one."""
        if auxiliary_map(self.skeleton, image_size) is not None:
            return None
        return f"its map would be under 5x5 at {image_size} pixels"

    def shares_weights_with(self, other: Blueprint) -> bool:
        """Return whether both networks have the same layers, except for their sizes."""
        return isinstance(other, CellBlueprint) and dict(self.genotype.parts) == dict(other.genotype.parts)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, from which :func:`read_blueprint` restores the blueprint."""
        return {"genotype": self.genotype.to_dict(), "skeleton": self.skeleton.to_dict()}


@dataclass(frozen=True)
class HandcraftedBlueprint:
    """Blueprint of a hand-crafted network.

    Args:
        name: one of :func:`autodas.networks.handcrafted_names`.
        width: factor on the published channels.

    Raises:
        AutodasError: if the name is unknown, or the width is not above 0.
    """

    name: str
    width: float = WIDTH

    def __post_init__(self) -> None:
        check_handcrafted(self.name, self.width)

    @property
    def dimensions(self) -> int:
        """3: they are for clips."""
        return 3

    @property
    def stride(self) -> int:
        """32, as published."""
        return 32

    def build(
        self, *, classes: int, channels: int, image_size: int | None = None, auxiliary: bool = False
    ) -> HandcraftedNetwork:
        """Return the network with new weights; the size of clips has no effect, and it has one head."""
        return build_handcrafted(self.name, classes=classes, channels=channels, width=self.width)

    def profile(
        self, *, classes: int, channels: int, image_size: int | None = None, frames: int | None = None
    ) -> Profile:
        """Return the cost of the network for one clip."""
        return profile_handcrafted(
            self.name,
            classes=classes,
            channels=channels,
            frames=frames or CLIP[0],
            image_size=image_size or CLIP[1],
            width=self.width,
        )

    def why_no_auxiliary(self, image_size: int) -> str | None:
        """Return why there can be no auxiliary head."""
        return "hand-crafted networks have none"

    def shares_weights_with(self, other: Blueprint) -> bool:
        """Return whether both networks have the same layers, except for their sizes."""
        return isinstance(other, HandcraftedBlueprint) and self.name == other.name

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, from which :func:`read_blueprint` restores the blueprint."""
        return {"handcrafted": {"name": self.name, "width": self.width}}


Blueprint = CellBlueprint | HandcraftedBlueprint
"""Blueprint of a network."""

_HANDCRAFTED = Fields({"name": TEXT, "width": Number(0, above=True)})


def read_blueprint(facts: Mapping[str, Any], where: str) -> Blueprint:
    """Return the blueprint described by its plain data; other keys are ignored.

    Args:
        facts: result of ``to_dict``.
        where: origin of the data, for errors about the genotype.

    Raises:
        AutodasError: if an entry is missing, the genotype is invalid, or the skeleton is unknown.
    """
    if "handcrafted" in facts:
        _HANDCRAFTED.check(facts["handcrafted"], f"{where}: handcrafted")
        return HandcraftedBlueprint(facts["handcrafted"]["name"], facts["handcrafted"]["width"])
    Fields({"skeleton": MAPPING}).check(facts, where)
    skeleton = read_skeleton(facts["skeleton"], f"{where}: skeleton")
    Fields({"genotype": MAPPING}).check(facts, where)
    return CellBlueprint(Genotype.from_dict(facts["genotype"], where), skeleton)
