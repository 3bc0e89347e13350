"""Processes that compute a run together, and what they exchange."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import accumulate, zip_longest
from typing import Any, TypeVar

import torch
import torch.distributed
from torch import Tensor

from autodas.errors import AutodasError, Relayed

T = TypeVar("T")

Exchange = Callable[[], None]
"""Exchange between processes, which is not part of a recording."""

Pieces = Generator[Exchange, None, T]
"""Computation that pauses wherever the processes exchange something: it goes on once that is done."""

_MISSING: Any = object()

PATIENCE = timedelta(hours=24)
"""Longest wait for what another process does alone, such as storing decoded videos. A process that ends is
noticed at once."""


def finished(pieces: Pieces[T]) -> T:
    """Run a computation to its end, with all exchanges; return its result."""
    while True:
        try:
            exchange = next(pieces)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        exchange()


class Group:
    """The processes of a run; of this class itself, a single one, which exchanges nothing.

    All methods are called by all processes, in the same order.

    Attributes:
        rank: number of this process, from 0.
        size: number of processes.
    """

    rank = 0
    size = 1

    @property
    def first(self) -> bool:
        """Whether this is the first process: the one that writes the run folder and talks to the user."""
        return self.rank == 0

    def sum_gradients(self, parameters: Sequence[Tensor], loss: Tensor, share: float) -> Pieces[Tensor]:
        """Replace gradients by their weighted sum over all processes; return that of the losses.

        Args:
            parameters: tensors with a gradient, or without one in all processes.
            loss: loss of this process's part of the batch, a scalar.
            share: weight of this process: its share of the batch.
        """
        yield from ()
        return loss

    def collect_(self, sums: Tensor) -> None:
        """Replace sums by those over all processes in the first one, and by zero in the others."""

    def mean_(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors by their means over all processes."""

    def most(self, *numbers: int) -> list[int]:
        """Return the maximum of each number over all processes."""
        return list(numbers)

    def any(self, flag: bool) -> bool:
        """Return whether a flag is set in any process."""
        return bool(self.most(flag)[0])

    def longest(self, seconds: float) -> float:
        """Return the longest of the times that the processes took for the same work."""
        return self.most(round(seconds * 1e9))[0] / 1e9

    def gather(self, value: T) -> list[T]:
        """Return the values of all processes, by their numbers."""
        return [value]

    def in_turn(self, values: Sequence[T]) -> list[T]:
        """Return the values of all processes, the first of each, then the second of each, ..."""
        turns = zip_longest(*self.gather(values), fillvalue=_MISSING)
        return [value for turn in turns for value in turn if value is not _MISSING]

    def from_first(self, work: Callable[[], T]) -> T:
        """Return what a function returns in the first process; the others do not call it.

        Raises:
            Exception: in the first process, what the function raises.
            Relayed: in the others, if it does.
        """
        return work()

    def after_first(self, work: Callable[[], T]) -> T:
        """Call a function in the first process, and then in the others; return each one's own result.

        Raises:
            Exception: in the first process, what the function raises.
            Relayed: in the others, if it does.
        """
        results: list[T] = []
        self.from_first(lambda: results.append(work()))
        return results[0] if self.first else work()


ALONE = Group()


class Several(Group):
    """Several processes, connected by ``torch.distributed``.

    Tensors are summed on the devices on which they are, everything else is exchanged between the hosts. Sums
    have the same bits in all processes, and for the same number of processes in every run.
    """

    def __init__(self) -> None:
        self.rank, self.size = torch.distributed.get_rank(), torch.distributed.get_world_size()
        with _explained():
            self._hosts = torch.distributed.new_group(backend="gloo", timeout=PATIENCE)

    def sum_gradients(self, parameters: Sequence[Tensor], loss: Tensor, share: float) -> Pieces[Tensor]:
        """Sum gradients and losses, all in one exchange."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([*(gradient.reshape(-1) for gradient in gradients), loss.reshape(1)])
        # Not if the share is 0: what another process computes, too, may be infinite.
        flat = flat * share if share > 0 else torch.zeros_like(flat)
        yield lambda: self._sum(flat)
        _copy_to(gradients, flat)
        return flat[-1].to(loss.dtype)

    def _sum(self, tensor: Tensor, group: Any = None) -> None:
        with _explained():
            torch.distributed.all_reduce(tensor, group=group)

    def collect_(self, sums: Tensor) -> None:
        """Add up sums in the first process."""
        self._sum(sums)
        if not self.first:
            sums.zero_()

    def mean_(self, tensors: Sequence[Tensor]) -> None:
        """Average tensors, all in one exchange."""
        if not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        self._sum(flat)
        _copy_to(tensors, flat / self.size)

    def most(self, *numbers: int) -> list[int]:
        """Take the maximum over the hosts."""
        found = torch.tensor(numbers, dtype=torch.int64)
        with _explained():
            torch.distributed.all_reduce(found, torch.distributed.ReduceOp.MAX, group=self._hosts)
        return found.tolist()

    def gather(self, value: T) -> list[T]:
        """Collect the values of all hosts."""
        values: list[Any] = [None] * self.size
        with _explained():
            torch.distributed.all_gather_object(values, value, group=self._hosts)
        return values

    def from_first(self, work: Callable[[], T]) -> T:
        """Call the function in the first process, and send the others what it returns or raises."""
        answer: list[Any] = [None, None]
        failure: Exception | None = None
        if self.first:
            try:
                answer = [work(), None]
            except Exception as error:
                failure, answer = error, [None, str(error)]
        with _explained():
            torch.distributed.broadcast_object_list(answer, src=0, group=self._hosts)
        if failure is not None:
            raise failure
        result, message = answer
        if message is not None:
            raise Relayed(message)
        return result  # type: ignore[no-any-return]


def _copy_to(tensors: Sequence[Tensor], flat: Tensor) -> None:
    """Copy the beginning of a flat tensor to tensors, one after the other."""
    if tensors:
        ends = list(accumulate(tensor.numel() for tensor in tensors))
        parts = [
            flat[end - tensor.numel() : end].view(tensor.shape)
            for tensor, end in zip(tensors, ends, strict=True)
        ]
        torch._foreach_copy_(list(tensors), parts)


@contextmanager
def _explained() -> Iterator[None]:
    """Turn the failure of an exchange into a user error: usually another process has ended."""
    try:
        yield
    except RuntimeError as error:
        cause = str(error).rpartition("] ")[2].partition(". ")[0] or type(error).__name__
        raise AutodasError(
            "another process of this run has ended or does not answer; what it says itself tells why "
            f"({cause[:100]})"
        ) from error
