"""Agreement of seeds: by hand, on draws, and on searches that find the same."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from autodas.runs.agreement import agreement

EDGES = [(kind, (p, s)) for kind in ("normal", "reduction") for s in range(2, 6) for p in range(s)]


def test_by_hand() -> None:
    edges = [("normal", (0, n)) for n in range(4)]
    a, b = (dict(zip(edges, names, strict=True)) for names in ("xxyy", "xyyy"))
    found = agreement([a, b])
    assert found is not None
    assert found.share == 0.75
    # Two and one of four are x, two and three y: expected matches 4 (2/4 1/4 + 2/4 3/4) = 2.
    assert found.chance == pytest.approx(0.5, abs=0.02)
    # The x of the second seed meets one of the two of the first in half of the permutations: 3 or 1 matches.
    assert found.p == pytest.approx(0.5, abs=0.04)


def test_the_same_operation_everywhere_is_no_finding() -> None:
    skips = dict.fromkeys(EDGES, "skip_connect")
    found = agreement([skips, skips, skips])
    assert found is not None
    assert (found.share, found.chance, found.p) == (1.0, 1.0, 1.0)


def test_equal_searches_are_significant() -> None:
    operations = {edge: "abcdefg"[n % 7] for n, edge in enumerate(EDGES)}
    found = agreement([operations, operations])
    assert found is not None
    assert found.share == 1.0
    assert found.p < 0.001
    assert found.chance == pytest.approx(1 / 7, abs=0.02)


def test_kinds_are_not_mixed() -> None:
    """Skips in one kind and convolutions in the other, in both seeds: no edge was found again."""
    operations = {edge: "skip_connect" if edge[0] == "normal" else "sep_conv_3x3" for edge in EDGES}
    found = agreement([operations, operations])
    assert found is not None
    assert (found.chance, found.p) == (1.0, 1.0)


@pytest.mark.slow
def test_draws_are_significant_in_a_twentieth_of_cases() -> None:
    random, rounds = np.random.default_rng(0), 200
    below = 0
    for _ in range(rounds):
        seeds = [{edge: str(random.integers(7)) for edge in EDGES} for _ in range(3)]
        found = agreement(seeds)
        assert found is not None
        below += found.p <= 0.05
    # The binomial distribution exceeds 20 of 200 with probability 0.0012.
    assert sum(comb(rounds, n) * 0.05**n * 0.95 ** (rounds - n) for n in range(21, rounds + 1)) < 0.0012
    assert below <= 20


def test_nothing_to_compare() -> None:
    operations = dict.fromkeys(EDGES, "x")
    assert agreement([]) is None
    assert agreement([operations]) is None
    assert agreement([operations, {("other", (0, 1)): "x"}]) is None
