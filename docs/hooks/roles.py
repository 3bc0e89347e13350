"""Extension of the documentation build: roles of docstrings, such as ``:class:`X```, as Markdown."""

from __future__ import annotations

import re
from typing import Any

import griffe

ROLE = re.compile(r":(?P<role>\w+):`~?(?P<text>[^`]+)`")
LITERAL = re.compile(r"``([^`]+)``")


class Roles(griffe.Extension):
    """Names and formulas in the text of docstrings are printed as code."""

    def on_instance(self, *, obj: griffe.Object, **options: Any) -> None:
        """Rewrite the docstring of an object."""
        if obj.docstring is not None:
            obj.docstring.value = LITERAL.sub(r"`\1`", ROLE.sub(_code, obj.docstring.value))


def _code(match: re.Match[str]) -> str:
    text = " ".join(match["text"].split())
    return f"`{text if match['role'] == 'math' else text.rpartition('.')[2]}`"
