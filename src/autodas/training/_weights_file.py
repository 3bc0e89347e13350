"""Files of weights: a module and the facts from which it is built, in one safetensors file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol, TypeVar

import torch
from torch import nn

from autodas.errors import AutodasError
from autodas.runs.folder import MODEL
from autodas.writing import write_whole

CLASSIFIER = "autodas"
"""Kind of the files of networks, the name of the facts in their metadata."""
DETECTOR = "autodas_detector"
"""Kind of the files of detectors, likewise."""


class Facts(Protocol):
    """Facts from which a module is built."""

    def build(self) -> nn.Module:
        """Return the module with new weights."""

    def to_json(self) -> str:
        """Return the facts as JSON."""


F = TypeVar("F", bound=Facts)


def save_weights(path: Path, module: nn.Module, facts: Facts, kind: str) -> None:
    """Write weights and facts as one safetensors file.

    Args:
        path: the file.
        module: the module.
        facts: facts from which it is built.
        kind: :data:`CLASSIFIER` or :data:`DETECTOR`.

    Raises:
        AutodasError: if it cannot be written; an existing file is kept.
    """
    from safetensors.torch import save

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    write_whole(path, save(tensors, {kind: facts.to_json()}))


def load_weights(path: str | Path, kind: str, read: Callable[[str, str], F]) -> tuple[nn.Module, F]:
    """Return a trained module in evaluation mode, and its facts.

    Args:
        path: a file of :func:`save_weights`, or a run folder that contains ``model.safetensors``.
        kind: kind of the file.
        read: function from JSON and the name of the file, for messages, to the facts.

    Raises:
        AutodasError: if the file is missing, truncated, foreign or of another kind.
    """
    from safetensors import SafetensorError, safe_open

    path = file_of(path)
    try:
        with _named_in_utf8(path) as name, safe_open(name, "pt") as file:
            metadata = file.metadata() or {}
            if kind not in metadata:
                raise AutodasError(f"{path}: {_what_else(metadata)}")
            facts = read(metadata[kind], str(path))
            _check_shapes(facts, {name: file.get_slice(name).get_shape() for name in file.keys()}, path)  # noqa: SIM118
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        module = facts.build()
        module.load_state_dict(tensors)
    except AutodasError as error:
        # Errors about a network that cannot be built do not name the file.
        raise AutodasError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from error
    except (OSError, SafetensorError, UnicodeError) as error:
        raise AutodasError(f"{path}: cannot be read as trained weights: {error}") from error
    except (RuntimeError, NotImplementedError) as error:  # tensors of an unexpected type
        raise AutodasError(f"{path}: the weights do not fit the network they come with") from error
    return module.eval(), facts


def kind_of(path: str | Path) -> str | None:
    """Return the kind of a model file, or of that in a run folder; ``None`` if there is none of autodas."""
    from safetensors import SafetensorError, safe_open

    try:
        with _named_in_utf8(file_of(path)) as name, safe_open(name, "pt") as file:
            metadata = file.metadata() or {}
    except (AutodasError, OSError, SafetensorError, UnicodeError):
        return None
    return next((kind for kind in (CLASSIFIER, DETECTOR) if kind in metadata), None)


def file_of(path: str | Path) -> Path:
    """Return the model file that a path means.

    Raises:
        AutodasError: if it is a folder without one.
    """
    path = Path(path)
    if not os.path.isdir(path):
        return path
    if not os.path.exists(path / MODEL):
        raise AutodasError(f"{path}: contains no trained network; run 'autodas train' first")
    return path / MODEL


def _what_else(metadata: Mapping[str, str]) -> str:
    """Return what a file holds that is not of the wanted kind."""
    if DETECTOR in metadata:
        return "holds a detector, where a network that classifies is expected"
    if CLASSIFIER in metadata:
        return "holds a network that classifies, where a detector is expected"
    return "was not written by autodas"


@contextmanager
def _named_in_utf8(path: Path) -> Iterator[Path]:
    """Give a file a name that the library can open: it supports only names in UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        with TemporaryDirectory() as folder:
            link = Path(folder) / MODEL
            link.symlink_to(path.resolve())
            yield link
    else:
        yield path


def _check_shapes(facts: Facts, shapes: Mapping[str, Sequence[int]], path: Path) -> None:
    """Check that the tensors of a file are those of the module, before it takes memory."""
    with torch.device("meta"):
        needed = {name: list(tensor.shape) for name, tensor in facts.build().state_dict().items()}
    if needed != shapes:
        raise AutodasError(f"{path}: the weights do not fit the network they come with")
