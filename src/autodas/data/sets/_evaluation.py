"""Data sets to evaluate a network on: all of their samples, in the network's classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from autodas.data.splits._parts import RawDataset, RawSplit, S, check_labels
from autodas.data_options import DataOptions
from autodas.errors import AutodasError, nearest


def for_evaluation(
    name: str, raw: RawDataset[S], network: Sequence[str], options: DataOptions, what: str
) -> RawDataset[S]:
    """Return the samples to evaluate a network on, as the test split of a data set without a training split.

    They are the test split, or all samples if there are no splits.

    Args:
        name: name of the data set, for messages.
        raw: the data.
        network: classes of the network; the data may contain only some of them.
        options: ``classes`` excludes samples of other classes.
        what: noun for the samples in messages.

    Raises:
        AutodasError: if there are samples of a class unknown to the network, or no samples.
    """
    split = raw.test if raw.test is not None else raw.train
    assert split is not None
    check_labels(name, split.labels, raw.classes, "test", what)
    for one in options.classes:
        if one not in network:
            raise AutodasError(f"{name}: the network knows no class '{one}'{nearest(one, list(network))}")
    wanted = options.classes or tuple(network)
    known = {label: network.index(one) for label, one in enumerate(raw.classes) if one in wanted}
    labels = np.array([known.get(label, -1) for label in np.asarray(split.labels).tolist()], dtype=np.int64)
    used = {raw.classes[label] for label in np.unique(split.labels)}
    unknown = sorted(used.difference(network))
    if unknown and not options.classes:
        named = ", ".join(f"'{one}'" for one in unknown[:5]) + (", ..." if len(unknown) > 5 else "")
        raise AutodasError(
            f"{name}: the network knows no class {named}{nearest(unknown[0], list(network))}: rename or "
            "remove it, or choose `data.classes`"
        )
    if not (labels >= 0).any():
        raise AutodasError(f"{name}: there are no {what} to evaluate")
    notes = raw.notes
    if raw.test is None:
        notes += (f"{name} has no test split: all {int((labels >= 0).sum())} {what} are evaluated",)
    test = RawSplit(split.source, labels, split.keys, split.columns)
    return replace(raw, train=None, test=test, classes=tuple(network), notes=notes)
