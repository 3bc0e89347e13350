"""Samplers: the order of the samples of an epoch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from autodas.data.augmentation._random import ORDER, integers, permutation, sample_keys

Sampler = Callable[[np.ndarray, int, int], Tensor]
"""Function from the labels of a loader's samples, a seed and an epoch to the places of the samples of that
epoch, in their order: int64, as many as there are labels. It depends on nothing else."""

_CLASS, _MEMBER = range(2)


def each_once(labels: np.ndarray, seed: int, epoch: int) -> Tensor:
    """Return every place once, in random order."""
    return permutation(len(labels), ORDER, seed, epoch)


def balanced(labels: np.ndarray, seed: int, epoch: int) -> Tensor:
    """Return places drawn with replacement, such that each class is drawn equally often.

    A sample of class c is drawn with probability :math:`1 / (k n_c)`, with k classes, of which c has
    :math:`n_c` samples: first the class is drawn, then one of its samples.

    Args:
        labels: integers (N,), the class of each sample.
        seed: any integer.
        epoch: at least 0.
    """
    _, members, counts = np.unique(labels, return_inverse=True, return_counts=True)
    keys = sample_keys(ORDER, seed, epoch, torch.arange(len(labels)))
    drawn = integers(keys, _CLASS, len(counts))
    sizes, first = torch.from_numpy(counts), torch.from_numpy(np.cumsum(counts) - counts)
    of_class = torch.from_numpy(np.argsort(members, kind="stable"))
    return of_class[first[drawn] + integers(keys, _MEMBER, sizes[drawn])]


def repeats(places: Tensor) -> Tensor:
    """Return how many times the sample at each position has been drawn before, int64."""
    order = torch.argsort(places, stable=True)
    ordered = places[order]
    starts = torch.searchsorted(ordered, ordered)
    found = torch.empty_like(places)
    found[order] = torch.arange(len(places)) - starts
    return found
