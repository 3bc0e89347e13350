"""Leading operations of the edges of a search, and how long they have led."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from autodas.reading import known
from autodas.runs.events import Decision, Epoch, Event

WINDOW = 5
"""Number of evaluations, one at the end of each epoch, over which a leading operation is followed."""


class Leaders:
    """Operations that led, or were decided for, at the latest evaluations of a search: a fold of its log.

    Args:
        log: events so far.
    """

    def __init__(self, log: Iterable[Event] = ()) -> None:
        self._epochs: deque[Epoch] = deque(maxlen=WINDOW)
        self._decided: dict[tuple[str, tuple[int, ...]], str | None] = {}
        for event in log:
            self.add(event)

    def add(self, event: Event) -> None:
        """Add the next event."""
        if isinstance(event, Epoch):
            self._epochs.append(event)
        elif isinstance(event, Decision) and event.what == "edge":
            self._decided[event.kind, tuple(event.edge or ())] = event.operation

    def decided(self, kind: str, edge: Sequence[int]) -> str | None:
        """Return the operation that was decided for an edge; ``None`` for open edges.

        Args:
            kind: cell kind.
            edge: predecessor and state.
        """
        return self._decided.get((kind, tuple(edge)))

    def before(self, iteration: int, since: int, kind: str, number: int) -> list[tuple[int, str]]:
        """Return what led an edge at the evaluations with which its leader at an iteration is compared.

        Together with that iteration these are :data:`WINDOW` evaluations, fewer at the start.

        Args:
            iteration: iteration of the comparison, counted over the whole run.
            since: last iteration before the architecture of the phase is trained: nothing can change until
                then.
            kind: cell kind.
            number: number of the edge in its cell space.

        Returns:
            Iterations and operations.
        """
        epochs = [epoch for epoch in self._epochs if since < epoch.iteration < iteration]
        found = [(epoch.iteration, _leader(epoch, kind, number)) for epoch in epochs]
        return [(when, name) for when, name in found if name is not None][1 - WINDOW :]


def _leader(epoch: Epoch, kind: str, number: int) -> str | None:
    leaders = known(epoch.kinds, [kind, "leaders"])  # logs of version 0.1 lack them
    return leaders[number] if isinstance(leaders, list) and number < len(leaders) else None
