"""The data of a run: recorded in ``data.json`` and compared with later data."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from autodas.data import FINGERPRINT, changed_samples, changes
from autodas.errors import AutodasError
from autodas.reading import TEXT, Fields, Items
from autodas.runs.folder import DATA, RunFolder

_SHAPE = Fields({**FINGERPRINT.required, "notes": Items(TEXT)})


class Data(Protocol):
    """Data of a run: an :class:`~autodas.ImageDataset`, or images with boxes."""

    @property
    def fingerprint(self) -> dict[str, Any]:
        """Plain data that identify them, of the shape ``FINGERPRINT``."""

    @property
    def bad(self) -> Sequence[str]:
        """Samples that were left out, each with the reason."""

    @property
    def notes(self) -> Sequence[str]:
        """Remarks, in sentences."""

    @property
    def what(self) -> str:
        """Noun for the samples in messages."""


def write_data(folder: RunFolder, dataset: Data) -> None:
    """Write the fingerprint of the data, the samples left out, and the remarks on the data."""
    facts = {**dataset.fingerprint, "bad": list(dataset.bad), "notes": list(dataset.notes)}
    folder.write(DATA, json.dumps(facts) + "\n")


def notes_of_run(folder: Path) -> list[str]:
    """Return the remarks that a run has recorded on its data."""
    saved = _saved(RunFolder(folder)) or {}
    return list(saved.get("notes", ()))


def check_same_data(folder: RunFolder, dataset: Data) -> None:
    """Check that a run can be resumed with these data.

    Raises:
        AutodasError: if they are not the data it was started with; the message names the changes.
    """
    saved = _saved(folder)
    differences = [] if saved is None else changes(saved, dataset.fingerprint, dataset.what)
    if differences:
        raise AutodasError(
            f"{folder.path}: the data have changed since this run was started ({'; '.join(differences)}): "
            "a run can only be resumed with its own data; restore them, or start a new run"
        )


def changed_since(folder: RunFolder, dataset: Data) -> str | None:
    """Return a description of the changes of a data set since a run used it; ``None`` if there are none.

    Another data set, or other options of it, do not count as a change.
    """
    saved, now = _saved(folder), dataset.fingerprint
    if saved is None or any(saved.get(key) != now[key] for key in ("name", "options")):
        return None
    differences = changed_samples(saved, now, dataset.what)
    return f"the data have changed since {folder.path}: {'; '.join(differences)}" if differences else None


def trained_on(folder: RunFolder, dataset: Data) -> np.ndarray:
    """Return a mask of the test samples that a run was trained on, bool (N,).

    Samples are identified by size and first bytes; where these are unknown (folders of frames, more than
    20,000 samples), by name and size.
    """
    test, saved = dataset.fingerprint["test"], _saved(folder)
    known = saved["train"]["samples"] if saved else None
    if not known or test["samples"] is None:
        return np.zeros(test["count"], dtype=bool)
    # Labels are ignored: the classes may be numbered in another way.
    digests = {(key, size): digest for key, _, size, digest in known}
    contents = {(size, digest) for _, _, size, digest in known if digest}

    def was_seen(key: str, size: int, digest: str) -> bool:
        if (size, digest) in contents:
            return True
        named = digests.get((key, size))
        return named is not None and not (named and digest)

    return np.array([was_seen(key, size, digest) for key, _, size, digest in test["samples"]], dtype=bool)


def _saved(folder: RunFolder) -> dict[str, Any] | None:
    """Return the recorded data of a run; ``None`` for older runs, and for folders that are no runs."""
    if not os.path.isfile(folder.path / DATA):
        return None
    saved = folder.read_json(DATA)
    _SHAPE.check(saved, f"{folder.path / DATA}: broken")
    return saved  # type: ignore[no-any-return]
