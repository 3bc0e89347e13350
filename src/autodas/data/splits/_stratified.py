"""Splits with every class on both sides, in which samples keep their side if others are added or removed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from autodas.data.augmentation._random import SPLIT, permutation
from autodas.data.splits._strata import strata_of
from autodas.errors import AutodasError


def stratified_halves(
    labels: np.ndarray,
    fraction: float,
    seed: int,
    *,
    keys: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    use: str = "",
    classes: Sequence[str] | None = None,
    what: str = "images",
) -> tuple[np.ndarray, np.ndarray]:
    """Split samples into two parts that both contain every class.

    With ``keys`` a sample is in the first part if the hash of its key is below ``fraction`` of the range of
    hashes. So it keeps its side when other samples are added or removed; the first part contains ``fraction``
    of the samples up to random variation (a class of n has ``fraction * n``, with a standard deviation of
    ``sqrt(fraction * (1 - fraction) * n)``). Only if a class would be on one side alone, or have less than
    two samples on the larger side, the samples with the nearest hashes change sides. With ``groups`` the same
    applies to whole groups.

    Without either, classes are divided by the positions of the samples: exactly in proportion, and the first
    part has ``floor(fraction * N)`` samples unless one part would then lack a class.

    Samples with several labels, or numbers, are divided by their strata (:func:`strata_of`) in place of
    classes; a stratum that is not on both sides is no error.

    Args:
        labels: integers (N,), the class of each sample; or answers (N, K) as in :func:`strata_of`.
        fraction: share of the first part, in (0, 1).
        seed: any integer; the parts are a function of the arguments.
        keys: names of the samples that are independent of other samples, such as their paths in the data set.
        groups: name of the group of each sample; samples of a group are on one side.
        use: purpose of the split; splits for different purposes are independent of each other.
        classes: names of the classes, for messages.
        what: noun for the samples in messages.

    Returns:
        Two sorted arrays of indices, int64.

    Raises:
        AutodasError: if a class has only one sample, or one group, or the fraction is not in (0, 1).
    """
    if not 0 < fraction < 1:
        raise AutodasError(f"a split needs a fraction between 0 and 1, found {fraction}")
    names = keys if groups is None else groups
    units = "groups" if groups is not None else what
    each = labels.ndim == 1
    if not each:
        if len(labels if names is None else set(names)) < 2:
            raise AutodasError(f"a split needs at least 2 {units}: add {what}")
        labels = strata_of(labels, names)
    if names is not None:
        first = _below(labels, names, fraction, f"{use} {seed}", units, what, classes, each)
        return np.flatnonzero(first), np.flatnonzero(~first)
    values, counts = np.unique(labels, return_counts=True)
    for value, count in zip(values, counts, strict=True):
        if count < 2:
            raise AutodasError(_too_few(value, what, what, classes))
    sizes = _apportion(counts, int(fraction * len(labels) + 1e-9), np.ones_like(counts), counts - 1)
    chosen = _draw(labels, values, sizes, permutation(len(labels), SPLIT, seed, 0).numpy())
    return chosen, np.setdiff1d(np.arange(len(labels)), chosen)


def stratified_subset(
    labels: np.ndarray, size: int, seed: int, *, keys: Sequence[str] | None = None, what: str = "images"
) -> np.ndarray:
    """Choose samples so that classes keep their proportions, with at least 2 per class.

    Args:
        labels: integers (N,), the class of each sample; or answers (N, K) as in :func:`strata_of`.
        size: number of samples; N or more means all.
        seed: any integer.
        keys: names of the samples that are independent of other samples: those with the smallest hashes are
            chosen, so that adding or removing a few samples changes little. Without keys their positions
            decide.
        what: noun for the samples in messages.

    Returns:
        Sorted indices, int64.

    Raises:
        AutodasError: if ``size`` is less than 2 per class.
    """
    if size >= len(labels):
        return np.arange(len(labels))
    units = "classes"
    if labels.ndim > 1:
        labels, units = strata_of(labels), "strata"
    values, counts = np.unique(labels, return_counts=True)
    least = np.minimum(counts, 2)
    if size < least.sum():
        raise AutodasError(
            f"a subset of {size} {what} is too small: {len(values)} {units} need at least {least.sum()} "
            f"(2 per {'class' if units == 'classes' else 'stratum'})"
        )
    if keys is None:
        order = permutation(len(labels), SPLIT, seed, 0).numpy()
    else:
        order = np.argsort(_hashes(keys, f"subset {seed}"), kind="stable")
    return _draw(labels, values, _apportion(counts, size, least, counts), order)


def _below(
    labels: np.ndarray,
    names: Sequence[str],
    fraction: float,
    salt: str,
    units: str,
    what: str,
    classes: Sequence[str] | None,
    each: bool,
) -> np.ndarray:
    """Return the mask of the samples in the first part, bool (N,), by the hashes of their names.

    ``each``: whether it is an error if some class is on one side only.
    """
    numbers: dict[str, int] = {}
    members = np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)
    hashes = _hashes(list(numbers), salt)
    first = hashes < np.uint64(int(fraction * 2**64))
    # Units (samples, or groups) of each class.
    pairs = np.unique(labels.astype(np.int64) * len(numbers) + members)
    of_class, of_unit = np.divmod(pairs, len(numbers))
    values, counts = np.unique(of_class, return_counts=True)
    if counts.min() < 2:
        raise AutodasError(_too_few(values[counts.argmin()], units, what, classes))
    one, two = np.ones_like(counts), np.minimum(2, counts - 1)
    least = {True: two if fraction > 0.5 else one, False: two if fraction < 0.5 else one}
    place = np.searchsorted(values, of_class)

    def held(side: bool) -> np.ndarray:
        return np.bincount(place, weights=first[of_unit] == side, minlength=len(values)).astype(np.int64)

    for side in (True, False):
        for lacking in np.flatnonzero(held(side) < least[side]):
            candidates = of_unit[(place == lacking) & (first[of_unit] != side)]
            # Those nearest to the border first.
            order = np.argsort(hashes[candidates])[:: 1 if side else -1]
            for unit in candidates[order]:
                if held(side)[lacking] >= least[side][lacking]:
                    break
                touched = place[of_unit == unit]
                if (held(not side)[touched] > least[not side][touched]).all():
                    first[unit] = side
            if each and not held(side)[lacking]:
                raise AutodasError(
                    f"the {units} cannot be split so that class {_named(values[lacking], classes)} is on "
                    f"both sides: most of its {what} are in one group"
                )
    if first.all() or not first.any():
        raise AutodasError(f"the {units} cannot be split: most of the {what} are in one group")
    chosen: np.ndarray = first[members]
    return chosen


def _hashes(names: Sequence[str], salt: str) -> np.ndarray:
    """Return a hash of each name, uint64, the same on every machine."""
    start = hashlib.blake2b(salt.encode() + b"\0", digest_size=8)
    hashes = np.empty(len(names), dtype=np.uint64)
    for number, name in enumerate(names):
        own = start.copy()
        # File names need not be valid UTF-8.
        own.update(name.encode("utf-8", "surrogateescape"))
        hashes[number] = int.from_bytes(own.digest(), "big")
    return hashes


def _named(value: int, classes: Sequence[str] | None) -> str:
    return f"'{classes[value]}'" if classes is not None else str(value)


def _too_few(value: int, units: str, what: str, classes: Sequence[str] | None) -> str:
    unit = units.removesuffix("s")
    of = f" of {what}" if units != what else ""
    return (
        f"class {_named(value, classes)} has one {unit}{of}, but a split needs at least 2 {units} per class: "
        f"add {what} or remove the class"
    )


def _apportion(counts: np.ndarray, total: int, least: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Divide ``total`` among classes in proportion to ``counts``, by largest remainder, within bounds."""
    # Integers only: the shares must not depend on how a machine rounds.
    shares = counts * total
    sizes: np.ndarray = np.clip(shares // counts.sum(), least, most)
    remainders = shares - sizes * counts.sum()
    while sizes.sum() != total:
        step = 1 if sizes.sum() < total else -1
        room = sizes < most if step > 0 else sizes > least
        if not room.any():
            break
        chosen = np.flatnonzero(room)[np.argmax((step * remainders)[room])]
        sizes[chosen] += step
        remainders[chosen] -= step * counts.sum()
    return sizes


def _draw(labels: np.ndarray, values: np.ndarray, sizes: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return the first ``sizes`` samples of each class in the given order, sorted."""
    chosen = np.zeros(len(labels), dtype=bool)
    for value, size in zip(values, sizes, strict=True):
        chosen[order[labels[order] == value][:size]] = True
    return np.flatnonzero(chosen)
