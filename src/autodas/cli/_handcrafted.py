"""Hand-crafted networks, where a command takes a genotype."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autodas.errors import AutodasError

if TYPE_CHECKING:
    from autodas.cli.profile import ProfileConfig


def means_handcrafted(reference: str) -> bool:
    """Return whether a name is that of a hand-crafted network, or nearer to one than to those of the zoo.

    A path that exists goes before a name, as everywhere.
    """
    from autodas.networks import handcrafted_names
    from autodas.zoo import zoo_names

    names = handcrafted_names()
    if Path(reference).exists():
        return False
    return any(name in names for name in get_close_matches(reference, [*names, *zoo_names()], n=1))


def handcrafted_facts(config: ProfileConfig) -> dict[str, Any]:
    """Return what ``autodas profile`` prints of a hand-crafted network.

    Raises:
        AutodasError: if the name is unknown, or options are given that belong to genotypes.
    """
    from autodas.cli._settings import SkeletonConfig
    from autodas.networks.handcrafted import CLIP, WIDTH, profile_handcrafted

    if config.preset is not None or config.skeleton != SkeletonConfig():
        raise AutodasError(
            f"'{config.genotype}' is a hand-crafted network, which --preset and --skeleton do not shape; "
            "its size follows --width"
        )
    width = WIDTH if config.width is None else config.width
    classes, size = config.classes or 10, config.image_size or CLIP[1]
    found = profile_handcrafted(
        config.genotype, classes=classes, channels=config.channels, image_size=size, width=width
    )
    return {
        "network": config.genotype,
        "width": width,
        "input": [config.channels, CLIP[0], size, size],
        "classes": classes,
        **found.to_dict(),
    }
