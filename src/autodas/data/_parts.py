"""Splits on their way: which samples are in them, which of those turned out to be bad."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np

from autodas.data._augmentation import Augmentation
from autodas.data._split import Named
from autodas.data._splits import stratified_halves, stratified_subset
from autodas.data_options import DataOptions
from autodas.errors import AutodasError, nearest

_SPLIT_SEED = 0
S = TypeVar("S", bound=Named)


@dataclass(frozen=True)
class RawSplit(Generic[S]):
    """Undecoded samples with labels, int64 (N,)."""

    source: S
    labels: np.ndarray


@dataclass(frozen=True)
class RawDataset(Generic[S]):
    """What one kind of data set has to provide.

    Args:
        train: samples to train with.
        test: ``None`` if the data have no split of their own: then ``train`` is split 80/20.
        classes: name of each label.
        augmentation: default for these data; ``None`` for the usual one.
        fixed: image size and channels where they are known, so that no headers have to be read.
        notes: what a user should know of how the data were read.
    """

    train: RawSplit[S]
    test: RawSplit[S] | None
    classes: tuple[str, ...]
    augmentation: Augmentation | None = None
    fixed: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()


@dataclass
class Part(Generic[S]):
    """A split on its way: which samples of the source are in it."""

    source: S
    selection: np.ndarray
    labels: np.ndarray

    def drop(self, bad: Iterable[int]) -> None:
        """Leave out samples, by their place in the part."""
        keep = np.ones(len(self.selection), dtype=bool)
        keep[list(bad)] = False
        self.keep(keep)

    def keep(self, chosen: np.ndarray) -> None:
        """Keep only some, by their places or by a mask."""
        self.selection, self.labels = self.selection[chosen], self.labels[chosen]


@dataclass
class Bad:
    """The samples that cannot be read, and how many of them there may be.

    Args:
        name: of the data set, for messages.
        what: what the samples are called.
        total: how many samples there are.
        share: of them, in [0, 1], that may be bad; at least one may, unless it is 0.
    """

    name: str
    what: str
    total: int
    share: float
    found: list[str] = field(default_factory=list)

    @property
    def allowed(self) -> int:
        """How many may be bad."""
        return max(1, math.ceil(self.share * self.total)) if self.share > 0 else 0

    def check(self) -> None:
        """Raise AutodasError if too many are bad."""
        bad = self.found
        if len(bad) <= self.allowed:
            return
        first = "; ".join(bad[:3]) + ("; ..." if len(bad) > 3 else "")
        # Two digits, rounded up: the value that is named must suffice.
        enough = math.ceil(100 * len(bad) / self.total) / 100
        raise AutodasError(
            f"{self.name}: {len(bad)} of {self.total} {self.what} cannot be read, {self.allowed} are allowed "
            f"({first}): repair or remove them, or allow more with max_bad={enough:g}"
        )


def split_parts(
    name: str, raw: RawDataset[S], what: str, options: DataOptions, *, seed: int = 0
) -> tuple[Part[S], Part[S], tuple[str, ...]]:
    """Return the training part, the test part and the classes.

    Args:
        name: of the data set, for messages.
        raw: the data.
        what: what the samples are called.
        options: ``classes`` and ``subset`` say which samples are used.
        seed: chooses the subset.
    """
    for where, split in (("training", raw.train), ("test", raw.test)):
        if split is not None:
            _check_labels(name, split.labels, raw.classes, where, what)
    if len(raw.classes) < 2:
        raise AutodasError(f"{name}: at least two classes are needed, found {len(raw.classes)}")
    if raw.test is None:
        try:
            halves = stratified_halves(raw.train.labels, 0.8, _SPLIT_SEED, classes=raw.classes)
        except AutodasError as error:
            raise AutodasError(f"{name}: {error}") from error
        train, test = (Part(raw.train.source, half, raw.train.labels[half]) for half in halves)
    else:
        train, test = (
            Part(split.source, np.arange(len(split.labels)), np.asarray(split.labels, dtype=np.int64))
            for split in (raw.train, raw.test)
        )
    names = raw.classes
    if options.classes:
        names = _only(name, (train, test), names, options.classes, what)
    if options.subset is not None:
        train.keep(stratified_subset(train.labels, options.subset, seed))
    return train, test, names


def check_classes(
    name: str, labels: np.ndarray, classes: tuple[str, ...], before: np.ndarray, what: str
) -> None:
    """Raise AutodasError if a class has no training sample left."""
    lost = np.setdiff1d(before, labels)
    if len(lost):
        raise AutodasError(
            f"{name}: class '{classes[lost[0]]}' has no readable training {what[:-1]}: repair or remove it"
        )


def _check_labels(name: str, labels: np.ndarray, classes: tuple[str, ...], where: str, what: str) -> None:
    if len(labels) == 0:
        raise AutodasError(f"{name}: there are no {where} {what}")
    low, high = labels.min(), labels.max()
    if low < 0 or high >= len(classes):
        found = low if low < 0 else high
        hint = " (is the split without labels?)" if low == -1 else ""
        raise AutodasError(
            f"{name}: labels out of range: {found} in the {where} {what}, but there are "
            f"{len(classes)} classes, numbered 0..{len(classes) - 1}{hint}"
        )


def _only(
    name: str, parts: Sequence[Part[Any]], known: tuple[str, ...], wanted: Sequence[str], what: str
) -> tuple[str, ...]:
    """Leave only the samples of some classes in parts, numbered in the order of the data set."""
    for one in wanted:
        if one not in known:
            raise AutodasError(f"{name}: unknown class '{one}'{nearest(one, list(known))}")
    kept = [label for label, one in enumerate(known) if one in wanted]
    if len(kept) < 2:
        raise AutodasError(f"{name}: at least two classes are needed, found {len(kept)}")
    for part, where in zip(parts, ("training", "test"), strict=True):
        part.keep(np.isin(part.labels, kept))
        part.labels = np.searchsorted(np.array(kept), part.labels).astype(np.int64)
        if not len(part.labels):
            raise AutodasError(f"{name}: there are no {where} {what} of these classes")
    return tuple(known[label] for label in kept)
