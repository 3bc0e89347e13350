"""Partial channels, channel by channel."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from autodas.errors import AutodasError
from autodas.operations import ALL_CHANNELS, PartialChannels


def naive(x: Tensor, K: int, stride: tuple[int, ...], through: Tensor) -> Tensor:
    """The edge of PC-DARTS, one channel and one window at a time; ``through`` is the operation's output."""
    width = x.shape[1] // K
    out = torch.full((x.shape[0], x.shape[1], *through.shape[2:]), torch.nan, dtype=x.dtype)
    for channel in range(x.shape[1]):
        group, within = divmod(channel, width)
        if group == 0:
            plane = through[:, within]
        else:
            plane = torch.empty_like(through[:, 0])
            for place in torch.cartesian_prod(*(torch.arange(length) for length in plane.shape[1:])).tolist():
                window = tuple(slice(p * s, p * s + s) for p, s in zip(place, stride, strict=True))
                plane[(slice(None), *place)] = x[(slice(None), channel, *window)].flatten(1).amax(1)
        out[:, within * K + group] = plane
    return out


@settings(max_examples=25, deadline=None)
@given(
    K=st.sampled_from([2, 3, 4]),
    width=st.integers(1, 3),
    size=st.lists(st.integers(1, 5), min_size=2, max_size=3),
    data=st.data(),
)
def test_an_edge(K: int, width: int, size: list[int], data: st.DataObject) -> None:
    strides = [(1,) * len(size), (2,) * len(size), (1, *(2,) * (len(size) - 1))]
    stride = data.draw(st.sampled_from(strides))
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 999)))
    x = torch.randn(2, K * width, *size, generator=generator)
    partial = PartialChannels(K)
    narrow, past = partial.split(x, stride)
    assert torch.equal(narrow, x[:, :width])
    out_size = [-(-length // step) for length, step in zip(size, stride, strict=True)]
    through = torch.randn(2, width, *out_size, generator=generator)
    merged = partial.merge(through, past)
    assert torch.equal(merged, naive(x, K, stride, through))
    # As the published method writes the shuffle: view as groups, transpose, view as channels.
    assert past is not None
    joined = torch.cat([through, past], dim=1)
    assert torch.equal(merged, joined.unflatten(1, (K, width)).transpose(1, 2).flatten(1, 2))


def test_channels_stay_last_in_memory() -> None:
    for shape, layout in (((2, 8, 3, 5), torch.channels_last), ((2, 8, 3, 5, 4), torch.channels_last_3d)):
        x = torch.randn(shape).contiguous(memory_format=layout)
        partial = PartialChannels(4)
        narrow, past = partial.split(x, (1,) * (x.dim() - 2))
        assert partial.merge(F.relu(narrow), past).is_contiguous(memory_format=layout)


def test_all_channels() -> None:
    x = torch.randn(1, 4, 3, 3)
    narrow, past = ALL_CHANNELS.split(x, (2, 2))
    assert narrow is x
    assert past is None
    assert ALL_CHANNELS.merge(x, past) is x


def test_parts_below_one() -> None:
    with pytest.raises(AutodasError, match="partial_channels=0"):
        PartialChannels(0)
