"""Live bytes, on code whose memory can be counted by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from autodas.search._live_bytes import LiveBytes

KIB = 256  # numbers in single precision


def count(code: Callable[[], object]) -> tuple[int, int]:
    """Return the peak, and what is alive at the end, in KiB."""
    with LiveBytes() as live, torch.device("meta"):
        kept = code()
        now = live.now
    del kept
    assert live.now == 0
    return live.peak // 1024, now // 1024


def test_what_is_dropped_counts_until_then() -> None:
    def code() -> Tensor:
        x = torch.empty(4 * KIB)
        y = x + 1  # 8
        x = y * 2  # 12, then 8
        del y  # 4
        return x.view(4, -1)[1:]  # no memory of its own

    assert count(code) == (12, 4)


@pytest.mark.parametrize("keeps", [True, False])
def test_autograd(keeps: bool) -> None:
    def code() -> Tensor:
        x = torch.empty(KIB).requires_grad_(keeps)
        for _ in range(5):
            x = x.exp()  # its gradient needs the result
        return x

    # Without gradients two tensors are there at a time; else all six, to the end.
    assert count(code) == ((6, 6) if keeps else (2, 1))


def test_backward_frees_what_was_kept() -> None:
    def code() -> Tensor:
        x = torch.empty(KIB, requires_grad=True)
        y = x
        for _ in range(5):
            y = y.exp()
        y.backward(torch.empty(KIB))
        del y
        return x

    peak, now = count(code)
    assert now == 2  # x and its gradient
    assert 7 <= peak <= 9  # six, the gradient that arrives, the one that leaves


def test_in_place_operations_take_nothing() -> None:
    def code() -> Tensor:
        return torch.empty(KIB).add_(1).relu_().copy_(torch.empty(KIB))

    assert count(code) == (2, 1)


def test_operators_seen_before_give_the_same_shapes_again() -> None:
    def code() -> list[Tensor]:
        x = torch.empty(2, 4, 8, 8).contiguous(memory_format=torch.channels_last)
        found = []
        for _ in range(2):
            y, places = F.max_pool2d(x, 2, return_indices=True)
            found += [y, places, F.batch_norm(y, None, None, training=True), x * 2, x * 2.5, x == 2]
        return found

    with LiveBytes(), torch.device("meta"):
        first, again = (lambda found: (found[:6], found[6:]))(code())
    for a, b in zip(first, again, strict=True):
        assert (a.shape, a.stride(), a.dtype) == (b.shape, b.stride(), b.dtype)
        assert a.untyped_storage()._cdata != b.untyped_storage()._cdata
    assert [t.dtype for t in first[:2]] == [torch.float32, torch.int64]
    assert first[5].dtype == torch.bool


def test_numbers_can_be_read() -> None:
    with LiveBytes(), torch.device("meta"):
        assert float(torch.empty(())) == 1.0
        assert not torch.empty(()) < 2
