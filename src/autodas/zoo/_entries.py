"""The published genotypes and their sources."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from autodas.errors import AutodasError, nearest
from autodas.genotype import Genotype
from autodas.spaces import validate

_ROOT = files("autodas.zoo")


@dataclass(frozen=True)
class ZooEntry:
    """Facts about one published architecture.

    Args:
        name: argument of :func:`load_zoo`.
        file: name of its file in the package.
        published_as: name given by its authors.
        space: cell space that it belongs to.
        source: authors, title and venue.
        arxiv: number of the preprint.
        note: caveats for comparisons; may be empty.
        published: for each data set that its authors report, ``error`` and ``top5_error`` in percent
            (with ``deviation`` if it is given), ``parameters`` and ``multiply_adds`` as printed.
    """

    name: str
    file: str
    published_as: str
    space: str | None
    source: str
    arxiv: str
    note: str
    published: Mapping[str, Mapping[str, float]]


@cache
def _sources() -> dict[str, dict[str, Any]]:
    text = _ROOT.joinpath("sources.json").read_text(encoding="utf-8")
    sources: dict[str, dict[str, Any]] = json.loads(text)
    return sources


def zoo_names() -> list[str]:
    """Return the names of the published architectures.

    Examples:
        >>> import autodas
        >>> autodas.zoo_names()[:3]
        ['darts_v1', 'darts_v2', 'pdarts']
    """
    return list(_sources())


def canonical(name: str) -> str:
    """Return a name in the spelling of :func:`zoo_names`.

    Raises:
        AutodasError: if the name is unknown; the message suggests the nearest.
    """
    spelled = name.strip().lower().replace("-", "_")
    if spelled not in _sources():
        raise AutodasError(f"unknown zoo architecture '{name}'{nearest(spelled, zoo_names())}")
    return spelled


def zoo_entry(name: str) -> ZooEntry:
    """Return the facts about a published architecture.

    Args:
        name: its name, in upper or lower case, with dashes or underscores.

    Raises:
        AutodasError: if the name is unknown; the message suggests the nearest.
    """
    name = canonical(name)
    source = _sources()[name]
    genotype = load_zoo(name)
    return ZooEntry(
        name=name,
        file=f"{name}.json",
        published_as=genotype.name,
        space=genotype.space,
        source=f"{source['authors']}: {source['title']}. {source['venue']}",
        arxiv=source["arxiv"],
        note=source["note"],
        published=source["published"],
    )


def load_zoo(name: str) -> Genotype:
    """Return a published genotype.

    Args:
        name: its name, in upper or lower case, with dashes or underscores.

    Raises:
        AutodasError: if the name is unknown; the message suggests the nearest.
    """
    name = canonical(name)
    text = _ROOT.joinpath("genotypes", f"{name}.json").read_text(encoding="utf-8")
    where = f"zoo {name}"
    return validate(Genotype.from_json(text, where), where)
