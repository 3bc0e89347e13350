"""Stratified splits: every class in every part, the same parts for the same seed everywhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autodas.data._random import SPLIT, permutation
from autodas.errors import AutodasError


def stratified_halves(
    labels: np.ndarray, fraction: float, seed: int, *, classes: Sequence[str] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Split samples in two parts that both hold every class, in proportion.

    Args:
        labels: integers (N,), the class of each sample.
        fraction: share of the first part, in (0, 1). The first part has ``floor(fraction * N)``
            samples unless that would leave a class out of one part.
        seed: any integer; the parts are a function of labels, fraction and seed.
        classes: names of the classes, for the error message.

    Returns:
        Two sorted arrays of indices, int64.

    Raises:
        AutodasError: if a class has only one sample, or the fraction is not in (0, 1).
    """
    if not 0 < fraction < 1:
        raise AutodasError(f"a split needs a fraction between 0 and 1, found {fraction}")
    values, counts = np.unique(labels, return_counts=True)
    for value, count in zip(values, counts, strict=True):
        if count < 2:
            name = f"'{classes[value]}'" if classes is not None else str(value)
            raise AutodasError(
                f"class {name} has one image, but a split needs at least 2 images a class: "
                "add images or remove the class"
            )
    sizes = _apportion(counts, int(fraction * len(labels) + 1e-9), np.ones_like(counts), counts - 1)
    first = _draw(labels, values, sizes, seed)
    second = np.setdiff1d(np.arange(len(labels)), first)
    return first, second


def stratified_subset(labels: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Choose samples so that classes keep their proportions, with at least 2 a class.

    Args:
        labels: integers (N,).
        size: number of samples; N or more means all.
        seed: any integer.

    Returns:
        Sorted indices, int64.

    Raises:
        AutodasError: if ``size`` is less than 2 a class.
    """
    if size >= len(labels):
        return np.arange(len(labels))
    values, counts = np.unique(labels, return_counts=True)
    least = np.minimum(counts, 2)
    if size < least.sum():
        raise AutodasError(
            f"a subset of {size} images is too small: {len(values)} classes need at least {least.sum()} "
            "(2 a class)"
        )
    return _draw(labels, values, _apportion(counts, size, least, counts), seed)


def _apportion(counts: np.ndarray, total: int, least: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Share ``total`` among classes in proportion to ``counts``, by largest remainder, within bounds."""
    # Whole numbers only: the shares must not depend on how a machine rounds.
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


def _draw(labels: np.ndarray, values: np.ndarray, sizes: np.ndarray, seed: int) -> np.ndarray:
    order = permutation(len(labels), SPLIT, seed, 0).numpy()
    chosen = np.zeros(len(labels), dtype=bool)
    for value, size in zip(values, sizes, strict=True):
        chosen[order[labels[order] == value][:size]] = True
    return np.flatnonzero(chosen)
