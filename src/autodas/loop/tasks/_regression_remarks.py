"""Remarks on the evaluation of regression, in sentences."""

from __future__ import annotations

from autodas.loop.tasks._regression_evaluation import RegressionEvaluation

BY_HEART = 30.0
"""Excess of R² on training over that on test samples, in points, from which memorisation is reported."""


def remarks(found: RegressionEvaluation, train_score: float | None = None) -> list[str]:
    """Return remarks on several targets, constant answers, memorised samples, and chance.

    Args:
        found: evaluation on test samples.
        train_score: R² on the training samples at the end of training, in percent, if known.
    """
    what = "images" if found.clips is None else "videos"
    notes = []
    if len(found.names) > 1:
        rows = zip(found.names, found.r2.tolist(), found.mae.tolist(), strict=True)
        notes.append("; ".join(f"{name}: R² {r2:.1f} %, MAE {mae:.4g}" for name, r2, mae in rows))
    low = found.score if found.interval is None else found.interval[0]
    if found.count > 1 and bool((found.outputs == found.outputs[0]).all()):
        notes.append(
            f"the answers for all {found.count:,} test {what} are equal: the network distinguishes nothing; "
            "train it longer (`epochs`), or with another `optim.lr`"
        )
    elif train_score is not None and train_score - found.score > BY_HEART:
        notes.append(
            f"R² {train_score:.1f} % on the training {what}, {found.score:.1f} % on the test {what}: the "
            f"training {what} are memorised; more of them, augmentation that leaves the targets as they are "
            "(`data.flip`, `data.crop_padding`), a smaller network or fewer epochs may help"
        )
    elif low <= 0:
        notes.append(f"R² {found.score:.1f} %: no better than always answering the mean of the test {what}")
    return notes
