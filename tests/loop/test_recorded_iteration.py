"""Recording: what is played back equals what is computed, and what cannot be recorded is computed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from autodas.loop import RecordedIteration, recorder_for
from autodas.loop import _recorded as graph_module


class Count:
    """Adds up what it is given; a factor of the host is frozen in a recording."""

    def __init__(self) -> None:
        self.total, self.factor, self.calls = torch.zeros(()), 1.0, 0

    def __call__(self, x: Tensor) -> tuple[Tensor]:
        self.calls += 1
        self.total += self.factor * x.sum()
        return (self.total * 2,)


def test_warm_up_recording_and_play(tape_recorder: Any) -> None:
    count = Count()
    recorded = RecordedIteration(count, tape_recorder)
    found = []
    for i in range(1, 7):
        batch = torch.full((3,), float(i))
        found.append(recorded(batch)[0])
        batch.fill_(99.0)  # the caller's tensors are not kept
    # 3, 3 + 6, ...: every iteration was done once, and earlier results are not written over.
    assert [float(f) for f in found] == [2 * 3 * i * (i + 1) / 2 for i in range(1, 7)]
    assert count.calls == graph_module.WARM_UP + 1
    assert (tape_recorder.recorded, tape_recorder.played) == (1, 4)


def test_numbers_of_the_host_are_frozen_until_they_are_forgotten(tape_recorder: Any) -> None:
    count = Count()
    recorded = RecordedIteration(count, tape_recorder)
    for _ in range(4):
        recorded(torch.ones(1))
    count.factor = 10.0
    assert float(recorded(torch.ones(1))[0]) == 2 * 5
    recorded.forget()
    assert float(recorded(torch.ones(1))[0]) == 2 * 15


def test_a_recording_for_each_shape(tape_recorder: Any) -> None:
    count = Count()
    recorded = RecordedIteration(count, tape_recorder)
    sizes = [4, 4, 1, 4, 4, 1, 1, 1, 4]
    for size in sizes:
        recorded(torch.ones(size))
    assert float(count.total) == sum(sizes)
    assert tape_recorder.recorded == 2
    # Layout counts as well: a copy into other strides would be right, but slow at every turn.
    recorded(torch.ones(4).expand(2, 4))
    assert tape_recorder.recorded == 2


class Failing:
    """A recorder without luck, as where an operation waits for the device."""

    def __init__(self) -> None:
        self.tries = 0

    def warm_up(self, call: Any) -> Any:
        return call()

    def record(self, call: Any) -> Any:
        self.tries += 1
        raise RuntimeError("operation not permitted\nwhen stream is capturing")


def test_failure_is_told_once_and_nothing_is_lost() -> None:
    count, recorder, said = Count(), Failing(), []
    recorded = RecordedIteration(count, recorder, said.append)
    found = [float(recorded(torch.ones(2))[0]) for _ in range(6)]
    assert found == [4.0 * i for i in range(1, 7)]
    assert recorder.tries == 1
    (line,) = said
    assert "operation not permitted when stream is capturing" in line
    assert recorded.failure == "operation not permitted when stream is capturing"


def test_off_and_cpu_do_not_record() -> None:
    assert recorder_for(torch.device("cpu"), "auto") is None
    assert recorder_for(torch.device("cuda"), "off") is None
    count = Count()
    plain = RecordedIteration(count, None)
    for _ in range(4):
        plain(torch.ones(1))
    assert count.calls == 4
