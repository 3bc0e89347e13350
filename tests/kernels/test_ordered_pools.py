"""Pools in the form for runs on GPUs that must be the same to the bit, against torch's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from autodas.kernels import PoolShape, _ordered_pools, _pools, ordered_pool, pools_backward, pools_forward
from autodas.operations import Pool

CASES = [
    ((5, 6), (3, 3), (1, 1)),
    ((5, 6), (3, 3), (2, 2)),
    ((4, 5, 6), (3, 3, 3), (1, 2, 2)),
    ((3, 5, 4), (3, 3, 3), (2, 2, 2)),
    ((3, 5, 5), (1, 3, 3), (2, 1, 1)),
]


def ordered(monkeypatch: pytest.MonkeyPatch, modules: Any) -> None:
    for module in modules:
        monkeypatch.setattr(module, "needs_order", lambda x: True)


@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize(("size", "window", "stride"), CASES)
def test_equal_to_torch(
    kind: str, size: tuple[int, ...], window: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    expected = _pools._plain(x.movedim(1, -1), PoolShape(kind, window), stride).movedim(-1, 1)
    found = ordered_pool(x, kind, window, stride)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    upstream = torch.randn_like(expected)
    wanted, gradient = (torch.autograd.grad(y, x, upstream)[0] for y in (expected, found))
    torch.testing.assert_close(gradient, wanted, rtol=1e-12, atol=1e-12)


def test_what_is_not_a_number_is_not_hidden() -> None:
    x = torch.zeros(1, 1, 4, 4)
    x[0, 0, 0, 0] = torch.nan
    for kind in ("max", "avg"):
        assert ordered_pool(x, kind, (3, 3), (1, 1)).isnan().sum() == 4


def operations_of(tape: Any, call: Callable[[], Any]) -> set[str]:
    with tape() as noted:
        call()
    return {str(function) for function, *_ in noted.operations}


def test_both_engines_take_it(tape: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No operation remains whose gradient has no order."""
    from autodas.operations import _simple

    x = torch.randn(2, 4, 8, 8, requires_grad=True)
    rows, shape = torch.randn(2, 8, 8, 5), [PoolShape("max", (3, 3)), PoolShape("avg", (3, 3))]

    def pools() -> None:
        for kind in ("max", "avg"):
            Pool(kind, 4, (3, 3), (2, 2), "plain")(x).square().sum().backward()
        out = torch.empty(2, *rows.shape)
        pools_forward(rows, shape, (1, 1), out)
        pools_backward(rows, shape, (1, 1), torch.ones_like(out), torch.zeros_like(rows))

    assert any("pool" in name for name in operations_of(tape, pools))
    ordered(monkeypatch, (_simple, _pools))
    assert not any("pool" in name for name in operations_of(tape, pools))


def test_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    class OnGpu(Tensor):
        is_cuda = True

    on_cpu, on_gpu = torch.zeros(1), torch.zeros(1).as_subclass(OnGpu)
    assert not _ordered_pools.needs_order(on_gpu)
    monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: True)
    assert _ordered_pools.needs_order(on_gpu)
    assert not _ordered_pools.needs_order(on_cpu)
