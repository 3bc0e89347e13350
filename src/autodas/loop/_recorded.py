"""An iteration that is recorded once and replayed: the host launches one CUDA graph, not every operation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from typing import Protocol

import torch
from torch import Tensor

from autodas.settings import Graphs

Outputs = tuple[Tensor, ...]

WARM_UP = 2
"""Number of ordinary runs of an iteration before it is recorded: one to create persistent objects, such as
the state of optimisers and plans of cells, and one more in which nothing new is created."""


class Recorder(Protocol):
    """Recorder of an iteration."""

    def warm_up(self, call: Callable[[], Outputs]) -> Outputs:
        """Run a call as usual, in the environment in which it will be recorded."""
        ...

    def record(self, call: Callable[[], Outputs]) -> Callable[[], Outputs]:
        """Record a call without running it; the result runs it and returns the same tensors each time."""
        ...


class CudaRecorder:
    """Recorder of CUDA graphs, which share one memory pool.

    Args:
        device: a CUDA device.
    """

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
        before = generator.clone_state()
        try:
            # Threads that pin batches may allocate memory meanwhile.
            with torch.cuda.graph(
                graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"
            ):
                outputs = call()
        except BaseException:
            # A failed recording leaves the generator waiting for the end of the recording.
            generator.graphsafe_set_state(before)
            raise

        def play() -> Outputs:
            graph.replay()
            return outputs

        return play


def recorder_for(device: torch.device, graphs: Graphs) -> Recorder | None:
    """Return the recorder of iterations on a device; ``None`` if they are not recorded.

    Args:
        device: device on which iterations are computed.
        graphs: the user's choice; ``"auto"`` records on CUDA devices.
    """
    return CudaRecorder(device) if graphs == "auto" and device.type == "cuda" else None


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

    Attributes:
        failure: why the recording failed; ``None`` if it did not.
    """

    def __init__(
        self,
        iteration: Callable[..., Outputs],
        recorder: Recorder | None,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.iteration, self.recorder, self.say = iteration, recorder, say
        self.failure: str | None = None
        self.forget()

    def forget(self) -> None:
        """Drop the recording: something outside the persistent tensors has changed."""
        self._seen: Counter[Hashable] = Counter()
        self._recorded: dict[Hashable, tuple[tuple[Tensor, ...], Callable[[], Outputs]]] = {}

    def __call__(self, *batches: Tensor) -> Outputs:
        """Run one iteration.

        Args:
            batches: tensors on the device. Each combination of shapes has its own recording.
        """
        if self.recorder is None:
            return self.iteration(*batches)
        key = tuple((b.shape, b.stride(), b.dtype) for b in batches)
        if key not in self._recorded:
            self._seen[key] += 1
            if self._seen[key] <= WARM_UP or not self._record(self.recorder, key, batches):
                return self._as_usual(batches)
        kept, play = self._recorded[key]
        for own, batch in zip(kept, batches, strict=True):
            own.copy_(batch, non_blocking=True)
        return tuple(output.clone() for output in play())

    def _as_usual(self, batches: tuple[Tensor, ...]) -> Outputs:
        if self.recorder is None:
            return self.iteration(*batches)
        return self.recorder.warm_up(lambda: self.iteration(*batches))

    def _record(self, recorder: Recorder, key: Hashable, batches: tuple[Tensor, ...]) -> bool:
        kept = tuple(batch.clone() for batch in batches)
        try:
            self._recorded[key] = (kept, recorder.record(lambda: self.iteration(*kept)))
        except RuntimeError as error:
            self.forget()
            self.recorder, self.failure = None, " ".join(str(error).split())
            self.say(f"iterations are not recorded as CUDA graphs ({self.failure[:200]}) and take longer")
            return False
        return True
