"""Settings in messages of the library, rewritten as flags of the command line."""

from __future__ import annotations

import re

_SETTING = re.compile(r"`([a-z]\w*(?:\.\w+)*)(?:=([^`]+))?`")


def with_flags(message: str) -> str:
    """Return a message with its settings written as flags.

    The library writes settings as in Python, between backticks.

    >>> with_flags("a smaller `optim.lr` or `micro_batches=4` may help")
    'a smaller --optim.lr or --micro_batches 4 may help'
    """
    return _SETTING.sub(lambda match: " ".join(filter(None, (f"--{match[1]}", match[2]))), message)


def note_line(remark: str) -> str:
    """Return the line in which a command shows a remark of the library."""
    return f"note: {with_flags(remark)}"
