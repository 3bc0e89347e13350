"""Strata of samples that have several labels, or targets that are numbers, in place of one class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

BINS = 10
"""Number of strata of equally many samples, in the order of a target; fewer if they would be very small."""


def strata_of(labels: np.ndarray, names: Sequence[str] | None = None) -> np.ndarray:
    """Return the stratum of each sample, by which both parts of a split get their share of all answers.

    The stratum of a sample with several labels is its rarest one, so that a rare label is divided before the
    frequent ones that come with it; samples without labels are a stratum of their own. Of targets, each tenth
    of the samples in the order of the first target is a stratum. Strata that cannot be divided join the
    largest one.

    The stratum of a sample of an identity is the identity.

    Args:
        labels: uint8 (N, K), 1 for each label of a sample; or float64 (N, D), its targets; or int64 (N, 3),
            its identity first.
        names: what cannot be divided: the name of each sample, or of its group; by default the samples.

    Returns:
        int64 (N,).
    """
    if labels.dtype == np.int64:
        strata = labels[:, 0].copy()
    else:
        strata = _rarest(labels) if labels.dtype == np.uint8 else _bins(labels[:, 0])
    units = np.arange(len(labels)) if names is None else np.unique(names, return_inverse=True)[1]
    pairs = np.unique(np.stack([strata, units]), axis=1)
    values, counts = np.unique(pairs[0], return_counts=True)
    if len(values):
        strata[np.isin(strata, values[counts < 2])] = values[counts.argmax()]
    return strata


def _rarest(labels: np.ndarray) -> np.ndarray:
    """Return the rarest label of each sample, K for none."""
    counts = labels.sum(0, dtype=np.int64)
    never = len(labels) + 1
    among = np.where(labels > 0, counts, never)
    # Of equally rare labels the first one.
    rarest = among.argmin(1) if labels.shape[1] else np.zeros(len(labels), np.int64)
    return np.where(labels.any(1), rarest, labels.shape[1]).astype(np.int64)


def _bins(numbers: np.ndarray) -> np.ndarray:
    ranks = np.empty(len(numbers), dtype=np.int64)
    ranks[np.argsort(numbers, kind="stable")] = np.arange(len(numbers))
    bins = max(1, min(BINS, len(numbers) // 10))
    strata: np.ndarray = ranks * bins // max(1, len(numbers))
    return strata
