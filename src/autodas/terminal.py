"""What reaches a terminal: names and values from files, of which none may act there."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

LONGEST = 1000
"""Characters of one message."""

# Control characters (a carriage return is harmless at the end of a line only), marks that turn the direction
# of writing, separators that end lines without being line feeds, and halves of characters.
_ACTING = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
    r"|\r(?!\n)"
)


def visible(text: str) -> str:
    r"""Return a text in which everything that could act on a terminal is written out, as ``\x1b``.

    Line feeds and tabs stay. Names of files that are no UTF-8 come as lone surrogates, such as ``\udcff``.
    """
    return _ACTING.sub(lambda found: ascii(found.group())[1:-1], text)


def message(text: str, longest: int = LONGEST) -> str:
    """Return a message as one visible line; of one that is too long, the middle is left out.

    Args:
        text: of any length; it may have been made of anything that a file held.
        longest: characters of the result, at most.
    """
    # Of a long text only both ends are looked at: what is wrong often stands at the end, behind a name.
    if len(text) > 4 * longest:
        text = f"{text[: 2 * longest]}{text[-2 * longest :]}"
    line = visible(" ".join(text.split("\n")))
    if len(line) <= longest:
        return line
    end = min(longest // 3, 200)
    return f"{line[: longest - end - 5]} ... {line[len(line) - end :]}"


@contextmanager
def visible_output() -> Iterator[None]:
    """Make everything visible that is printed, and whatever the terminal cannot write writable."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast(TextIO, _Visible(stream)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a person sees what is written; programs without standard streams have ``None`` there."""
    return stream is not None and not stream.closed and stream.isatty()


def raw_stream(stream: TextIO) -> TextIO:
    """Return the stream below :func:`visible_output`, for what moves the cursor on purpose."""
    return stream.stream if isinstance(stream, _Visible) else stream


class _Visible:
    """A stream whose text is made visible; everything else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = raw_stream(stream)

    def write(self, text: str) -> int:
        shown = visible(text)
        encoding = getattr(self.stream, "encoding", None)
        if encoding and not shown.isascii():
            shown = shown.encode(encoding, "backslashreplace").decode(encoding)
        self.stream.write(shown)
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
