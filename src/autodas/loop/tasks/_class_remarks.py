"""What an accuracy alone does not say, in sentences."""

from __future__ import annotations

from autodas.accuracy import wilson_interval
from autodas.loop.tasks._class_evaluation import ClassEvaluation

BY_HEART = 30.0
"""Points by which the accuracy on training samples exceeds that on test samples where people are told."""

UNBALANCED = 2.0
"""So many times the samples of the smallest class in the largest one, and people are told of classes."""

SHOWN = 6
"""How many recalls are told: the lowest."""


def remarks(found: ClassEvaluation, train_score: float | None = None) -> list[str]:
    """Return sentences for people about what an evaluation found; mostly there are none.

    They say when a network takes everything for one class, has learned its training samples by heart, is no
    better than always saying the largest class, or when classes are unbalanced, so that the accuracy is that
    of the largest ones.

    Args:
        found: on test samples.
        train_score: accuracy on the training samples at the end of training, in percent, where it is known.
    """
    what = "pictures" if found.clips is None else "videos"
    lowest = wilson_interval(found.top1, found.count)[0]
    by_chance = lowest <= found.majority
    present = found.counts[found.counts > 0]
    if len(present) < 2:
        return []
    said = []
    if bool((found.predicted == found.predicted[0]).all()):
        said.append(
            f"all {found.count:,} test {what} are taken for {_name(found, int(found.predicted[0]))}: "
            "the network tells nothing apart; train it longer (--epochs), or with another --optim.lr"
        )
    elif train_score is not None and train_score - found.top1 > BY_HEART:
        others = "nothing else is" if by_chance else "others are not"
        said.append(
            f"{train_score:.1f} % on the training {what}, {found.top1:.1f} % on the test {what} (the largest "
            f"class alone: {found.majority:.1f} %): the training {what} are learned by heart, and {others}. "
            f"More training {what}, stronger augmentation, a smaller network or fewer epochs may help; "
            "see that both sets show the same"
        )
    elif by_chance:
        said.append(
            f"no better than always saying {_name(found, int(found.counts.argmax()))}, "
            f"which is right for {found.majority:.1f} % of the test {what}"
        )
    if int(present.max()) >= UNBALANCED * int(present.min()):
        recalls = sorted((recall, n) for n, recall in enumerate(found.recalls) if recall is not None)
        told = ", ".join(f"{_name(found, n)} {recall:.1f} %" for recall, n in recalls[:SHOWN])
        which = f"lowest of {len(recalls)} recalls" if len(recalls) > SHOWN else "recalls"
        said.append(
            f"unbalanced classes: the largest is {found.majority:.1f} % of the test {what}; balanced "
            f"accuracy (mean recall of the classes) {found.balanced:.1f} %; {which}: {told}"
        )
    return said


def _name(found: ClassEvaluation, number: int) -> str:
    return found.classes[number] if found.classes else f"class {number}"
