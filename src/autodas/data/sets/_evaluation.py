"""Data sets to evaluate a network on: all of their samples, in the network's classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from autodas.data.splits._parts import RawDataset, RawSplit, S, check_labels
from autodas.data_options import DataOptions, TaskName
from autodas.errors import AutodasError, nearest


def for_evaluation(
    name: str, raw: RawDataset[S], network: Sequence[str], options: DataOptions, what: str
) -> RawDataset[S]:
    """Return the samples to evaluate a network on, as the test split of a data set without a training split.

    They are the test split, or all samples if there are no splits.

    Args:
        name: name of the data set, for messages.
        raw: the data.
        network: classes of the network, of which the data may contain only some; for regression its numbers.
        options: ``classes`` excludes samples, or labels, of other classes.
        what: noun for the samples in messages.

    Raises:
        AutodasError: if there are samples of a class unknown to the network, numbers of the network are
            missing, or there are no samples.
    """
    split = raw.test if raw.test is not None else raw.train
    assert split is not None
    check_labels(name, split.labels, raw.classes, "test", what)
    labels = _IN_THE_NETWORK[raw.task](name, split.labels, raw.classes, network, options)
    count = int((labels >= 0).sum()) if labels.ndim == 1 else len(labels)
    if not count:
        raise AutodasError(f"{name}: there are no {what} to evaluate")
    notes = raw.notes
    if raw.test is None:
        notes += (f"{name} has no test split: all {count} {what} are evaluated",)
    test = RawSplit(split.source, labels, split.keys, split.columns)
    return replace(raw, train=None, test=test, classes=tuple(network), notes=notes)


def _classes(
    name: str, labels: np.ndarray, own: Sequence[str], network: Sequence[str], options: DataOptions
) -> np.ndarray:
    """Return the network's class of each sample, int64 (N,); -1 for samples that are left out."""
    known = _places(name, own, np.unique(labels), network, options)
    return np.array([known.get(label, -1) for label in np.asarray(labels).tolist()], dtype=np.int64)


def _labels(
    name: str, labels: np.ndarray, own: Sequence[str], network: Sequence[str], options: DataOptions
) -> np.ndarray:
    """Return which of the network's labels each sample has, uint8 (N, K)."""
    known = _places(name, own, np.flatnonzero(labels.any(0)), network, options)
    found = np.zeros((len(labels), len(network)), dtype=np.uint8)
    for label, place in known.items():
        found[:, place] = labels[:, label]
    return found


def _places(
    name: str, own: Sequence[str], used: np.ndarray, network: Sequence[str], options: DataOptions
) -> dict[int, int]:
    """Return the network's number of each wanted class of the data."""
    for one in options.classes:
        if one not in network:
            raise AutodasError(f"{name}: the network knows no class '{one}'{nearest(one, list(network))}")
    unknown = sorted({own[label] for label in used}.difference(network))
    if unknown and not options.classes:
        named = ", ".join(f"'{one}'" for one in unknown[:5]) + (", ..." if len(unknown) > 5 else "")
        raise AutodasError(
            f"{name}: the network knows no class {named}: rename or remove it, or choose `data.classes`"
            f"{nearest(unknown[0], list(network))}"
        )
    wanted = options.classes or tuple(network)
    return {label: network.index(one) for label, one in enumerate(own) if one in wanted}


def _numbers(
    name: str, labels: np.ndarray, own: Sequence[str], network: Sequence[str], options: DataOptions
) -> np.ndarray:
    """Return the numbers that the network answers for each sample, float64 (N, D)."""
    for one in network:
        if one not in own:
            raise AutodasError(
                f"{name}: there is no '{one}', which the network answers{nearest(one, list(own))}"
            )
    return labels[:, [own.index(one) for one in network]]


_IN_THE_NETWORK: Mapping[TaskName, Callable[..., Any]] = {
    "classification": _classes,
    "multilabel": _labels,
    "regression": _numbers,
    "embedding": lambda name, labels, own, network, options: labels,
}
