"""Counts of batches, by one operation."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import nn

from autodas.loop import counted_together


def test_the_same_counts() -> None:
    network = nn.Sequential(
        nn.BatchNorm1d(2), nn.BatchNorm1d(2, track_running_stats=False), nn.BatchNorm1d(2)
    )
    usual = deepcopy(network)
    x = torch.randn(4, 2)
    for _ in range(3):
        usual(x)
        with counted_together(network):  # type: ignore[arg-type]
            network(x)
            # Checkpoints have the counts at any time.
            assert network.state_dict().keys() == usual.state_dict().keys()
    assert int(network[0].num_batches_tracked) == 3
    for name, value in usual.state_dict().items():
        assert torch.equal(network.state_dict()[name], value)


def test_a_batch_that_fails_does_not_count() -> None:
    norm = nn.BatchNorm1d(2)
    with pytest.raises(ValueError, match="no batch"), counted_together([norm]):
        raise ValueError("no batch")
    assert int(norm.num_batches_tracked) == 0
    with counted_together([]):
        pass
