"""An iteration that is recorded once and replayed: the host launches one CUDA graph, not every operation."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Protocol, TypeVar

import torch
from torch import Tensor

from autodas.errors import AutodasError
from autodas.kernels import holding
from autodas.loop._group import Exchange, Pieces, finished
from autodas.settings import Graphs

T = TypeVar("T")

Outputs = tuple[Tensor, ...]

WARM_UP = 2
"""Number of ordinary runs of an iteration before the first recording: one to create persistent objects, such
as the state of optimisers and plans of cells, and one more in which nothing new is created."""

WARM_UP_AGAIN = 1
"""The same before later recordings: only plans of cells and numbers on the device are new, which one run
creates."""

PAYS = 20
"""Number of iterations from which a recording pays. Recording takes as long as several ordinary iterations,
and a replay saves most of one (estimated from the number of operations; not measured on a GPU)."""


class Recorder(Protocol):
    """Recorder of an iteration."""

    def warm_up(self, call: Callable[[], Outputs]) -> Outputs:
        """Run a call as usual, in the environment in which it will be recorded."""
        ...

    def record(self, call: Callable[[], T]) -> Callable[[], T]:
        """Record a call without running it; the result runs it and returns the same value each time."""
        ...

    def forget(self) -> None:
        """Release the memory of all recordings, of which none will be played again."""
        ...


class CudaRecorder:
    """Recorder of CUDA graphs, which share one memory pool until they are dropped together.

    Args:
        device: a CUDA device.
    """

    failed: ClassVar[bool] = False
    """Whether a recording has failed in this process: torch's allocator may then go on as if it were still
    recording, so that no other recording is attempted."""

    def __init__(self, device: torch.device) -> None:
        self.device = torch.device(
            "cuda", torch.cuda.current_device() if device.index is None else device.index
        )
        self.stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        self.pool = torch.cuda.graph_pool_handle()

    def warm_up(self, call: Callable[[], Outputs]) -> Outputs:
        """Run a call on the stream on which it will be recorded."""
        current = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            outputs = call()
        current.wait_stream(self.stream)
        return outputs

    def record(self, call: Callable[[], T]) -> Callable[[], T]:
        """Record a call in a CUDA graph; each replay continues the random number sequence of the device."""
        graph = torch.cuda.CUDAGraph()
        generator = torch.cuda.default_generators[self.device.index]
        before, current = generator.clone_state(), torch.cuda.current_stream(self.device)
        try:
            # Threads that pin batches may allocate memory meanwhile.
            with torch.cuda.graph(
                graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"
            ):
                outputs = call()
        except BaseException:
            # A failed recording leaves its stream current, and the generator waiting for its end.
            torch.cuda.set_stream(current)
            generator.graphsafe_set_state(before)
            CudaRecorder.failed = True
            raise

        def play() -> T:
            graph.replay()
            return outputs

        return play

    def forget(self) -> None:
        """Release the memory of all recordings."""
        # A pool of which any tensor is still alive cannot be used again by another recording.
        self.pool = torch.cuda.graph_pool_handle()
        with suppress(RuntimeError):  # after a failed recording
            torch.cuda.empty_cache()


def recorder_for(device: torch.device, graphs: Graphs) -> Recorder | None:
    """Return the recorder of iterations on a device; ``None`` if they are not recorded.

    Args:
        device: device on which iterations are computed.
        graphs: the user's choice; ``"auto"`` records on CUDA devices.
    """
    wanted = graphs == "auto" and device.type == "cuda" and not CudaRecorder.failed
    return CudaRecorder(device) if wanted else None


@dataclass(frozen=True)
class _Recording:
    """A recording.

    Args:
        batches: the tensors that it reads.
        plays: functions that play its pieces in turn.
        exchanges: what processes exchange after each piece but the last.
        outputs: the tensors that it returns.
        held: everything else whose memory it reads and that nothing else may keep.
    """

    batches: tuple[Tensor, ...]
    plays: Sequence[Callable[[], object]]
    exchanges: Sequence[Exchange]
    outputs: Outputs
    held: Sequence[Any]

    def play(self) -> None:
        """Play all pieces, with the exchanges between them."""
        *before, last = self.plays
        for play, exchange in zip(before, self.exchanges, strict=True):
            play()
            exchange()
        last()


class RecordedIteration:
    """An iteration, called with its batches and recorded if possible.

    A recording repeats the same operations on the same memory with the same host-side numbers, so everything
    that changes between calls must be in persistent tensors: the batches, which are copied, parameters, the
    state of optimisers, learning rates, sums of metrics, generators of the device. When anything else
    changes, call :meth:`forget`. After a failed recording no other is attempted, and iterations are computed
    as usual.

    Args:
        iteration: generator function from batches to tensors, which pauses for each exchange between
            processes: what comes between two exchanges is recorded as one piece. It must not synchronise with
            the device, nor keep counts on the host.
        recorder: see :func:`recorder_for`.
        say: function that reports a failed recording, in one line.
        drop_gradients: function that drops the gradients left by an iteration, which take up the memory of
            its recording.

    Attributes:
        failure: why the recording failed; ``None`` if it did not.
    """

    def __init__(
        self,
        iteration: Callable[..., Pieces[Outputs]],
        recorder: Recorder | None,
        say: Callable[[str], None] = lambda text: None,
        drop_gradients: Callable[[], None] = lambda: None,
    ) -> None:
        self.iteration, self.recorder, self.say = iteration, recorder, say
        self.drop_gradients = drop_gradients
        self.failure: str | None = None
        self._warm_up = WARM_UP
        self._seen: Counter[Hashable] = Counter()
        self._recorded: dict[Hashable, _Recording] = {}

    def forget(self) -> None:
        """Drop the recording: something outside the persistent tensors has changed."""
        self._seen.clear()
        if self._recorded and self.recorder is not None:
            self._release(self.recorder)

    def _release(self, recorder: Recorder) -> None:
        self._recorded.clear()
        self.drop_gradients()
        recorder.forget()

    def __call__(self, *batches: Tensor, left: float = math.inf, **numbers: Hashable) -> Outputs:
        """Run one iteration.

        Args:
            batches: tensors on the device.
            left: number of iterations, with this one, until :meth:`forget` will be called.
            numbers: numbers on the host that the iteration is called with. Each combination of them and of
                the shapes of batches has its own recording.

        Raises:
            AutodasError: if a recording fails after an exchange, so that the iteration cannot begin again.
        """
        if self.recorder is None:
            return finished(self.iteration(*batches, **numbers))
        key = tuple((b.shape, b.stride(), b.dtype) for b in batches), tuple(numbers.items())
        if key not in self._recorded:
            self._seen[key] += 1
            pays = self._seen[key] > self._warm_up and left >= PAYS
            if not pays or not self._record(self.recorder, key, batches, numbers):
                return self._as_usual(batches, numbers)
        else:
            recording = self._recorded[key]
            for own, batch in zip(recording.batches, batches, strict=True):
                own.copy_(batch, non_blocking=True)
            recording.play()
        return tuple(output.clone() for output in self._recorded[key].outputs)

    def _as_usual(self, batches: tuple[Tensor, ...], numbers: Mapping[str, Hashable]) -> Outputs:
        if self.recorder is None:
            return finished(self.iteration(*batches, **numbers))
        return self.recorder.warm_up(lambda: finished(self.iteration(*batches, **numbers)))

    def _record(
        self,
        recorder: Recorder,
        key: Hashable,
        batches: tuple[Tensor, ...],
        numbers: Mapping[str, Hashable],
    ) -> bool:
        """Record an iteration and run it, piece by piece; return whether this was possible."""
        kept = tuple(batch.clone() for batch in batches)
        plays: list[Callable[[], object]] = []
        exchanges: list[Exchange] = []
        try:
            with holding() as held:
                pieces, outputs = self.iteration(*kept, **numbers), None
                while outputs is None:
                    play = recorder.record(partial(_next, pieces))
                    plays.append(play)
                    # An exchange takes part in the iteration of all processes, recorded or not.
                    exchange, outputs = play()
                    if exchange is not None:
                        exchanges.append(exchange)
                        exchange()
        except RuntimeError as error:
            self.recorder, self.failure = None, " ".join(str(_cause(error)).split())
            if exchanges:
                raise AutodasError(
                    f"an iteration cannot be recorded as a CUDA graph ({self.failure[:200]}): start the "
                    "run with `compute.graphs=off`"
                ) from error
            self.say(f"iterations are not recorded as CUDA graphs ({self.failure[:200]}) and take longer")
        else:
            self._recorded[key] = _Recording(kept, plays, exchanges, outputs, held)
            self._warm_up = WARM_UP_AGAIN
            return True
        # Outside the handler: the error keeps the tensors of the broken recording alive.
        self._release(recorder)
        return False


def _next(pieces: Pieces[Outputs]) -> tuple[Exchange | None, Outputs | None]:
    """Compute the next piece; return the exchange that follows it, or the outputs after the last one."""
    try:
        return next(pieces), None
    except StopIteration as end:
        return None, end.value


def _cause(error: BaseException) -> BaseException:
    """Return the error that made a recording fail: the end of the recording then raises another one."""
    while isinstance(error.__context__, RuntimeError):
        error = error.__context__
    return error
