from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autodas.data.augmentation._random import (
    AUGMENTATION,
    ORDER,
    integers,
    mix,
    permutation,
    sample_keys,
    uniform,
)

MASK = (1 << 64) - 1


def splitmix64(x: int) -> int:
    x &= MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


@given(st.integers(-(2**63), 2**63 - 1))
@settings(deadline=None)
def test_mix_is_the_finaliser_of_splitmix64(x: int) -> None:
    assert int(mix(torch.tensor([x]))[0]) & MASK == splitmix64(x)


def test_first_number_of_the_published_generator() -> None:
    # SplitMix64 seeded with 0 begins with this number.
    golden = torch.tensor([0x9E3779B97F4A7C15 - (1 << 64)])
    assert int(mix(golden)[0]) & MASK == 0xE220A8397B1DCDAF


@pytest.mark.slow
@pytest.mark.parametrize("high", [2, 3, 9, 100])
@pytest.mark.parametrize("along", ["index", "epoch", "seed", "stream"])
def test_integers_are_uniform(high: int, along: str) -> None:
    count = 20_000 if along == "index" else 4_000
    if along == "index":
        draws = integers(sample_keys(AUGMENTATION, 3, 1, torch.arange(count)), 0, high)
    else:
        one = torch.tensor([7])
        draws = torch.cat(
            [
                integers(
                    sample_keys(AUGMENTATION, k if along == "seed" else 3, k if along == "epoch" else 1, one),
                    k if along == "stream" else 0,
                    high,
                )
                for k in range(count)
            ]
        )
    counts = np.bincount(draws.numpy(), minlength=high)
    assert len(counts) == high
    expected = count / high
    chi_square = ((counts - expected) ** 2 / expected).sum()
    # Mean high - 1, variance 2 (high - 1): five standard deviations.
    assert chi_square < high - 1 + 5 * np.sqrt(2 * (high - 1))


def test_draws_are_uncorrelated() -> None:
    keys = sample_keys(AUGMENTATION, 0, 0, torch.arange(50_000))
    draws = [uniform(keys, stream).double() for stream in range(4)]
    draws.append(uniform(sample_keys(AUGMENTATION, 0, 1, torch.arange(50_000)), 0).double())
    draws.append(uniform(sample_keys(AUGMENTATION, 1, 0, torch.arange(50_000)), 0).double())
    draws.append(uniform(sample_keys(ORDER, 0, 0, torch.arange(50_000)), 0).double())
    draws.append(draws[0].roll(1))
    correlation = torch.corrcoef(torch.stack(draws)) - torch.eye(len(draws))
    assert correlation.abs().max() < 5 / np.sqrt(50_000)
    assert draws[0].min() >= 0
    assert draws[0].max() < 1
    assert abs(draws[0].mean() - 0.5) < 5 * np.sqrt(1 / 12 / 50_000)


def test_a_sample_draws_the_same_alone_and_in_a_batch() -> None:
    indices = torch.tensor([5, 1, 9, 9, 2**40])
    batch = integers(sample_keys(AUGMENTATION, -4, 2, indices), 3, 17)
    alone = [int(integers(sample_keys(AUGMENTATION, -4, 2, indices[i : i + 1]), 3, 17)) for i in range(5)]
    assert batch.tolist() == alone


@pytest.mark.slow
def test_permutations() -> None:
    orders = [permutation(1000, ORDER, seed, epoch) for seed in range(3) for epoch in range(3)]
    for order in orders:
        assert torch.equal(order.sort().values, torch.arange(1000))
    assert len({tuple(order.tolist()) for order in orders}) == 9
    assert torch.equal(orders[4], permutation(1000, ORDER, 1, 1))
    # Each position holds each sample about equally often.
    small = torch.stack([permutation(5, ORDER, 0, epoch) for epoch in range(4000)])
    counts = torch.stack([(small == sample).sum(0) for sample in range(5)]).double()
    assert ((counts - 800) ** 2 / 800).sum() < 16 + 5 * np.sqrt(32)
