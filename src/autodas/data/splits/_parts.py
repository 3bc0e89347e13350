"""Splits in preparation: their samples, and those found unreadable."""

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
from autodas.data_options import DataOptions, TaskName
from autodas.errors import AutodasError, nearest

_SPLIT_SEED = 0
_TRAINING_SHARE = 0.8
_LISTED = 100
"""Maximum number of unreadable samples named in an error."""
S = TypeVar("S", bound=Named)


@dataclass(frozen=True)
class RawSplit(Generic[S]):
    """Undecoded samples with labels.

    Args:
        source: source of the samples.
        labels: as in :class:`~autodas.data.splits._split.Split`.
        keys: names of the samples that are independent of other samples, such as their paths in the data set;
            splits are derived from them. ``None`` if samples are only identified by their position.
        columns: columns of the list or table of the samples, for groups.
    """

    source: S
    labels: np.ndarray
    keys: Sequence[str] | None = None
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class RawDataset(Generic[S]):
    """Data set as provided by its kind.

    Args:
        train: samples to train with; ``None`` if there are only test samples.
        test: samples to test with; ``None`` if there is no test split: then ``train`` is split 80/20.
        classes: name of each class, or of each number.
        augmentation: default for these data; ``None`` for the usual one.
        fixed: image size and channels if they are known, so that no headers must be read.
        notes: notes for the user on how the data were read.
        refusal: reason why these data cannot be used for training, unless the user chooses classes; they can
            be used for an evaluation.
        task: what the labels are.
    """

    train: RawSplit[S] | None
    test: RawSplit[S] | None
    classes: tuple[str, ...]
    augmentation: Augmentation | None = None
    fixed: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()
    refusal: str | None = None
    task: TaskName = "classification"


class RawVideos(RawDataset[FrameSource]):
    """Set of videos as provided by its kind."""


@dataclass
class Part(Generic[S]):
    """Split in preparation: a selection of a source's samples.

    Args:
        source: source of the samples.
        selection: int64 (N,), their indices in the source.
        labels, keys, groups: of the samples; see :class:`Split`.
    """

    source: S
    selection: np.ndarray
    labels: np.ndarray
    keys: Sequence[str] | None = None
    groups: Sequence[str] | None = None

    @classmethod
    def of(cls, name: str, split: RawSplit[S], groups: str | None) -> Part[S]:
        """Return all samples of a split; ``groups`` defines which of them belong together."""
        return cls(
            split.source,
            np.arange(len(split.labels)),
            np.asarray(split.labels, dtype=np.int64 if split.labels.ndim == 1 else None),
            split.keys,
            None if groups is None else groups_of(name, groups, split.keys, split.columns),
        )

    def drop(self, bad: Iterable[int]) -> None:
        """Drop samples, by their index in the part."""
        keep = np.ones(len(self.selection), dtype=bool)
        keep[list(bad)] = False
        self.keep(keep)

    def keep(self, chosen: np.ndarray) -> None:
        """Keep only some samples, by their indices or a mask."""
        places = np.arange(len(self.labels))[chosen].tolist()
        self.selection, self.labels = self.selection[places], self.labels[places]
        self.keys = None if self.keys is None else [self.keys[place] for place in places]
        self.groups = None if self.groups is None else [self.groups[place] for place in places]

    def some(self, chosen: np.ndarray) -> Part[S]:
        """Return some of the samples as a separate part."""
        part = replace(self)
        part.keep(chosen)
        return part


@dataclass
class Bad:
    """Unreadable samples, and their maximum number.

    Args:
        name: name of the data set, for messages.
        what: noun for the samples.
        total: number of samples.
        share: share of them, in [0, 1], that may be bad; at least one may, unless it is 0.
    """

    name: str
    what: str
    total: int
    share: float
    found: list[str] = field(default_factory=list)

    @property
    def allowed(self) -> int:
        """Maximum number of bad samples."""
        return max(1, math.ceil(self.share * self.total)) if self.share > 0 else 0

    def check(self) -> None:
        """Raise AutodasError if too many are bad."""
        bad = self.found
        if len(bad) <= self.allowed:
            return
        listed = "; ".join(bad[:_LISTED]) + (f"; and {len(bad) - _LISTED} more" if len(bad) > _LISTED else "")
        # Two digits, rounded up: the value in the message must suffice.
        enough = f"{math.ceil(100 * len(bad) / self.total) / 100:g}"
        raise AutodasError(
            f"{self.name}: {len(bad)} of {self.total} {self.what} cannot be read, {self.allowed} are allowed "
            f"({listed}): repair or remove them, or allow more with `data.max_bad={enough}`"
        )


