"""Images named by list files."""

from __future__ import annotations

from autodas.data._images import Images
from autodas.data._lists import Listed, read_lists
from autodas.data._parts import RawDataset, RawSplit
from autodas.data._sources import FileSource, Source


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
