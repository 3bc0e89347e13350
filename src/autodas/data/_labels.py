"""From the labels that people store to class numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autodas.errors import AutodasError


def number_labels(
    where: str, train: np.ndarray, test: np.ndarray | None, names: Sequence[str] | None
) -> tuple[tuple[np.ndarray, np.ndarray | None], tuple[str, ...]]:
    """Return the class numbers of both splits and the names of the classes.

    Whole numbers with given names are taken as they are. Without names, the classes are the different
    labels of the training images, in ascending order: numbers or text.

    Args:
        where: what messages name.
        train, test: labels, (N,).
        names: class names, if known.

    Raises:
        AutodasError: if labels are neither whole numbers nor text, or a test label is unknown.
    """
    splits = [train] if test is None else [train, test]
    for values in splits:
        if values.ndim != 1 or values.dtype.kind not in "iuOUST":
            raise AutodasError(
                f"{where}: one whole number or text a label is expected, found {values.dtype} of shape "
                f"{values.shape}"
            )
    numeric = all(values.dtype.kind in "iu" for values in splits)
    if numeric and names is not None:
        return _pair([values.astype(np.int64) for values in splits]), tuple(str(n) for n in names)
    if numeric and any((values < 0).any() for values in splits):
        raise AutodasError(f"{where}: labels out of range: a negative label (is a split without labels?)")
    texts = splits if numeric else [np.array([str(v) for v in values]) for values in splits]
    known = np.unique(texts[0]) if names is None else np.array([str(n) for n in names])
    numbers = []
    for values in texts:
        unknown = np.setdiff1d(values, known)
        if len(unknown):
            raise AutodasError(f"{where}: label '{unknown[0]}' is not one of the {len(known)} classes")
        order = np.argsort(known, kind="stable")
        numbers.append(order[np.searchsorted(known[order], values)].astype(np.int64))
    return _pair(numbers), tuple(str(k) for k in known)


def _pair(values: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray | None]:
    return values[0], values[1] if len(values) > 1 else None
