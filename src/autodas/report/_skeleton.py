"""Skeleton of the network of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autodas.errors import AutodasError
from autodas.runs.reading import read_run
from autodas.spaces import Skeleton, get_skeleton, get_space


def skeleton_of_run(folder: str | Path) -> Skeleton | None:
    """Return the skeleton of a run: that of the space of a search, or of a trained network.

    Args:
        folder: run folder; ``None`` is returned if it is not one, or does not name a skeleton.
    """
    try:
        settings = read_run(folder).settings
    except AutodasError:
        return None
    for key, find in (("skeleton", get_skeleton), ("space", lambda name: get_space(name).skeleton)):
        facts = settings.get(key)
        if isinstance(facts, dict) and isinstance(facts.get("name"), str):
            return find(facts["name"]).with_size(*(_size(facts, name) for name in ("K", "C1", "C2")))
    return None


def _size(facts: dict[str, Any], name: str) -> int | None:
    size = facts.get(name)
    return size if isinstance(size, int) else None
