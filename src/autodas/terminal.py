"""Safe output of names and values from files, which must not control the terminal."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

LONGEST = 1000
"""Largest length of a message in characters."""

# Control characters (a carriage return is harmless only at the end of a line), marks of writing direction,
# line separators other than line feeds, and lone surrogates.
_ACTING = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
    r"|\r(?!\n)"
)


def visible(text: str) -> str:
    r"""Return a text with escapes such as ``\x1b`` for all characters that could control a terminal.

    Line feeds and tabs are kept. File names that are not UTF-8 contain lone surrogates, such as ``\udcff``.
    """
    return _ACTING.sub(lambda match: ascii(match.group())[1:-1], text)


def message(text: str, longest: int = LONGEST) -> str:
    """Return a message as one line without control characters, shortened in the middle if it is too long.

    Args:
        text: text of any length and content.
        longest: largest length of the result in characters.
    """
    # Keep both ends of a long text: the problem is often stated at the end, after a name.
    if len(text) > 4 * longest:
        text = f"{text[: 2 * longest]}{text[-2 * longest :]}"
    line = visible(" ".join(text.split("\n")))
    if len(line) <= longest:
        return line
    end = min(longest // 3, 200)
    return f"{line[: longest - end - 5]} ... {line[len(line) - end :]}"


@contextmanager
def visible_output() -> Iterator[None]:
    """Escape everything printed to the standard streams: control characters and those they cannot encode."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast(TextIO, _Visible(stream)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a stream is a terminal; it is ``None`` in programs without standard streams."""
    return stream is not None and not stream.closed and stream.isatty()


def raw_stream(stream: TextIO) -> TextIO:
    """Return the stream below :func:`visible_output`, for output that moves the cursor on purpose."""
    return stream.stream if isinstance(stream, _Visible) else stream


class _Visible:
    """Wrapper of a stream that escapes its text."""

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
