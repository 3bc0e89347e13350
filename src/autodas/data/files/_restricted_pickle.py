"""Reading of pickled arrays of unknown origin, without executing anything in the file."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from autodas.errors import AutodasError
from autodas.reading import MEBIBYTE, read_bytes, shown

LARGEST = 1024 * MEBIBYTE
"""Maximum number of bytes of a file; those of CIFAR have 31 million."""


class _ArrayType:
    """Stand-in for the type of arrays: a pickle may name it, but calling it creates nothing."""


def _make_array(kind: Any, shape: Any, code: Any) -> np.ndarray:
    """Return the empty array that the pickle fills in its next step."""
    if kind is not _ArrayType:
        raise pickle.UnpicklingError("an array of an unknown type")
    return np.ndarray((0,), dtype=np.uint8)


def _make_dtype(code: Any, align: Any = False, copy: Any = True) -> np.dtype[Any]:
    name = code.decode("ascii") if isinstance(code, bytes) else str(code)
    dtype = np.dtype(name)
    if dtype.kind not in "iu":
        raise pickle.UnpicklingError(f"an array of type '{name}', only integers are read")
    # A copy: the pickle sets the byte order, which must not change numpy's own object.
    return np.dtype(name, copy=True)


def _encode(text: Any, encoding: Any) -> bytes:
    """Decode bytes as Python 3 writes them in the protocol of Python 2."""
    if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
        raise pickle.UnpicklingError("text in an unexpected encoding")
    return text.encode("latin1")


def _empty_bytes() -> bytes:
    """Decode empty bytes as Python 3 writes them in the protocol of Python 2."""
    return b""


_ALLOWED: dict[tuple[str, str], Any] = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _make_array for core in ("core", "_core")},
    ("numpy", "ndarray"): _ArrayType,
    ("numpy", "dtype"): _make_dtype,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _empty_bytes,
}


class _RefusedError(Exception):
    pass


class _Unpickler(pickle._Unpickler):
    # The implementation in Python: the one in C allocates as many objects as a number in the file claims.
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise _RefusedError(f"{module}.{name}")
        return _ALLOWED[module, name]


def read_pickle(path: Path) -> Any:
    """Read containers, bytes, text, numbers and integer arrays; refuse everything else by name.

    Args:
        path: a pickle of Python 2 or 3. Text of Python 2 is returned as bytes.

    Raises:
        AutodasError: if the file is malformed or requests anything else.
    """
    try:
        return _Unpickler(io.BytesIO(read_bytes(path, LARGEST)), encoding="bytes").load()
    except AutodasError:
        raise
    except _RefusedError as error:
        raise AutodasError(
            f"{path}: refused: it asks for '{error}', but only lists, dictionaries, bytes, numbers and "
            "arrays are read: get the file from its official source"
        ) from error
    except Exception as error:  # a malformed pickle can fail in any way
        raise AutodasError(f"{path}: cannot be read as a batch of images ({shown(error)})") from error
