"""Checkpoints: everything needed to resume a stopped run as if it had not been stopped."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from autodas.errors import AutodasError, Interrupted
from autodas.loop._out_of_memory import is_out_of_memory
from autodas.loop._own_state import OTHERS
from autodas.reading import MAPPING, TEXT, Fields, Is, Items, Shape, Values, Whole, shown
from autodas.writing import write_whole

FORMAT = "autodas checkpoint"
VERSION = 1

TENSOR = Is((torch.Tensor,), "a tensor")
_RANDOM = Fields({"cpu": TENSOR, "threads": Whole(1, 65_536)}, {"cuda": Items(TENSOR)})
SHARED: dict[str, Shape] = {
    "random": _RANDOM,
    "log": Fields({"events": Whole(), "metrics": Whole(), "columns": Items(TEXT)}),
}
"""Entries shared by the states of all commands: states of the generators and lengths of the logs."""

SEVERAL: dict[str, Shape] = {
    OTHERS: Items(Fields({"random": _RANDOM, "statistics": Values(TENSOR), "meters": Items(TENSOR)}))
}
"""Further entries of the states of runs with several processes: the own state of all but the first."""


def save_checkpoint(path: Path, command: str, state: dict[str, Any]) -> None:
    """Write a checkpoint; if that fails, the previous one stays intact.

    Args:
        path: the file to write.
        command: command that writes it, ``"search"`` or ``"train"``.
        state: tensors and plain data.

    Raises:
        AutodasError: if it cannot be written.
    """
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, "version": VERSION, "command": command, "state": state}, buffer)
    write_whole(path, buffer.getvalue())


def load_checkpoint(path: Path, command: str, shape: Shape = MAPPING) -> dict[str, Any]:
    """Read a checkpoint. Only tensors and plain data are read; nothing in the file is executed.

    Args:
        path: the file.
        command: command that wrote it.
        shape: expected shape of its state.

    Raises:
        AutodasError: if the file is missing, truncated, foreign, written by another version or command, or
            its state is damaged.
    """
    try:
        _check_container(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise AutodasError(f"{path}: the checkpoint is missing") from error
    except OSError as error:
        raise AutodasError(f"{path}: cannot be read: {error.strerror or error}") from error
    except MemoryError as error:
        raise AutodasError(f"{path}: there is not enough memory to read it") from error
    except Exception as error:  # torch's unpickler may fail in any way on foreign bytes
        raise AutodasError(
            f"{path}: truncated, or not a checkpoint of autodas; delete it and start the run again "
            "with `overwrite`"
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise AutodasError(f"{path}: not a checkpoint of autodas")
    if content.get("version") != VERSION:
        raise AutodasError(
            f"{path}: written by another version (format {shown(content.get('version'))}, this one reads "
            f"{VERSION})"
        )
    if content.get("command") != command:
        raise AutodasError(
            f"{path}: belongs to 'autodas {shown(content.get('command'))[1:-1]}', not 'autodas {command}'"
        )
    with explain_damage(path):
        shape.check(content.get("state"), "state")
    state: dict[str, Any] = content["state"]
    return state


@contextmanager
def explain_damage(path: Path) -> Iterator[None]:
    """Turn errors raised while a state is restored into an error that reports a damaged checkpoint.

    Args:
        path: the checkpoint.
    """
    try:
        yield
    except Interrupted:
        raise
    except (AutodasError, ArithmeticError, AssertionError, AttributeError, LookupError) as error:
        raise _damaged(path, error) from error
    except (NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        if is_out_of_memory(error):
            raise
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> AutodasError:
    what = str(error).split("\n")[0] if isinstance(error, AutodasError) else shown(error)
    return AutodasError(
        f"{path}: not a checkpoint of autodas, or damaged ({what}); start the run again with `overwrite`"
    )


def _check_container(path: Path) -> None:
    """Check that the archive is uncompressed: torch would also read compressed tensors, and older formats."""
    with zipfile.ZipFile(path) as container:
        if any(entry.compress_size != entry.file_size for entry in container.infolist()):
            raise ValueError("packed")
