"""Splits on their way: which samples are in them, which of those turned out to be bad."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import numpy as np

from autodas.data.augmentation._augmentation import Augmentation
from autodas.data.frames._sources import FrameSource
from autodas.data.splits._groups import groups_of
from autodas.data.splits._split import Named
from autodas.data.splits._stratified import stratified_halves, stratified_subset
from autodas.data_options import DataOptions
from autodas.errors import AutodasError, nearest

_SPLIT_SEED = 0
_TRAINING_SHARE = 0.8
_LISTED = 100
"""How many unreadable samples an error names."""
S = TypeVar("S", bound=Named)


@dataclass(frozen=True)
class RawSplit(Generic[S]):
    """Undecoded samples with labels.

    Args:
        source: what they are read from.
        labels: int64 (N,).
        keys: what each sample is called whatever lies beside it, such as its path in the data set; splits
            follow from it. ``None`` where only its place tells it from others.
        columns: of the list or table that the samples come from, for groups.
    """

    source: S
    labels: np.ndarray
    keys: Sequence[str] | None = None
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class RawDataset(Generic[S]):
    """What one kind of data set has to provide.

    Args:
        train: samples to train with; ``None`` if there are only test samples.
        test: ``None`` if the data have no split of their own: then ``train`` is split 80/20.
        classes: name of each label.
        augmentation: default for these data; ``None`` for the usual one.
        fixed: image size and channels where they are known, so that no headers have to be read.
        notes: what a user should know of how the data were read.
        refusal: why these data cannot be trained with as they are, unless the user chooses classes; an
            evaluation takes them.
    """

    train: RawSplit[S] | None
    test: RawSplit[S] | None
    classes: tuple[str, ...]
    augmentation: Augmentation | None = None
    fixed: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()
    refusal: str | None = None


class RawVideos(RawDataset[FrameSource]):
    """What one kind of video set has to provide."""


@dataclass
class Part(Generic[S]):
    """A split on its way: which samples of the source are in it.

    Args:
        source: what samples are read from.
        selection: int64 (N,), their numbers in the source.
        labels: int64 (N,).
        keys, groups: of the samples; see :class:`Split`.
    """

    source: S
    selection: np.ndarray
    labels: np.ndarray
    keys: Sequence[str] | None = None
    groups: Sequence[str] | None = None

    @classmethod
    def of(cls, name: str, split: RawSplit[S], groups: str | None) -> Part[S]:
        """Return all samples of a split; ``groups`` says which of them belong together."""
        return cls(
            split.source,
            np.arange(len(split.labels)),
            np.asarray(split.labels, dtype=np.int64),
            split.keys,
            None if groups is None else groups_of(name, groups, split.keys, split.columns),
        )

    def drop(self, bad: Iterable[int]) -> None:
        """Leave out samples, by their place in the part."""
        keep = np.ones(len(self.selection), dtype=bool)
        keep[list(bad)] = False
        self.keep(keep)

    def keep(self, chosen: np.ndarray) -> None:
        """Keep only some, by their places or by a mask."""
        places = np.arange(len(self.labels))[chosen].tolist()
        self.selection, self.labels = self.selection[places], self.labels[places]
        self.keys = None if self.keys is None else [self.keys[place] for place in places]
        self.groups = None if self.groups is None else [self.groups[place] for place in places]

    def some(self, chosen: np.ndarray) -> Part[S]:
        """Return some of the samples as a part of their own."""
        part = replace(self)
        part.keep(chosen)
        return part


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
        listed = "; ".join(bad[:_LISTED]) + (f"; and {len(bad) - _LISTED} more" if len(bad) > _LISTED else "")
        # Two digits, rounded up: the value that is named must suffice.
        enough = f"{math.ceil(100 * len(bad) / self.total) / 100:g}"
        raise AutodasError(
            f"{self.name}: {len(bad)} of {self.total} {self.what} cannot be read, {self.allowed} are allowed "
            f"({listed}): repair or remove them, or allow more with max_bad={enough} "
            f"(of commands: --data.max_bad {enough})"
        )


def split_parts(
    name: str, raw: RawDataset[S], what: str, options: DataOptions, *, seed: int = 0
) -> tuple[Part[S], Part[S], tuple[str, ...]]:
    """Return the training part, the test part and the classes.

    The training part is empty where the data have none: they are only evaluated then.

    Args:
        name: of the data set, for messages.
        raw: the data.
        what: what the samples are called.
        options: ``classes``, ``subset`` and ``groups`` say which samples are used and how they are split.
        seed: chooses the subset.
    """
    if raw.train is None:
        assert raw.test is not None
        test = Part.of(name, raw.test, None)
        test.keep(test.labels >= 0)
        return test.some(np.zeros(0, dtype=np.int64)), test, raw.classes
    for where, split in (("training", raw.train), ("test", raw.test)):
        if split is not None:
            check_labels(name, split.labels, raw.classes, where, what)
    if len(raw.classes) < 2:
        raise AutodasError(f"{name}: at least two classes are needed, found {len(raw.classes)}")
    train, names = Part.of(name, raw.train, options.groups), raw.classes
    if raw.test is not None:
        test = Part.of(name, raw.test, options.groups)
    else:
        try:
            halves = stratified_halves(
                train.labels,
                _TRAINING_SHARE,
                _SPLIT_SEED,
                keys=train.keys,
                groups=train.groups,
                use="train and test",
                classes=names,
                what=what,
            )
        except AutodasError as error:
            raise AutodasError(f"{name}: {error}") from error
        train, test = (train.some(half) for half in halves)
    if options.classes:
        names = _only(name, (train, test), names, options.classes, what)
    if options.subset is not None:
        train.keep(stratified_subset(train.labels, options.subset, seed, keys=train.keys, what=what))
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


def check_labels(name: str, labels: np.ndarray, classes: tuple[str, ...], where: str, what: str) -> None:
    """Raise AutodasError if there are no samples, or labels that are no class."""
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
    empty = np.setdiff1d(np.arange(len(kept)), parts[0].labels)
    if len(empty):
        raise AutodasError(f"{name}: class '{known[kept[empty[0]]]}' has no training {what}")
    return tuple(known[label] for label in kept)
