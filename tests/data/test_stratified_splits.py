from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autodas.data import stratified_halves, stratified_subset
from autodas.errors import AutodasError

COUNTS = st.lists(st.integers(2, 30), min_size=1, max_size=8)


def labels_of(counts: list[int]) -> np.ndarray:
    labels = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(0).permutation(labels)


@pytest.mark.slow
@given(COUNTS, st.floats(0.05, 0.95), st.integers(-5, 5))
@settings(deadline=None, max_examples=50)
def test_halves(counts: list[int], fraction: float, seed: int) -> None:
    labels = labels_of(counts)
    first, second = stratified_halves(labels, fraction, seed)
    assert sorted([*first, *second]) == list(range(len(labels)))
    assert (np.diff(first) > 0).all()
    assert (np.diff(second) > 0).all()
    for part in (first, second):
        assert set(labels[part]) == set(labels)
    exact = fraction * len(labels)
    if len(counts) <= int(exact + 1e-9) <= len(labels) - len(counts):
        assert len(first) == int(exact + 1e-9)
    for value, count in enumerate(counts):
        # Every class gets its share, but for the rounding and for classes that must not be empty.
        found = (labels[first] == value).sum()
        assert abs(found - fraction * count) <= 1 + len(counts)
    again = stratified_halves(labels, fraction, seed)
    assert np.array_equal(first, again[0])


@given(COUNTS, st.integers(0, 200), st.integers(0, 3))
@settings(deadline=None, max_examples=50)
def test_subset(counts: list[int], size: int, seed: int) -> None:
    labels = labels_of(counts)
    if size < 2 * len(counts) and size < len(labels):
        with pytest.raises(AutodasError, match="too small"):
            stratified_subset(labels, size, seed)
        return
    chosen = stratified_subset(labels, size, seed)
    assert len(chosen) == min(size, len(labels))
    assert len(set(chosen)) == len(chosen)
    assert np.bincount(labels[chosen], minlength=len(counts)).min() >= 2


def test_halves_of_a_balanced_set_are_exact() -> None:
    labels = labels_of([50] * 10)
    first, second = stratified_halves(labels, 0.5, 0)
    assert np.bincount(labels[first]).tolist() == np.bincount(labels[second]).tolist() == [25] * 10


def test_the_split_is_the_same_on_every_machine() -> None:
    # Written down once: a change would silently give other halves to a run that is resumed.
    first, _ = stratified_halves(np.arange(20) % 2, 0.5, 0)
    assert first.tolist() == [0, 1, 2, 5, 6, 10, 11, 14, 15, 19]
    assert not np.array_equal(first, stratified_halves(np.arange(20) % 2, 0.5, 1)[0])


def test_errors() -> None:
    with pytest.raises(AutodasError, match="class 2 has one image, but a split needs at least 2"):
        stratified_halves(np.array([0, 0, 1, 1, 2]), 0.5, 0)
    with pytest.raises(AutodasError, match="class 'owl' has one image"):
        stratified_halves(np.array([0, 0, 1]), 0.5, 0, classes=["cat", "owl"])
    with pytest.raises(AutodasError, match="fraction between 0 and 1, found 1"):
        stratified_halves(np.array([0, 0]), 1.0, 0)
