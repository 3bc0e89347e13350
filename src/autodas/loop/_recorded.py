"""An iteration that is recorded once and played back: the host launches one graph, not every operation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from typing import Protocol

import torch
from torch import Tensor

from autodas.settings import Graphs

Outputs = tuple[Tensor, ...]

WARM_UP = 2
"""How often an iteration is run as usual before it is recorded: once to make what lasts, such as the state
of optimisers and plans of cells, and once more to see that nothing new is made."""


class Recorder(Protocol):
    """How an iteration is recorded."""

    def warm_up(self, call: Callable[[], Outputs]) -> Outputs:
        """Run a call as usual, where it will be recorded."""
        ...

    def record(self, call: Callable[[], Outputs]) -> Callable[[], Outputs]:
        """Record a call without doing it; what is returned does it, and gives the same tensors each time."""
        ...


class CudaRecorder:
    """Records CUDA graphs, one after the other in the same memory.

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
            found = call()
        current.wait_stream(self.stream)
        return found

    def record(self, call: Callable[[], Outputs]) -> Callable[[], Outputs]:
        """Record a call in a graph; random numbers go on where they are whenever it is played."""
        graph = torch.cuda.CUDAGraph()
        generator = torch.cuda.default_generators[self.device.index]
        before = generator.clone_state()
        try:
            # Threads that pin batches may allocate memory meanwhile.
            with torch.cuda.graph(
                graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"
            ):
                found = call()
        except BaseException:
            # A recording that broke off leaves the generator waiting for its end.
            generator.graphsafe_set_state(before)
            raise

        def play() -> Outputs:
            graph.replay()
            return found

        return play


def recorder_for(device: torch.device, graphs: Graphs) -> Recorder | None:
    """Return what records iterations on a device; ``None`` where they are not recorded.

    Args:
        device: where iterations are computed.
        graphs: what the user wants; ``"auto"`` records on CUDA devices.
    """
    return CudaRecorder(device) if graphs == "auto" and device.type == "cuda" else None


class RecordedIteration:
    """An iteration, to be called with its batches; recorded where that is possible.

    What is recorded does the same operations on the same memory with the same numbers of the host, so all
    that changes from call to call has to be in tensors that stay: the batches, which are copied, parameters,
    the state of optimisers, learning rates, sums of metrics, generators of the device. When anything else
    changes, :meth:`forget` has to be told. A recording that fails is given up for good, and iterations are
    computed as usual.

    Args:
        iteration: from batches to tensors. It must not wait for the device, and keep no count on the host.
        recorder: see :func:`recorder_for`.
        say: is told, in one line, when a recording fails.

    Attributes:
        failure: why the recording failed, ``None`` where it did not.
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
        """Drop what was recorded: something that is not in lasting tensors has changed."""
        self._seen: Counter[Hashable] = Counter()
        self._recorded: dict[Hashable, tuple[tuple[Tensor, ...], Callable[[], Outputs]]] = {}

    def __call__(self, *batches: Tensor) -> Outputs:
        """Do one iteration.

        Args:
            batches: tensors on the device. For each combination of shapes there is a recording.
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
        return tuple(found.clone() for found in play())

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
            self.say(f"iterations are not recorded as CUDA graphs ({self.failure[:200]}): they take longer")
            return False
        return True
