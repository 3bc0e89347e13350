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


def of_identities(samples: int) -> Sampler:
    """Return the sampler of groups of samples of one identity each (PK sampling; Hermans et al. 2017).

    With batches of P groups, each of P identities has so many samples in a batch. An epoch is a sequence of
    random orders of all identities. The samples of an identity follow each other in random order, again from
    the first one after the last; so those of an identity with fewer samples than a group are repeated.

    Args:
        samples: number K of samples in a group, at least 2.
    """

    def order(labels: np.ndarray, seed: int, epoch: int) -> Tensor:
        identities, members = np.unique(labels[:, 0], return_inverse=True)
        shuffled = permutation(len(labels), ORDER, seed, epoch).numpy()
        # The samples of each identity one after the other, in random order.
        by_identity = shuffled[np.argsort(members[shuffled], kind="stable")]
        counts = np.bincount(members)
        first = np.cumsum(counts) - counts
        groups = -(-len(labels) // samples)
        rounds = -(-groups // len(identities))
        draws = torch.arange(len(labels), len(labels) + rounds * len(identities))
        turns = sample_keys(ORDER, seed, epoch, draws).view(rounds, -1).argsort(1).flatten().numpy()[:groups]
        before = np.arange(groups) // len(identities)
        members_of = before[:, None] * samples + np.arange(samples)
        found = by_identity[first[turns, None] + members_of % counts[turns, None]]
        return torch.from_numpy(found.reshape(-1)[: len(labels)])

    return order


def repeats(places: Tensor) -> Tensor:
    """Return how many times the sample at each position has been drawn before, int64."""
    order = torch.argsort(places, stable=True)
    ordered = places[order]
    starts = torch.searchsorted(ordered, ordered)
    found = torch.empty_like(places)
    found[order] = torch.arange(len(places)) - starts
    return found
