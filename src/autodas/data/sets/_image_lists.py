"""Images named by list files."""

from __future__ import annotations

from autodas.data.pixels._sources import FileSource, Source
from autodas.data.sets._lists import Listed, read_lists
from autodas.data.splits._images import Images
from autodas.data.splits._parts import RawDataset, RawSplit
from autodas.data_options import DataOptions


def read_image_lists(rest: str, options: DataOptions) -> RawDataset[Source]:
    """Read ``LIST``, ``LIST#ROOT``, or a folder of lists; see :func:`read_lists`."""
    listed = read_lists(rest, "imagelist", Images.what, options)
    return RawDataset(
        _split(listed.train),
        _split(listed.test),
        listed.classes,
        notes=listed.notes,
        refusal=listed.refusal,
        task=listed.task,
    )


def _split(listed: Listed | None) -> RawSplit[Source] | None:
    if listed is None:
        return None
    return RawSplit(FileSource(listed.paths), listed.labels, listed.keys, listed.columns)
