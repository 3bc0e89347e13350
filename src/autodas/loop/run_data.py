"""The data of a run: ``data.json`` remembers them, and says whether others are the same."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from autodas.data import FINGERPRINT, ImageDataset, changed_samples, changes
from autodas.errors import AutodasError
from autodas.reading import TEXT, Fields, Items
from autodas.runs.folder import DATA, RunFolder

_SHAPE = Fields({**FINGERPRINT.required, "notes": Items(TEXT)})


def write_data(folder: RunFolder, dataset: ImageDataset) -> None:
    """Write the fingerprint of the data, what was left out, and what there is to know of them."""
    facts = {**dataset.fingerprint, "bad": list(dataset.bad), "notes": list(dataset.notes)}
    folder.write(DATA, json.dumps(facts) + "\n")


def notes_of_run(folder: Path) -> list[str]:
    """Return what a run says of its data."""
    saved = _saved(RunFolder(folder)) or {}
    return list(saved.get("notes", ()))


def check_same_data(folder: RunFolder, dataset: ImageDataset) -> None:
    """Check that a run can go on with these data.

    Raises:
        AutodasError: if they are not those that it was started with; the message names what has changed.
    """
    saved = _saved(folder)
    found = [] if saved is None else changes(saved, dataset.fingerprint, dataset.what)
    if found:
        raise AutodasError(
            f"{folder.path}: the data have changed since this run was started ({'; '.join(found)}): a run "
            "can only be continued with its own data; restore them, or start a new run"
        )


def changed_since(folder: RunFolder, dataset: ImageDataset) -> str | None:
    """Return in words what has changed in a data set since a run used it; ``None`` if nothing has.

    Other data, or other parts of them, are no change.
    """
    saved, now = _saved(folder), dataset.fingerprint
    if saved is None or any(saved.get(key) != now[key] for key in ("name", "options")):
        return None
    found = changed_samples(saved, now, dataset.what)
    return f"the data have changed since {folder.path}: {'; '.join(found)}" if found else None


def trained_on(folder: RunFolder, dataset: ImageDataset) -> np.ndarray:
    """Return which of the test samples a run was trained on, bool (N,).

    They have the same size and beginning; where these are not known (folders of frames, more than 20,000
    samples), the same name and size.
    """
    test, saved = dataset.fingerprint["test"], _saved(folder)
    known = saved["train"]["samples"] if saved else None
    if not known or test["samples"] is None:
        return np.zeros(test["count"], dtype=bool)
    # Labels are left out: the classes may be numbered in another way.
    digests = {(key, size): digest for key, _, size, digest in known}
    contents = {(size, digest) for _, _, size, digest in known if digest}

    def was_seen(key: str, size: int, digest: str) -> bool:
        if (size, digest) in contents:
            return True
        named = digests.get((key, size))
        return named is not None and not (named and digest)

    return np.array([was_seen(key, size, digest) for key, _, size, digest in test["samples"]], dtype=bool)


def _saved(folder: RunFolder) -> dict[str, Any] | None:
    """Return what a run remembers; ``None`` where it is older than that, or no run."""
    if not os.path.isfile(folder.path / DATA):
        return None
    found = folder.read_json(DATA)
    _SHAPE.check(found, f"{folder.path / DATA}: broken")
    return found  # type: ignore[no-any-return]
