"""Retrieval: how well the samples of an identity are found with one of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor
from torch.nn import functional as F

_TOGETHER = 1 << 24
"""Number of similarities that are computed at once."""
_QUERY, _GALLERY = 1, 2


class Ranks(NamedTuple):
    """Result of all queries that have something to find.

    Attributes:
        precisions: average precision of each query, float64 (Q,).
        firsts: rank of the first right sample, from 0, int64 (Q,).
        chances: share of the right samples in its gallery, float64 (Q,).
        places: place of each query among the samples, int64 (Q,).
    """

    precisions: np.ndarray
    firsts: np.ndarray
    chances: np.ndarray
    places: np.ndarray


def rank(vectors: Tensor, labels: Tensor) -> Ranks:
    r"""Search the gallery with each query, by the cosine of their vectors.

    The gallery of a query is without itself, and without the samples of its identity from its own camera, as
    in the protocol of Market-1501 (Zheng et al. 2015). The average precision is
    :math:`\frac{1}{R} \sum_{k} P(k)` over the ranks k of its R right samples, with the share P(k) of right
    ones among the first k. (The original program interpolates precision linearly.) Samples of equal
    similarity are ranked by their place.

    Args:
        vectors: float (N, D).
        labels: int64 (N, 3): identity, camera (-1 if unknown), and role: 0 for query and gallery, 1 for a
            query, 2 for the gallery.
    """
    identity, camera, role = labels.numpy().T
    unit = F.normalize(vectors.double(), dim=1)
    queries, gallery = np.flatnonzero(role != _GALLERY), np.flatnonzero(role != _QUERY)
    found: list[tuple[float, int, float, int]] = []
    together = max(1, _TOGETHER // max(1, len(gallery)))
    for start in range(0, len(queries), together):
        some = queries[start : start + together]
        similarities = (unit[some] @ unit[gallery].T).numpy()
        orders = np.argsort(-similarities, axis=1, kind="stable")
        for query, order in zip(some.tolist(), orders, strict=True):
            others = gallery[order]
            same = identity[others] == identity[query]
            seen = same & (camera[others] == camera[query]) & (camera[query] >= 0)
            right = same[~(seen | (others == query))]
            hits = np.flatnonzero(right)
            if len(hits):
                precision = float(np.mean(np.arange(1, len(hits) + 1) / (hits + 1)))
                found.append((precision, int(hits[0]), len(hits) / len(right), query))
    columns = zip(*found, strict=True) if found else ((), (), (), ())
    kinds = (np.float64, np.int64, np.float64, np.int64)
    return Ranks(*(np.array(column, dtype=kind) for column, kind in zip(columns, kinds, strict=True)))
