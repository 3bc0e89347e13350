"""Images named by list files."""

from __future__ import annotations

from autodas.data.pixels._sources import FileSource, Source
from autodas.data.sets._lists import Listed, read_lists
from autodas.data.splits._images import Images
from autodas.data.splits._parts import RawDataset, RawSplit


def read_image_lists(rest: str) -> RawDataset[Source]:
    """Read ``LIST``, ``LIST#ROOT``, or a folder of lists; see :func:`read_lists`."""
    found = read_lists(rest, "imagelist", Images.what)
    return RawDataset(
        _split(found.train), _split(found.test), found.classes, notes=found.notes, refusal=found.refusal
    )


def _split(listed: Listed | None) -> RawSplit[Source] | None:
    if listed is None:
        return None
    return RawSplit(FileSource(listed.paths), listed.labels, listed.keys, listed.columns)
