"""Fingerprints of data, recorded by runs, and their differences."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

import numpy as np

from autodas.data.splits._split import Split
from autodas.data_options import DataOptions
from autodas.reading import MAPPING, TEXT, Fields, Is, Items, Optional, Row, Whole

_LISTED = 100_000
"""Splits of more samples are recorded as counts and a hash."""
_NAMED = 3
_HASHED_BYTES = 256 << 20
_TOLERANCE = 1e-3
_WORDS = {"train": "training", "test": "test"}
_STATISTICS = ("mean", "std")

_LABEL = Is((int, list), "a class, or a list of labels or targets")
_SAMPLES = Optional(Items(Row((TEXT, _LABEL, Whole(-1), TEXT))))
_SPLIT = Fields({"count": Whole(), "hash": TEXT, "samples": _SAMPLES})
FINGERPRINT = Fields(
    {
        "name": TEXT,
        "classes": Items(TEXT),
        "options": MAPPING,
        "pixels": MAPPING,
        **dict.fromkeys(_WORDS, _SPLIT),
    }
)
"""Shape of the result of :func:`fingerprint_of`."""


def fingerprint_of(
    name: str,
    classes: Sequence[str],
    options: DataOptions,
    seen: Mapping[str, Any],
    train: Split,
    test: Split,
) -> dict[str, Any]:
    """Return plain data that identify a data set.

    Args:
        name: name of the data set.
        classes: name of each label.
        options: options with which it was read.
        seen: facts about the network's input.
        train, test: its splits.

    Returns:
        ``name``, ``classes``, ``options`` (selection of samples), ``pixels`` (the network's input: channels,
        size, statistics, clips), ``train`` and ``test``. A split has ``count``, ``per_class``, ``hash`` of
        the following, and ``samples``, for each the name, the class (or the list of its labels, or of its
        targets), the size in bytes and a hash of its first bytes (see ``Content``); ``None`` if samples have
        no names, or are too many.
    """
    return {
        "name": name,
        "classes": list(classes),
        "options": {"classes": list(options.classes), "subset": options.subset},
        "pixels": {name: _plain(value) for name, value in seen.items()},
        "train": _of_split(train),
        "test": _of_split(test),
    }


def changes(saved: Mapping[str, Any], now: Mapping[str, Any], what: str) -> list[str]:
    """Return the differences between two fingerprints, in words; empty if they are equal.

    Args:
        saved: the older one.
        now: the newer one.
        what: noun for the samples.
    """
    differences = changed_samples(saved, now, what)
    # Other samples have other statistics: that is not a separate change.
    unseen = _STATISTICS if differences else ()
    for name, words in (("classes", "the classes"), ("pixels", "how they are read")):
        old, new = (_without(unseen, facts.get(name)) for facts in (saved, now))
        if not _same(old, new):
            differences.append(f"{words}: {_difference(old, new)}")
    return differences


def changed_samples(saved: Mapping[str, Any], now: Mapping[str, Any], what: str) -> list[str]:
    """Return the differences between the samples of two fingerprints; arguments as in :func:`changes`."""
    pairs = [(name, saved.get(name) or {}, now[name]) for name in _WORDS]
    if all(old.get("hash") == new["hash"] for _, old, new in pairs):
        return []
    if any(split.get("samples") is None for _, *both in pairs for split in both):
        return [
            f"the {_WORDS[name]} {what} ({old.get('count')} then, {new['count']} now)"
            for name, old, new in pairs
            if old.get("hash") != new["hash"]
        ]
    old, new = (
        [(name, *sample) for name, *both in pairs for sample in both[which]["samples"]] for which in (0, 1)
    )
    # Splits given as folders may have samples of the same name.
    twice = any(len({key for _, key, *_ in samples}) < len(samples) for samples in (old, new))
    before, after = (
        {f"{name}/{key}" if twice else key: (name, *facts) for name, key, *facts in samples}
        for samples in (old, new)
    )
    both = before.keys() & after.keys()
    kinds = (
        ("more", sorted(after.keys() - before.keys())),
        ("less", sorted(before.keys() - after.keys())),
        ("with another label", sorted(key for key in both if before[key][1] != after[key][1])),
        ("with other content", sorted(key for key in both if before[key][2:] != after[key][2:])),
        ("in the other split", sorted(key for key in both if before[key][0] != after[key][0])),
    )
    return [
        f"{len(keys)} {what if len(keys) != 1 else what.removesuffix('s')} {words}: {_some(keys)}"
        for words, keys in kinds
        if keys
    ] or [f"the order of the {what}"]


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return list(value) if isinstance(value, tuple) else value


def _of_split(split: Split) -> dict[str, Any]:
    labels = _plain_labels(split.labels)
    contents = split.contents
    facts: dict[str, Any] = {"count": len(labels)}
    if split.labels.ndim == 1:
        facts["per_class"] = _counts(labels)
    if split.keys is None:
        return facts | {"hash": _hash(labels, contents, split.stored_bytes(_HASHED_BYTES)), "samples": None}
    samples = [
        [key, label, *content] for key, label, content in zip(split.keys, labels, contents, strict=True)
    ]
    digest = _hash(samples)
    return facts | {"hash": digest, "samples": samples if len(samples) <= _LISTED else None}


def _plain_labels(labels: np.ndarray) -> list[Any]:
    """Return the class of each sample, or the list of its labels, or targets."""
    if labels.dtype == np.uint8 and labels.ndim > 1:
        return [np.flatnonzero(row).tolist() for row in labels]
    return labels.tolist()  # type: ignore[no-any-return]


def _counts(labels: Sequence[int]) -> list[int]:
    counts = Counter(labels)
    return [counts[label] for label in range(max(counts, default=-1) + 1)]


def _hash(*parts: Any) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(part.data)
        else:
            digest.update(repr(part).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        # Means may differ in the last digits between decoders.
        return abs(one - other) <= _TOLERANCE
    return bool(one == other)


def _without(names: Sequence[str], facts: Any) -> Any:
    return (
        {key: value for key, value in facts.items() if key not in names}
        if names and isinstance(facts, Mapping)
        else facts
    )


def _difference(one: Any, other: Any) -> str:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        alike = one.keys() & other.keys()
        key = next(k for k in {**other, **one} if k not in alike or not _same(one[k], other[k]))
        return f"{key} {one.get(key)} then, {other.get(key)} now"
    return f"{_some(one or ())} then, {_some(other)} now"


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(str, names[:_NAMED])) + (", ..." if len(names) > _NAMED else "")
