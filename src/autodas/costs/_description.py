"""Descriptions of networks and of a device, in files beside their measurements."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from autodas.costs._setting import NetworkSetting
from autodas.errors import AutodasError
from autodas.reading import MAPPING, MEBIBYTE, TEXT, Fields, Items, Whole, parse_json, read_text
from autodas.spaces import Space, get_space

NETWORK_FILE = "network.json"
"""File beside the measurements that describes the networks: their space and their setting."""

DEVICE_FILE = "measure.json"
"""File beside the measurements that describes the device and how it was measured."""

SCHEMA = 1

_SHAPES = {
    NETWORK_FILE: Fields(
        {"schema": Whole(SCHEMA, SCHEMA), "space": TEXT, "network": MAPPING},
        {"operations": Items(TEXT, 1, 1000)},
    ),
    DEVICE_FILE: Fields({"schema": Whole(SCHEMA, SCHEMA), "device": MAPPING}),
}


def described_networks(path: Path, space: str | None) -> tuple[Space, NetworkSetting | None]:
    """Return the space and the setting of measured networks; ``None`` for a setting that is unknown.

    Args:
        path: CSV file.
        space: name of the space, if it is not described.

    Raises:
        AutodasError: if the space is not known, or the description is invalid or of another space.
    """
    networks = _beside(path, NETWORK_FILE)
    if networks is None:
        if space is None:
            raise AutodasError(
                f"{path}: there is no {NETWORK_FILE} beside it: name the space of its networks, such as "
                "`space=cifar-o2d`"
            )
        return get_space(space), None
    where = str(path.parent / NETWORK_FILE)
    if space is not None and space != networks["space"]:
        raise AutodasError(f"{where}: the networks are of space '{networks['space']}', not `space={space}`")
    known = get_space(networks["space"])
    if "operations" in networks:
        # As in tables: the names alone, which allow no code to be imported.
        cell = replace(known.cell, operations=tuple(networks["operations"]), altered=True)
        known = replace(known, cell=cell)
    return known, NetworkSetting.from_dict(networks["network"], f"{where}: network")


def described_device(path: Path) -> dict[str, Any]:
    """Return the description of the device, empty if there is none.

    Args:
        path: CSV file.

    Raises:
        AutodasError: if it is invalid.
    """
    document = _beside(path, DEVICE_FILE)
    return {} if document is None else dict(document["device"])


def _beside(path: Path, name: str) -> dict[str, Any] | None:
    """Return the document beside a file; ``None`` if there is none."""
    place = path.parent / name
    if not place.exists():
        return None
    document: dict[str, Any] = parse_json(read_text(place, MEBIBYTE), str(place))
    _SHAPES[name].check(document, str(place))
    return document
