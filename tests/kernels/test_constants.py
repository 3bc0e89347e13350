"""Numbers of the host that are copied to a device once."""

from __future__ import annotations

import torch

from autodas.kernels import constant, held, holding


def test_numbers_are_copied_once() -> None:
    first = constant((1, 2), "cpu")
    assert constant((1, 2), torch.device("cpu")) is first
    assert first.tolist() == [1, 2]
    assert constant(((True, False),), "cpu", torch.float32).tolist() == [[1.0, 0.0]]


def test_what_a_recording_uses_is_kept_with_it() -> None:
    constant((3,), "cpu")
    with holding() as values:
        inside = constant((3,), "cpu")
        assert held("tables") == "tables"
    constant((4,), "cpu")
    assert values == [inside, "tables"]
