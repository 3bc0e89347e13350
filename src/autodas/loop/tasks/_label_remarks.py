"""Remarks on the evaluation of several labels, in sentences."""

from __future__ import annotations

from autodas.loop.tasks._label_evaluation import LabelEvaluation

SHOWN = 30
"""Number of average precisions shown, from the lowest."""


def remarks(found: LabelEvaluation, *, tuned: bool) -> list[str]:
    """Return remarks on classes without positives, chance, average precisions and thresholds.

    Args:
        found: evaluation on test samples.
        tuned: whether the thresholds were found on samples held out of training.
    """
    what = "images" if found.clips is None else "videos"
    notes = []
    absent = [name for name, count in zip(found.classes, found.positives.tolist(), strict=True) if not count]
    if absent:
        notes.append(
            f"{len(absent)} of {len(found.classes)} classes have no test {what} and are left out of the "
            f"means: {', '.join(absent[:5])}{', ...' if len(absent) > 5 else ''}"
        )
    if found.interval is not None and found.interval[0] <= found.chance:
        notes.append(
            f"mAP {found.score:.1f} % is no better than that of a random order ({found.chance:.1f} %): train "
            "longer (`epochs`), or with another `optim.lr`"
        )
    pairs = zip(found.average_precisions, found.classes, strict=True)
    known = sorted((value, name) for value, name in pairs if value is not None)
    told = ", ".join(f"{name} {value:.1f} %" for value, name in known[:SHOWN])
    which = f"lowest of {len(known)} average precisions" if len(known) > SHOWN else "average precisions"
    notes.append(f"{which}: {told}")
    if not tuned:
        notes.append(
            "labels are predicted from a probability of 0.5 on: no samples were held out to find better "
            "thresholds (`validation=0.1`)"
        )
    return notes
