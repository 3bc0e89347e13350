"""Display of objects in notebooks, by functions of ``report/`` that are imported on use."""

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
    """Return the drawing or the HTML of an object; ``None`` if nothing can be drawn.

    Args:
        what: kind of object.
        facts: arguments of its drawing function.
    """
    module, _, function = _DRAWN_BY[what].partition(":")
    return getattr(import_module(module), function)(*facts)
