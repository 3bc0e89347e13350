"""An iteration that is recorded once and replayed: the host launches one CUDA graph, not every operation."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from autodas.kernels import holding
from autodas.settings import Graphs

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

    def record(self, call: Callable[[], Outputs]) -> Callable[[], Outputs]:
        """Record a call without running it; the result runs it and returns the same tensors each time."""
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

    def record(self, call: Callable[[], Outputs]) -> Callable[[], Outputs]:
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

        def play() -> Outputs:
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
        play: function that plays it.
        held: everything else whose memory it reads and that nothing else may keep.
    """

    batches: tuple[Tensor, ...]
    play: Callable[[], Outputs]
    held: Sequence[Any]


class RecordedIteration:
    """An iteration, called with its batches and recorded if possible.

    A recording repeats the same operations on the same memory with the same host-side numbers, so everything
    that changes between calls must be in persistent tensors: the batches, which are copied, parameters, the
    state of optimisers, learning rates, sums of metrics, generators of the device. When anything else
    changes, call :meth:`forget`. After a failed recording no other is attempted, and iterations are computed
    as usual.

    Args:
        iteration: function from batches to tensors. It must not synchronise with the device, nor keep counts
            on the host.
        recorder: see :func:`recorder_for`.
        say: function that reports a failed recording, in one line.
        drop_gradients: function that drops the gradients left by an iteration, which take up the memory of
            its recording.

    Attributes:
        failure: why the recording failed; ``None`` if it did not.
    """

    def __init__(
        self,
        iteration: Callable[..., Outputs],
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

    def __call__(self, *batches: Tensor, left: float = math.inf) -> Outputs:
        """Run one iteration.

        Args:
            batches: tensors on the device. Each combination of shapes has its own recording.
            left: number of iterations, with this one, until :meth:`forget` will be called.
        """
        if self.recorder is None:
            return self.iteration(*batches)
        key = tuple((b.shape, b.stride(), b.dtype) for b in batches)
        if key not in self._recorded:
            self._seen[key] += 1
            pays = self._seen[key] > self._warm_up and left >= PAYS
            if not pays or not self._record(self.recorder, key, batches):
                return self._as_usual(batches)
        recording = self._recorded[key]
        for own, batch in zip(recording.batches, batches, strict=True):
            own.copy_(batch, non_blocking=True)
        return tuple(output.clone() for output in recording.play())

    def _as_usual(self, batches: tuple[Tensor, ...]) -> Outputs:
        if self.recorder is None:
            return self.iteration(*batches)
        return self.recorder.warm_up(lambda: self.iteration(*batches))

    def _record(self, recorder: Recorder, key: Hashable, batches: tuple[Tensor, ...]) -> bool:
        kept = tuple(batch.clone() for batch in batches)
        try:
            with holding() as held:
                play = recorder.record(lambda: self.iteration(*kept))
        except RuntimeError as error:
            self.recorder, self.failure = None, " ".join(str(_cause(error)).split())
            self.say(f"iterations are not recorded as CUDA graphs ({self.failure[:200]}) and take longer")
        else:
            self._recorded[key], self._warm_up = _Recording(kept, play, held), WARM_UP_AGAIN
            return True
        # Outside the handler: the error keeps the tensors of the broken recording alive.
        self._release(recorder)
        return False


def _cause(error: BaseException) -> BaseException:
    """Return the error that made a recording fail: the end of the recording then raises another one."""
    while isinstance(error.__context__, RuntimeError):
        error = error.__context__
    return error
