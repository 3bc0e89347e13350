"""The sections of a search."""

from __future__ import annotations

from autodas.report.page._drawing import draw_evolution
from autodas.report.page._evolution import evolution_of
from autodas.report.page._html import section
from autodas.report.page._run import Run


def evolution(run: Run, prefix: str) -> str:
    """The evolution of the architecture."""
    found = evolution_of(run)
    if len(found.frames) < 2 or not found.tracks:
        return ""
    return section(f"{prefix}evolution", "Evolution", draw_evolution(found, prefix))


SEARCH_SECTIONS = (evolution,)
"""In the order of the page; each takes a run and what identifiers begin with."""
