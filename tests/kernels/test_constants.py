"""Numbers of the host that are copied to a device once."""

from __future__ import annotations

import pytest
import torch

from autodas.kernels import constant, held, holding, sent


def test_numbers_are_copied_once() -> None:
    first = constant((1, 2), "cpu")
    assert constant((1, 2), torch.device("cpu")) is first
    assert first.tolist() == [1, 2]
    assert constant(((True, False),), "cpu", torch.float32).tolist() == [[1.0, 0.0]]


def test_numbers_are_sent_without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def to(self: torch.Tensor, device: str, non_blocking: bool = False) -> torch.Tensor:
        asked.append((int(self), device, non_blocking))
        return self

    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self + 100)
    monkeypatch.setattr(torch.Tensor, "to", to)
    assert sent(torch.tensor(1), "cuda:0") == 101
    assert sent(torch.tensor(2), "cpu") == 2
    assert asked == [(101, "cuda:0", True), (2, "cpu", False)]


def test_what_a_recording_uses_is_kept_with_it() -> None:
    constant((3,), "cpu")
    with holding() as values:
        inside = constant((3,), "cpu")
        assert held("tables") == "tables"
    constant((4,), "cpu")
    assert values == [inside, "tables"]
