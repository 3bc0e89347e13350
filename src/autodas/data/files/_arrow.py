"""Errors of reading Parquet files, explained in a sentence."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from autodas.errors import AutodasError


@contextmanager
def explained(file: str | Path, place: str = "") -> Iterator[None]:
    """Turn errors of the reader on a damaged file into an error that names the file and the place in it.

    Args:
        file: the file.
        place: place in the file, such as ``row group 3``.
    """
    import pyarrow.lib

    try:
        yield
    except (
        pyarrow.lib.ArrowException,
        *(LookupError, MemoryError, OSError, OverflowError, RuntimeError, TypeError, ValueError),
    ) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        where = f"{file}: {place}" if place else str(file)
        raise AutodasError(f"{where} cannot be read as Parquet ({reason})") from error


def open_parquet(file: str | Path) -> Any:
    """Return an open Parquet file whose metadata has been read.

    Raises:
        AutodasError: if it is not a Parquet file, or its number of rows is impossible.
    """
    import pyarrow.parquet

    path = Path(file)
    with explained(path):
        opened = pyarrow.parquet.ParquetFile(_readable(path))
        counts = [opened.metadata.row_group(i).num_rows for i in range(opened.metadata.num_row_groups)]
        if min(counts, default=0) < 0 or sum(counts) > path.stat().st_size:
            raise ValueError(f"{sum(counts)} rows in {path.stat().st_size} bytes")
        return opened


def _readable(path: Path) -> Any:
    """Return an object that the library can open: it supports only names in UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        import pyarrow

        with open(path, "rb") as file:
            return pyarrow.BufferReader(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    return path


def is_label(kind: Any) -> bool:
    """Return whether values of a type can be labels: integers, text, or a dictionary of either."""
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    return bool(types.is_integer(kind) or types.is_string(kind) or types.is_large_string(kind))


def is_list(kind: Any) -> bool:
    """Return whether values of a type are lists."""
    from pyarrow import types

    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))
