"""Sources of undecoded images: an array, files, Parquet rows, an indexable object."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from autodas.data.files._arrow import explained, open_parquet
from autodas.data.files._unreadable import UnreadableError
from autodas.data.pixels._decode import as_picture, open_image
from autodas.data.pixels._formats import ArrayPicture, Header, Picture
from autodas.errors import AutodasError


class Source(Protocol):
    """Images by index. It is pickled to worker processes."""

    paths: Sequence[str] | None
    """The files, one per image, if the images are files."""

    def __len__(self) -> int: ...

    def header(self, index: int) -> Header:
        """Return size and format without decoding; raises UnreadableError."""
        ...

    def open(self, index: int) -> Picture:
        """Return the image, opened and not decoded; raises UnreadableError."""
        ...

    def describe(self, index: int) -> str:
        """Return the name of the image in messages."""
        ...


class ArraySource:
    """Images of one size in an array.

    Args:
        array: numbers of any type, (N, H, W, C).
    """

    paths: Sequence[str] | None = None

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    def header(self, index: int) -> Header:
        """Return size and format of an image."""
        return self.open(index).header

    def open(self, index: int) -> Picture:
        """Return one image."""
        return ArrayPicture(self.array[index])

    def describe(self, index: int) -> str:
        """Return the name of the image in messages."""
        return f"image {index}"


class FileSource:
    """Image files.

    Args:
        paths: one path per image.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths: Sequence[str] | None = paths
        self._paths = paths

    def __len__(self) -> int:
        return len(self._paths)

    def header(self, index: int) -> Header:
        """Return size and format of an image, without decoding it."""
        with open_image(self._paths[index]) as picture:
            return picture.header

    def open(self, index: int) -> Picture:
        """Return one image."""
        return open_image(self._paths[index])

    def describe(self, index: int) -> str:
        """Return the path."""
        return self._paths[index]


class ParquetSource:
    """Rows of Parquet files whose image column contains the bytes of image files.

    Row groups that have been read stay in memory up to a limit, so random access is only fast if the encoded
    images fit in it.

    Args:
        files: the files in order.
        column: name of the image column: bytes, or a struct with ``bytes`` and ``path``.
        cache_bytes: maximum size of the encoded images kept in memory.
    """

    paths: Sequence[str] | None = None

    def __init__(self, files: Sequence[str], column: str, cache_bytes: int = 4 << 30) -> None:
        self._files, self._column, self._cache_bytes = list(files), column, cache_bytes
        self._groups: list[tuple[int, int]] = []
        self._starts: list[int] = []
        self._count = 0
        for number, file in enumerate(self._files):
            metadata = open_parquet(file).metadata
            for group in range(metadata.num_row_groups):
                self._groups.append((number, group))
                self._starts.append(self._count)
                self._count += metadata.row_group(group).num_rows
        self._cache: OrderedDict[int, Any] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_cache": OrderedDict()}

    def __len__(self) -> int:
        return self._count

    def header(self, index: int) -> Header:
        """Return size and format of an image."""
        return self.open(index).header

    def open(self, index: int) -> Picture:
        """Return one image."""
        encoded = self.encoded(index)
        if encoded is None:
            raise UnreadableError("the row contains no image bytes")
        return open_image(encoded)

    def encoded(self, index: int) -> bytes | None:
        """Return the bytes of the image file in a row; ``None`` if there are none."""
        row = self._row(index)
        encoded = row.get("bytes") if isinstance(row, dict) else row
        return encoded if isinstance(encoded, bytes) and encoded else None

    def describe(self, index: int) -> str:
        """Return the file and the row, and the path stored in the row if there is one."""
        group = bisect_right(self._starts, index) - 1
        first = next(
            s for s, g in zip(self._starts, self._groups, strict=True) if g[0] == self._groups[group][0]
        )
        row = self._row(index)
        path = row.get("path") if isinstance(row, dict) else None
        name = f" ({path})" if path else ""
        return f"{self._files[self._groups[group][0]]} row {index - first}{name}"

    def _row(self, index: int) -> Any:
        group = bisect_right(self._starts, index) - 1
        values, (number, place) = self._read_group(group), self._groups[group]
        with explained(self._files[number], f"row group {place}"):
            return values[index - self._starts[group]].as_py()

    def _read_group(self, group: int) -> Any:
        if group in self._cache:
            self._cache.move_to_end(group)
            return self._cache[group]
        number, place = self._groups[group]
        opened = open_parquet(self._files[number])
        with explained(self._files[number], f"row group {place}"):
            table = opened.read_row_group(place, columns=[self._column])
            self._cache[group] = table[self._column].combine_chunks()
        while len(self._cache) > 1 and sum(a.nbytes for a in self._cache.values()) > self._cache_bytes:
            self._cache.popitem(last=False)
        return self._cache[group]


class ItemSource:
    """An indexable object whose items contain an image.

    Args:
        items: an object with ``len`` and ``items[index]``.
        key: position of the image in an item: 0 for a pair, or the name of a column.
        name: name of the object in messages.
    """

    paths: Sequence[str] | None = None

    def __init__(self, items: Any, key: int | str, name: str) -> None:
        self._items, self._key, self._name = items, key, name

    def __len__(self) -> int:
        return len(self._items)

    def header(self, index: int) -> Header:
        """Return size and format of an image."""
        return self.open(index).header

    def open(self, index: int) -> Picture:
        """Return one image."""
        try:
            value = self._items[index][self._key]
        except OSError as error:  # raised by Pillow for a damaged file
            raise UnreadableError(str(error).split("\n")[0]) from error
        except AutodasError:
            raise
        except Exception as error:  # code of the user's own
            raise AutodasError(
                f"{self._name}, item {index}: failed with {type(error).__name__}: {error}"
            ) from error
        picture = as_picture(value)
        if picture is None:
            kind = (
                f"{value.dtype} {tuple(value.shape)}"
                if isinstance(value, np.ndarray)
                else type(value).__name__
            )
            raise AutodasError(
                f"{self._name}, item {index}: a Pillow image, an array (H, W, C) or a tensor (C, H, W) is "
                f"expected, found {kind}"
            )
        return picture

    def describe(self, index: int) -> str:
        """Return the name of the object and the number of the item."""
        return f"{self._name}, item {index}"
