"""Recording: what is played back equals what is computed, and what cannot be recorded is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from autodas.errors import AutodasError
from autodas.kernels import constant
from autodas.loop import Pieces, RecordedIteration, recorder_for
from autodas.loop import _recorded as graph_module


def unchanged(x: Tensor) -> Pieces[tuple[Tensor, ...]]:
    yield from ()
    return (x,)


class Count:
    """Adds up what it is given; a factor of the host is frozen in a recording."""

    def __init__(self) -> None:
        self.total, self.factor, self.calls = torch.zeros(()), 1.0, 0

    def __call__(self, x: Tensor) -> Pieces[tuple[Tensor, ...]]:
        self.calls += 1
        self.total += self.factor * x.sum()
        yield from ()
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
        try:
            raise RuntimeError("operation not permitted\nwhen stream is capturing")
        finally:
            raise RuntimeError("operation failed due to a previous error")  # as at the end of a recording

    def forget(self) -> None:
        pass


def test_failure_is_told_once_and_nothing_is_lost() -> None:
    count, recorder, said = Count(), Failing(), []
    recorded = RecordedIteration(count, recorder, said.append)
    found = [float(recorded(torch.ones(2))[0]) for _ in range(6)]
    assert found == [4.0 * i for i in range(1, 7)]
    assert recorder.tries == 1
    (line,) = said
    assert "operation not permitted when stream is capturing" in line
    assert recorded.failure == "operation not permitted when stream is capturing"


def test_what_takes_the_memory_of_a_recording_is_dropped_with_it(tape_recorder: Any) -> None:
    dropped: list[int] = []
    recorded = RecordedIteration(
        Count(), tape_recorder, drop_gradients=lambda: dropped.append(tape_recorder.forgotten)
    )
    recorded.forget()
    assert not dropped, "nothing has been recorded yet"
    for _ in range(graph_module.WARM_UP + 1):
        recorded(torch.ones(1))
    recorded.forget()
    recorded.forget()
    # Gradients first: a pool is released with the last tensor in it.
    assert dropped == [0]
    assert tape_recorder.forgotten == 1


def test_numbers_that_a_recording_reads_are_kept(tape_recorder: Any) -> None:
    count = Count()

    def iteration(x: Tensor) -> Pieces[tuple[Tensor, ...]]:
        (counted,) = yield from count(x)
        return (counted * constant((7,), "cpu"),)

    recorded = RecordedIteration(iteration, tape_recorder)
    for _ in range(graph_module.WARM_UP + 1):
        recorded(torch.ones(1))
    (recording,) = recorded._recorded.values()
    assert recording.held == [constant((7,), "cpu")]


def test_what_will_soon_be_forgotten_is_not_recorded(tape_recorder: Any) -> None:
    recorded = RecordedIteration(Count(), tape_recorder)
    for left in (9, 8, 7, 6):
        recorded(torch.ones(1), left=left)
    assert tape_recorder.recorded == 0
    recorded(torch.ones(1), left=graph_module.PAYS)
    recorded(torch.ones(1), left=1)
    assert (tape_recorder.recorded, tape_recorder.played) == (1, 2)


class Cuda:
    """Stands in for the functions of ``torch.cuda`` that a recorder calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
        self.pools, self.current, self.fails = 0, "usual stream", fails
        self.states: list[str] = []
        for name in ("current_stream", "graph", "graph_pool_handle", "set_stream"):
            monkeypatch.setattr(torch.cuda, name, getattr(self, name))
        monkeypatch.setattr(torch.cuda, "Stream", lambda device: "side stream")
        monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: SimpleNamespace(replay=lambda: None))
        generator = SimpleNamespace(clone_state=lambda: "before", graphsafe_set_state=self.states.append)
        monkeypatch.setattr(torch.cuda, "default_generators", [generator])
        monkeypatch.setattr(graph_module.CudaRecorder, "failed", False)

    def current_stream(self, device: torch.device) -> str:
        return self.current

    def set_stream(self, stream: str) -> None:
        self.current = stream

    def graph_pool_handle(self) -> int:
        self.pools += 1
        return self.pools

    @contextmanager
    def graph(self, graph: Any, *, pool: int, stream: str, capture_error_mode: str) -> Iterator[None]:
        self.pool, self.current = pool, stream
        try:
            yield
        finally:
            if self.fails:
                raise RuntimeError("operation failed due to a previous error during capture")
        self.current = "usual stream"


