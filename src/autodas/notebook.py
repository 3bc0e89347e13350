"""How objects show themselves in notebooks: drawn by ``report/``, which is imported when a notebook asks."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_DRAWN_BY = {
    "cells of a genotype": "autodas.report:genotype_svg",
    "genotype": "autodas.report:genotype_html",
    "result of a search": "autodas.report:result_html",
    "run": "autodas.report:run_html",
}


def drawn(what: str, *facts: Any) -> Any:
    """Return the picture or the HTML of an object; ``None`` where nothing can be drawn.

    Args:
        what: the kind of object.
        facts: what its drawing function takes.
    """
    module, _, function = _DRAWN_BY[what].partition(":")
    return getattr(import_module(module), function)(*facts)
