"""Average precision and F1 of labels, from probabilities or other scores of samples."""

from __future__ import annotations

import numpy as np


def average_precision(
    scores: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    r"""Compute the average precision of one label.

    .. math:: \sum_n (R_n - R_{n-1}) P_n

    with precision P and recall R at each distinct score as threshold, without interpolation.

    Args:
        scores: higher for samples that rather have the label, (N,).
        labels: 0 or 1, (N,).
        weights: weights of the samples, (W, N), at least 0; ``None`` for equal ones.

    Returns:
        For each row of weights a number in [0, 1], NaN without positives; shape (W,), (1,) without weights.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, positive = scores[order], labels[order] > 0
    own = np.ones((1, len(scores))) if weights is None else weights[:, order]
    ends = np.append(ranked[1:] != ranked[:-1], True)
    hits = np.cumsum(own * positive, axis=1)[:, ends]
    chosen = np.cumsum(own, axis=1)[:, ends]
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(chosen > 0, hits / chosen, 0.0)
        recall = hits / hits[:, -1:]
    found: np.ndarray = (np.diff(recall, axis=1, prepend=0) * precision).sum(1)
    return found


def mean_average_precision(
    scores: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """Compute the mean of the average precisions of labels that have positives, (W,); arguments (N, K)."""
    columns = [
        average_precision(scores[:, k], labels[:, k], weights)
        for k in range(labels.shape[1])
        if labels[:, k].any()
    ]
    table = np.stack(columns)
    there = np.isfinite(table)
    found: np.ndarray = np.where(there, table, 0).sum(0) / np.maximum(1, there.sum(0))
    return found


def best_threshold(probabilities: np.ndarray, labels: np.ndarray, usual: float) -> float:
    r"""Return the threshold of one label with the largest F1 on some samples.

    With the k largest probabilities above it, of which h have the label, of P in all,

    .. math:: F_1 = \frac{2 h}{k + P}.

    The threshold is midway between two probabilities; of equally good ones it is the largest.

    Args:
        probabilities: in [0, 1], (N,).
        labels: 0 or 1, (N,).
        usual: threshold without positives.
    """
    order = np.argsort(-probabilities, kind="stable")
    ranked, positive = probabilities[order], labels[order] > 0
    if not positive.any():
        return usual
    following = np.append(ranked[1:], 0.0)
    ends = ranked != following
    ends[-1] = True
    f1 = 2 * np.cumsum(positive) / (np.arange(1, len(ranked) + 1) + positive.sum())
    best = int(np.argmax(np.where(ends, f1, -1.0)))
    return float((ranked[best] + following[best]) / 2)


def f1_scores(predicted: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute precision, recall and F1 of each label, in [0, 1], (K,); 0 where one is not defined.

    Args:
        predicted, labels: bool or 0 and 1, (N, K).
    """
    hits = (predicted.astype(bool) & labels.astype(bool)).sum(0)
    chosen, positives = predicted.sum(0), labels.sum(0, dtype=np.int64)
    precision = hits / np.maximum(1, chosen)
    recall = hits / np.maximum(1, positives)
    return precision, recall, 2 * hits / np.maximum(1, chosen + positives)
