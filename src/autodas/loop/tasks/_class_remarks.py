"""Remarks on an accuracy, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from autodas.loop.tasks._class_evaluation import ClassEvaluation

BY_HEART = 30.0
"""Excess of training over test accuracy, in percentage points, from which memorisation is reported."""

UNBALANCED = 2.0
"""Ratio of the sizes of the largest and the smallest class from which the imbalance is reported."""

LEVEL = 0.01
"""Probability below which sizes of classes in a test split are not taken for chance."""

SHOWN = 30
"""Number of recalls shown, from the lowest."""


def remarks(
    found: ClassEvaluation, train_score: float | None = None, trained: Sequence[int] = ()
) -> list[str]:
    """Return remarks about the result of an evaluation, in sentences; mostly there are none.

    They report a network that predicts a single class, has memorised its training samples, or is no better
    than always predicting the largest class; and unbalanced classes, whose accuracy is dominated by the
    largest; for fused networks, that single clips have no accuracy.

    Args:
        found: evaluation on test samples.
        train_score: accuracy on the training samples at the end of training, in percent, if known.
        trained: number of training samples of each class, if known.
    """
    what = "images" if found.clips is None else "videos"
    by_chance = found.interval[0] <= found.majority
    present = found.counts[found.counts > 0]
    if len(present) < 2:
        return []
    notes = []
    if found.clips is not None and found.clip_top1 is None:
        notes.append("no clip_top1 for two networks together: their clips may differ")
    if bool((found.predicted == found.predicted[0]).all()):
        notes.append(
            f"all {found.count:,} test {what} are classified as {_name(found, int(found.predicted[0]))}: "
            "the network distinguishes nothing; train it longer (`epochs`), or with another `optim.lr`"
        )
    elif train_score is not None and train_score - found.top1 > BY_HEART:
        others = "nothing else is learned" if by_chance else f"other {what} are recognised less often"
        notes.append(
            f"{train_score:.1f} % on the training {what}, {found.top1:.1f} % on the test {what} (the largest "
            f"class alone: {found.majority:.1f} %): the training {what} are memorised, and {others}. "
            f"More training {what}, stronger augmentation, a smaller network or fewer epochs may help; "
            "check that both sets show the same kinds of samples"
        )
    elif by_chance:
        notes.append(
            f"no better than always predicting {_name(found, int(found.counts.argmax()))}, "
            f"which is correct for {found.majority:.1f} % of the test {what}"
        )
    tested = unbalanced(present.tolist()) and not by_lot(present.tolist())
    if tested or unbalanced(trained):
        recalls = sorted((recall, n) for n, recall in enumerate(found.recalls) if recall is not None)
        told = ", ".join(f"{_name(found, n)} {recall:.1f} %" for recall, n in recalls[:SHOWN])
        which = f"lowest of {len(recalls)} recalls" if len(recalls) > SHOWN else "recalls"
        largest = f"the largest is {found.majority:.1f} % of the test {what}"
        if not tested:
            sizes = [count for count in trained if count]
            largest = f"the largest has {max(sizes):,} training {what}, the smallest {min(sizes):,}"
        notes.append(
            f"unbalanced classes: {largest}; balanced accuracy (mean recall of the classes) "
            f"{found.balanced:.1f} %, macro F1 {found.macro_f1:.1f} %; {which}: {told}"
        )
    return notes


def unbalanced(counts: Sequence[int]) -> bool:
    """Return whether the largest class that has samples is much larger than the smallest."""
    sizes = [count for count in counts if count]
    return len(sizes) > 1 and max(sizes) >= UNBALANCED * min(sizes)


def by_lot(counts: Sequence[int]) -> bool:
    """Return whether samples that fall into classes of equal sizes by chance may have these counts.

    A test split that is made by the hashes of names is such a choice. It is a chi-squared test.
    """
    from scipy.stats import chisquare

    return float(chisquare(counts).pvalue) >= LEVEL


def _name(found: ClassEvaluation, number: int) -> str:
    return found.classes[number] if found.classes else f"class {number}"
