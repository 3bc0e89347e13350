"""Splits of samples with several labels, or with numbers."""

from __future__ import annotations

import numpy as np
import pytest

from autodas.data import stratified_halves, stratified_subset
from autodas.data.splits._strata import strata_of
from autodas.errors import AutodasError


def drawn(count: int = 400) -> np.ndarray:
    """Labels with shares of 50, 20, 5 and 1 %; the rare ones come with the frequent ones."""
    generator = np.random.default_rng(0)
    labels = (generator.random((count, 4)) < (0.5, 0.2, 0.05, 0.01)).astype(np.uint8)
    labels[:, 0] |= labels[:, 2] | labels[:, 3]
    return labels


def test_the_stratum_is_the_rarest_label() -> None:
    labels = np.array(
        [[1, 1, 0], [1, 0, 0], [1, 0, 1], [0, 0, 0], [1, 1, 0], [1, 0, 1], [0, 0, 0], [1, 1, 1]], np.uint8
    )
    # Counts 6, 3, 3: of equally rare labels the first one.
    assert strata_of(labels).tolist() == [1, 1, 2, 3, 1, 2, 3, 1], "the one of label 0 joins the largest"


def test_every_label_gets_its_share() -> None:
    labels = drawn()
    first, second = stratified_halves(labels, 0.5, 0)
    assert len(first) == len(second) == 200
    for k in range(4):
        counts = labels[first, k].sum(), labels[second, k].sum()
        assert abs(int(counts[0]) - int(counts[1])) <= 0.1 * counts[0] + 2, k
        assert min(counts) >= 1
    # A random split leaves more to chance: the rarest stratum is divided exactly.
    strata = strata_of(labels)
    for stratum in np.unique(strata):
        both = (strata[first] == stratum).sum(), (strata[second] == stratum).sum()
        assert abs(int(both[0]) - int(both[1])) <= 1


def test_named_samples_keep_their_side_and_rare_labels_are_on_both() -> None:
    labels, names = drawn(), [f"{i}.png" for i in range(400)]
    first, _ = stratified_halves(labels, 0.8, 0, keys=names, use="train and test")
    fewer, _ = stratified_halves(labels[:350], 0.8, 0, keys=names[:350], use="train and test")
    moved = set(first[first < 350]) ^ set(fewer)
    assert len(moved) <= 2
    assert {tuple(row) for row in labels[np.setdiff1d(np.arange(400), first)]} & {(1, 0, 0, 1), (1, 1, 0, 1)}


def test_groups_stay_together() -> None:
    labels, groups = drawn(), [str(i // 8) for i in range(400)]
    first, second = stratified_halves(labels, 0.5, 0, groups=groups)
    assert not {groups[i] for i in first} & {groups[i] for i in second}
    numbers = np.arange(400.0)[:, None]
    first, second = stratified_halves(numbers, 0.5, 0, groups=groups)
    assert not {groups[i] for i in first} & {groups[i] for i in second}
    with pytest.raises(AutodasError, match="a split needs at least 2 groups: add images"):
        stratified_halves(labels, 0.5, 0, groups=["x"] * 400)


def test_numbers_are_divided_by_tenths() -> None:
    numbers = np.random.default_rng(0).permutation(200).astype(float)[:, None] ** 3
    first, second = stratified_halves(numbers, 0.5, 0)
    ranks = numbers[:, 0].argsort().argsort()
    for tenth in range(10):
        assert (ranks[first] // 20 == tenth).sum() == (ranks[second] // 20 == tenth).sum() == 10
    assert strata_of(np.zeros((3, 1))).max() == 0, "at least two samples each"


def test_subsets() -> None:
    labels = drawn()
    chosen = stratified_subset(labels, 80, 0)
    assert len(chosen) == 80
    assert (labels[chosen].sum(0) >= 1).all()
    assert len(stratified_subset(np.arange(50.0)[:, None], 20, 0)) == 20
    with pytest.raises(
        AutodasError, match=r"a subset of 3 images is too small: 5 strata need at least 10 \(2 per str"
    ):
        stratified_subset(labels, 3, 0)
