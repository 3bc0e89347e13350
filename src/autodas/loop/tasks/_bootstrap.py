"""Standard error of a score on a sample, by resampling."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

RESAMPLES = 200
_TOGETHER = 1 << 22
"""Number of weights that are drawn at once."""
_MOST = 1e9
"""Number of values of all resamples from which on they would take minutes: the error is unknown then."""


def bootstrap_error(score: Callable[[np.ndarray], np.ndarray], count: int, values: int = 1) -> float | None:
    """Estimate the standard error of a score: its standard deviation over resamples (Efron, 1979).

    A resample has as many samples, drawn with replacement. Equal samples give equal results.

    Args:
        score: function from how often each sample is in a resample, (resamples, N), to the scores of the
            resamples, (resamples,); NaN for those without a score.
        count: number of samples N.
        values: number of values of a sample, by which the work grows.

    Returns:
        ``None`` if there are too many values, or nearly no resample has a score.
    """
    if RESAMPLES * count * values > _MOST or count < 2:
        return None
    generator, scores = np.random.default_rng(0), []
    together = max(1, min(RESAMPLES, _TOGETHER // count))
    for first in range(0, RESAMPLES, together):
        size = (min(together, RESAMPLES - first), count)
        drawn = generator.integers(0, count, size)
        rows = np.arange(len(drawn))[:, None] * count
        weights = np.bincount((drawn + rows).reshape(-1), minlength=drawn.size).reshape(size)
        scores.append(score(weights.astype(np.float64)))
    found = np.concatenate(scores)
    found = found[np.isfinite(found)]
    return float(found.std(ddof=1)) if len(found) >= RESAMPLES // 2 else None
