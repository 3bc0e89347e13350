"""Checkpoints: everything that a stopped run needs to go on as if it had not been stopped."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from autodas.errors import AutodasError
from autodas.training._files import write_whole

FORMAT = "autodas checkpoint"
VERSION = 1


def save_checkpoint(path: Path, command: str, state: dict[str, Any]) -> None:
    """Write a checkpoint; when that fails the previous one stays as it was.

    Args:
        path: where to.
        command: what made it, ``"search"`` or ``"train"``.
        state: tensors and plain data.

    Raises:
        AutodasError: if it cannot be written.
    """
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, "version": VERSION, "command": command, "state": state}, buffer)
    write_whole(path, buffer.getvalue())


def load_checkpoint(path: Path, command: str) -> dict[str, Any]:
    """Read a checkpoint. Only tensors and plain data are read; nothing in the file is executed.

    Raises:
        AutodasError: if the file is missing, truncated, foreign, of another version or another command.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise AutodasError(f"{path}: there is no checkpoint") from error
    except OSError as error:
        raise AutodasError(f"{path}: cannot be read: {error.strerror or error}") from error
    except MemoryError as error:
        raise AutodasError(f"{path}: there is not enough memory to read it") from error
    except Exception as error:  # on foreign bytes torch's unpickler may stumble in any way
        raise AutodasError(
            f"{path}: truncated, or not a checkpoint of autodas; delete it and start the run again "
            "with --overwrite"
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise AutodasError(f"{path}: not a checkpoint of autodas")
    if content["version"] != VERSION:
        raise AutodasError(
            f"{path}: written by another version (format {content['version']}, this one reads {VERSION})"
        )
    if content["command"] != command:
        raise AutodasError(f"{path}: belongs to 'autodas {content['command']}', not 'autodas {command}'")
    state: dict[str, Any] = content["state"]
    return state