def test_recordings_share_a_pool_until_they_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool with a tensor that is still alive cannot be used again."""
    cuda = Cuda(monkeypatch, fails=False)
    recorded = RecordedIteration(unchanged, graph_module.CudaRecorder(torch.device("cuda:0")))
    monkeypatch.setattr(recorded.recorder, "warm_up", lambda call: call())
    pools = []
    for size in (1, 2, 1):
        for _ in range(graph_module.WARM_UP + 1):
            recorded(torch.ones(size))
        pools.append(cuda.pool)
        if size == 2:
            recorded.forget()
    assert pools == [1, 1, 2]


def test_a_failed_recording_leaves_the_device_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda, said = Cuda(monkeypatch, fails=True), []

    def iteration(x: Tensor) -> Pieces[tuple[Tensor, ...]]:
        if cuda.current == "side stream":
            raise RuntimeError("the host waits for the device")
        return (yield from unchanged(x))

    recorder = recorder_for(torch.device("cuda:0"), "auto")
    assert isinstance(recorder, graph_module.CudaRecorder)
    monkeypatch.setattr(recorder, "warm_up", lambda call: call())
    recorded = RecordedIteration(iteration, recorder, said.append)
    for _ in range(graph_module.WARM_UP + 2):
        recorded(torch.ones(1))
    assert cuda.current == "usual stream"
    assert cuda.states == ["before"]
    assert recorded.failure == "the host waits for the device", "the cause, not what follows from it"
    assert len(said) == 1
    assert recorder_for(torch.device("cuda:0"), "auto") is None, "also for later phases"


def test_off_and_cpu_do_not_record() -> None:
    assert recorder_for(torch.device("cpu"), "auto") is None
    assert recorder_for(torch.device("cuda"), "off") is None
    count = Count()
    plain = RecordedIteration(count, None)
    for _ in range(4):
        plain(torch.ones(1))
    assert count.calls == 4


def in_two_pieces(exchange: Callable[[], None]) -> Callable[[Tensor], Pieces[tuple[Tensor, ...]]]:
    def iteration(x: Tensor) -> Pieces[tuple[Tensor, ...]]:
        doubled = 2 * x
        yield exchange
        return (doubled + 1,)

    return iteration


def test_an_exchange_stands_between_two_pieces(tape_recorder: Any) -> None:
    exchanged: list[tuple[int, int]] = []
    recorded = RecordedIteration(
        in_two_pieces(lambda: exchanged.append((tape_recorder.recorded, tape_recorder.played))), tape_recorder
    )
    assert [float(recorded(torch.tensor(float(i)))[0]) for i in range(5)] == [1, 3, 5, 7, 9]
    # Twice without a recording; then after the first of two pieces, recorded at first and played later.
    assert exchanged == [(0, 0), (0, 0), (1, 1), (2, 3), (2, 5)]


def test_numbers_of_the_host_have_recordings_of_their_own(tape_recorder: Any) -> None:
    def scaled(x: Tensor, share: float) -> Pieces[tuple[Tensor, ...]]:
        yield from ()
        return (share * x,)

    recorded = RecordedIteration(scaled, tape_recorder)
    shares = [0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.5]
    assert [float(recorded(torch.tensor(8.0), share=share)[0]) for share in shares] == [8 * s for s in shares]
    assert tape_recorder.recorded == 2


def test_a_recording_that_fails_after_an_exchange_cannot_begin_again() -> None:
    class FailsLater(Failing):
        def record(self, call: Any) -> Any:
            self.tries += 1
            if self.tries == 2:
                raise RuntimeError("operation not permitted")
            found = call()
            return lambda: found

    recorded = RecordedIteration(in_two_pieces(lambda: None), FailsLater())
    for _ in range(graph_module.WARM_UP):
        recorded(torch.ones(1))
    with pytest.raises(AutodasError, match=r"start the run with `compute\.graphs=off`"):
        recorded(torch.ones(1))