def split_parts(
    name: str, raw: RawDataset[S], what: str, options: DataOptions, *, seed: int = 0
) -> tuple[Part[S], Part[S], tuple[str, ...]]:
    """Return the training part, the test part and the classes.

    The training part is empty if the data have none: then they are only evaluated.

    Args:
        name: name of the data set, for messages.
        raw: the data.
        what: noun for the samples.
        options: ``classes``, ``subset`` and ``groups`` define which samples are used and how they are split.
        seed: seed of the choice of the subset.
    """
    if raw.train is None:
        assert raw.test is not None
        test = Part.of(name, raw.test, None)
        if raw.task in ("classification", "embedding"):
            test.keep(_first(test.labels) >= 0)
        return test.some(np.zeros(0, dtype=np.int64)), test, raw.classes
    for where, split in (("training", raw.train), ("test", raw.test)):
        if split is not None:
            check_labels(name, split.labels, raw.classes, where, what)
    if raw.task in ("classification", "embedding") and len(raw.classes) < 2:
        raise AutodasError(f"{name}: at least two classes are needed, found {len(raw.classes)}")
    if raw.task == "regression" and options.classes:
        raise AutodasError(f"{name}: `data.classes` is for classes, but the task is regression: omit it")
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
    if raw.task == "embedding":
        for part in (train, test):
            part.keep(_first(part.labels) >= 0)
    elif options.classes:
        only = _only if raw.task == "classification" else _only_labels
        names = only(name, (train, test), names, options.classes, what)
    if options.subset is not None:
        train.keep(stratified_subset(train.labels, options.subset, seed, keys=train.keys, what=what))
    if raw.task != "classification":
        _check_answers(name, train.labels, names, raw.task, what)
    return train, test, names


def check_classes(
    name: str, labels: np.ndarray, classes: tuple[str, ...], before: np.ndarray, what: str
) -> None:
    """Raise AutodasError if a class has no training sample left, given the labels before."""
    lost = np.setdiff1d(before, labels)
    if labels.ndim == 1 and len(lost):
        raise AutodasError(
            f"{name}: class '{classes[lost[0]]}' has no readable training {what[:-1]}: repair or remove it"
        )


def check_labels(name: str, labels: np.ndarray, classes: tuple[str, ...], where: str, what: str) -> None:
    """Raise AutodasError if there are no samples, or labels that are not those of a class."""
    if len(labels) == 0:
        raise AutodasError(f"{name}: there are no {where} {what}")
    if labels.ndim > 1:
        return
    low, high = labels.min(), labels.max()
    if low < 0 or high >= len(classes):
        label = low if low < 0 else high
        hint = " (is the split without labels?)" if low == -1 else ""
        raise AutodasError(
            f"{name}: labels out of range: {label} in the {where} {what}, but there are "
            f"{len(classes)} classes, numbered 0..{len(classes) - 1}{hint}"
        )


def _first(labels: np.ndarray) -> np.ndarray:
    """Return the class, or the identity, of each sample."""
    return labels if labels.ndim == 1 else labels[:, 0]


def _check_answers(name: str, labels: np.ndarray, names: tuple[str, ...], task: TaskName, what: str) -> None:
    """Raise AutodasError if there is nothing to learn: no label at all, or one number for all samples."""
    if task == "multilabel" and not labels.any():
        raise AutodasError(f"{name}: none of the {len(labels)} training {what} has a label")
    for number, column in enumerate(labels.T if task == "regression" else ()):
        if np.ptp(column) == 0:
            raise AutodasError(
                f"{name}: '{names[number]}' is {column[0]:g} for all {len(column)} training {what}: there is "
                "nothing to learn; leave the column out"
            )


def _only_labels(
    name: str, parts: Sequence[Part[Any]], known: tuple[str, ...], wanted: Sequence[str], what: str
) -> tuple[str, ...]:
    """Keep all samples in parts, but of their labels only the given ones, in the order of the data set."""
    _check_known(name, wanted, known)
    kept = [label for label, one in enumerate(known) if one in wanted]
    for part in parts:
        part.labels = part.labels[:, kept]
    return tuple(known[label] for label in kept)


def _check_known(name: str, wanted: Sequence[str], known: tuple[str, ...]) -> None:
    for one in wanted:
        if one not in known:
            raise AutodasError(f"{name}: unknown class '{one}'{nearest(one, list(known))}")


def _only(
    name: str, parts: Sequence[Part[Any]], known: tuple[str, ...], wanted: Sequence[str], what: str
) -> tuple[str, ...]:
    """Keep only the samples of the given classes in parts, numbered in the order of the data set."""
    _check_known(name, wanted, known)
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
