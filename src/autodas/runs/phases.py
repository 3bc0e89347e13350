"""Phases of a search, and the parts of them without steps of the architecture or without decisions."""

from __future__ import annotations

from typing import NamedTuple

from autodas.runs.events import Start

PARTS = {"weights_only": "weights only", "warmup": "warm-up", "settle": "settle"}
"""Fields of a phase in the event ``start``, each a number of iterations, with the names of these parts."""


class Stretch(NamedTuple):
    """Part of a search.

    Attributes:
        name: name of the phase, or of the part of a phase.
        first: number of iterations before it.
        last: its last iteration.
    """

    name: str
    first: int
    last: int


class SearchPhase(NamedTuple):
    """Phase of a search.

    Attributes:
        whole: the phase.
        parts: its parts in which the architecture is not trained, or in which nothing is decided although
            the method decides during the search. A warm-up that is no longer than the training of the
            weights only is left out.
    """

    whole: Stretch
    parts: tuple[Stretch, ...]


def phases_of(start: Start) -> list[SearchPhase]:
    """Return the phases of a search in order.

    Args:
        start: event of its start. A log that does not say how long its phases are has none; the phases of
            older logs have no parts.
    """
    phases, before = [], 0
    for told in start.phases or ():
        length = told.get("iterations")
        if length is None:
            return []
        end = before + length
        weights_only, warmup, settle = (min(told.get(part, 0), length) for part in PARTS)
        parts = (
            Stretch(PARTS["weights_only"], before, before + weights_only),
            Stretch(PARTS["warmup"], before + weights_only, before + warmup),
            Stretch(PARTS["settle"], end - settle, end),
        )
        whole = Stretch(str(told.get("name", "")), before, end)
        phases.append(SearchPhase(whole, tuple(part for part in parts if part.first < part.last)))
        before = end
    return phases


def phase_name(phases: list[SearchPhase], iteration: int) -> str:
    """Return the name of the phase of an iteration; an empty text if there is only one phase.

    Args:
        phases: phases of a search.
        iteration: iteration, from 0; the start of a search belongs to its first phase.
    """
    if len(phases) < 2:
        return ""
    return next((whole.name for whole, _ in phases if iteration <= whole.last), "")
