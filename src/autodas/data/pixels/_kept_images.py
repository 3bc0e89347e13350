"""Decoded images stored on disk: large photographs are decoded once, not in every command.

A file contains the pixels of one part of a data set, byte for byte, then a description in JSON, then a tail
with its length and checksums, so that truncated or changed files are detected.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import zlib
from collections.abc import Sequence
from contextlib import closing, suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import numpy as np

from autodas.data.files._store_folder import (
    IMAGES,
    Lock,
    absolute_name,
    remove_leftovers,
    short_hash,
    unfinished,
    write_facts,
)
from autodas.data.pixels._form import Form
from autodas.errors import AutodasError
from autodas.reading import TEXT, Fields, Items, Row, Whole, parse_json

# Part of every name: changes whenever pixels would come out differently.
_VERSION = 1
_TAIL = struct.Struct("<QII8s")  # length of the description, its checksum, that of the pixels, mark
_MARK = b"autodas1"
_SHAPE = Fields({"bad": Items(Row((Whole(), TEXT))), "clipped": Whole()})


@cache
def _decoders() -> list[str]:
    """Return the versions of the libraries that decode images."""
    versions = []
    for name in ("pillow", "tifffile", "imagecodecs", "numpy"):
        with suppress(PackageNotFoundError):
            versions.append(f"{name} {version(name)}")
    return versions


class DecodedImages(NamedTuple):
    """Images as held in memory.

    Args:
        pixels: (N, S, S, C), uint8 or float32 on the scale 0..255; zeros for images that cannot be read.
        bad: reasons why images cannot be read, by index.
        clipped: number of images with values beyond the range.
    """

    pixels: np.ndarray
    bad: dict[int, str]
    clipped: int


class KeptImages:
    """File of the decoded images of one part of a data set.

    Its name is derived from the paths, sizes and times of the files and from the form of the pixels.

    Args:
        root: parent folder of such folders.
        data: name of the data set.
        paths: the files, one per image.
        side: height and width of the stored images.
        form: channels and value range.
        square: whether images are squeezed into a square as a whole, or cropped at their centre.
    """

    def __init__(
        self, root: Path, data: str, paths: Sequence[str], side: int, form: Form, *, square: bool
    ) -> None:
        self.facts = {
            "version": _VERSION,
            "what": "images",
            "data": absolute_name(data),
            "side": side,
        }
        self.shape, self.dtype = (len(paths), side, side, form.channels), np.dtype(form.dtype)
        folder = short_hash(json.dumps(self.facts))
        which, state = hashlib.sha256(), hashlib.sha256(repr(_decoders()).encode())
        which.update(repr((form.channels, form.value_range, square)).encode())
        for path in paths:
            which.update(os.fsencode(os.path.abspath(path)) + b"\0")
            with suppress(OSError):
                status = os.stat(path)
                # File times may be preserved when files are replaced; the time of change is not.
                state.update(f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}\0".encode())
        self._which = which.hexdigest()[:16]
        self.path = root / f"images-{side}px-raw-{folder}" / f"{self._which}-{state.hexdigest()[:16]}{IMAGES}"

    def read(self) -> DecodedImages | None:
        """Return the stored images; ``None`` if there are none, or they are damaged."""
        size = int(np.prod(self.shape)) * self.dtype.itemsize
        try:
            with open(self.path, "rb") as file:
                end = file.seek(0, os.SEEK_END) - _TAIL.size
                if end < size:
                    return None
                file.seek(size)
                rest = file.read(end - size + _TAIL.size)
                length, checksum, checksum_of_pixels, mark = _TAIL.unpack(rest[-_TAIL.size :])
                description = rest[: -_TAIL.size]
                if (length, mark) != (len(description), _MARK) or zlib.crc32(description) != checksum:
                    return None
                facts = parse_json(description, "it")
                _SHAPE.check(facts, "it")
                file.seek(0)
                pixels = np.fromfile(file, self.dtype, size // self.dtype.itemsize).reshape(self.shape)
        except (OSError, ValueError, AutodasError):
            return None
        if zlib.crc32(pixels.data) != checksum_of_pixels or max(facts["bad"], default=[0])[0] >= len(pixels):
            return None
        with suppress(OSError):  # marks it as used
            os.utime(self.path)
        return DecodedImages(pixels, dict(facts["bad"]), facts["clipped"])

    def write(self, images: DecodedImages) -> bool:
        """Store images; return whether there was enough space and the folder could be written."""
        folder = self.path.parent
        content = np.ascontiguousarray(images.pixels).data
        facts = {"bad": sorted(images.bad.items()), "clipped": images.clipped}
        description = json.dumps(facts).encode()
        tail = _TAIL.pack(len(description), zlib.crc32(description), zlib.crc32(content), _MARK)
        temporary = unfinished(self.path)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(folder).free < 2 * content.nbytes:
                return False
            with closing(Lock(folder)):
                write_facts(folder, self.facts)
                remove_leftovers(folder)
                with open(temporary, "wb") as file:
                    for part in (content, description, tail):
                        file.write(part)
                os.replace(temporary, self.path)
                for path in folder.glob(f"{self._which}-*{IMAGES}"):
                    if path != self.path:
                        path.unlink()
        except OSError:
            return False
        finally:
            with suppress(OSError):
                temporary.unlink()
        return True
