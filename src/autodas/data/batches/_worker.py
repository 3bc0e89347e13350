"""Process that reads batches: it takes requests from standard input, and answers them.

A message is a pickled object, followed by its arrays as raw bytes. Nothing uses shared memory, which is
scarce in containers.
"""

from __future__ import annotations

import os
import pickle
import struct
import sys
import traceback
from collections.abc import Callable
from io import BytesIO
from typing import IO, Any

import torch

from autodas.errors import AutodasError


class Parcel:
    """Object that is sent once and then referred to by its number.

    Args:
        number: its number among the parcels of this process.
        content: the pickled object, in which other parcels are referred to by their numbers.
        path: search path of its modules.
    """

    def __init__(self, number: int, content: bytes, path: list[str]) -> None:
        self.number, self.content, self.path = number, content, path


class Failure:
    """Failure in a worker, as text, so that no traceback is nested in another.

    Args:
        message: message for users, or the traceback.
        mendable: whether the user can fix it.
    """

    def __init__(self, message: str, mendable: bool) -> None:
        self.message, self.mendable = message, mendable


class _Pickler(pickle.Pickler):
    """Pickler that stores tensors as arrays, whose bytes need no copy."""

    def reducer_override(self, value: Any) -> Any:
        if type(value) is torch.Tensor:
            return torch.from_numpy, (value.numpy(),)
        return NotImplemented


def send(file: IO[bytes], message: Any) -> None:
    """Write one message."""
    content, arrays = BytesIO(), list[pickle.PickleBuffer]()
    _Pickler(content, protocol=5, buffer_callback=arrays.append).dump(message)
    parts: list[memoryview] = [content.getbuffer(), *(array.raw() for array in arrays)]
    sizes = [len(part) for part in parts]
    for part in (memoryview(struct.pack(f"<I{len(parts)}Q", len(parts), *sizes)), *parts):
        while len(part):
            part = part[file.write(part) :]


def receive(file: IO[bytes]) -> Any:
    """Read one message; raises EOFError when the other side has ended."""
    (count,) = struct.unpack("<I", _exactly(file, 4))
    sizes = struct.unpack(f"<{count}Q", _exactly(file, 8 * count))
    content, *arrays = (_exactly(file, size) for size in sizes)
    # The other side of the pipe is this program itself.
    return pickle.loads(content, buffers=arrays)


def _exactly(file: IO[bytes], size: int) -> bytearray:
    content = bytearray(size)
    view = memoryview(content)
    while len(view):
        count = file.readinto(view)  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        view = view[count:]
    return content


def serve() -> None:
    """Answer requests until there are no more."""
    requests, answers = os.fdopen(os.dup(0), "rb", 0), os.fdopen(os.dup(1), "wb", 0)
    # User-defined code may print, which must not interfere with the answers.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    torch.set_num_threads(1)
    known: dict[int, Any] = {}
    while True:
        try:
            message = receive(requests)
        except EOFError:
            return
        if isinstance(message, Parcel):
            known[message.number] = _attempt(lambda parcel: _unpack(parcel, known), message)
        else:
            number, request = message
            reader = known[number]
            send(answers, reader if isinstance(reader, Failure) else _attempt(reader.answer, request))


def _attempt(work: Callable[[Any], Any], what: Any) -> Any:
    """Return the result, or the failure."""
    try:
        return work(what)
    except AutodasError as error:
        return Failure(str(error), mendable=True)
    except MemoryError:
        return Failure(
            "a process that reads data has run out of memory: use fewer data.workers or a smaller batch_size",
            mendable=True,
        )
    except Exception:
        return Failure(traceback.format_exc(), mendable=False)


class _Unpickler(pickle.Unpickler):
    def __init__(self, content: bytes, known: dict[int, Any]) -> None:
        super().__init__(BytesIO(content))
        self.known = known

    def persistent_load(self, number: Any) -> Any:
        content = self.known[number]
        if isinstance(content, Failure):
            raise AutodasError(content.message)
        return content


def _unpack(parcel: Parcel, known: dict[int, Any]) -> Any:
    sys.path += [place for place in parcel.path if place not in sys.path]
    try:
        return _Unpickler(parcel.content, known).load()
    except AutodasError:
        raise
    except Exception as error:
        raise AutodasError(
            f"the data set cannot be loaded in another process ({type(error).__name__}: {error}): "
            "use data.workers 0, which reads in this one"
        ) from error
