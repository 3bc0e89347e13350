"""Settings in messages of the library, as the flags of the command line."""

from __future__ import annotations

import re

_SETTING = re.compile(r"`([a-z]\w*(?:\.\w+)*)(?:=([^`\s]+))?`")


def with_flags(message: str) -> str:
    """Return a message in which settings are flags.

    The library writes settings as its callers do, between backticks.

    >>> with_flags("a smaller `optim.lr` or `micro_batches=4` may help")
    'a smaller --optim.lr or --micro_batches 4 may help'
    """
    return _SETTING.sub(lambda found: " ".join(filter(None, (f"--{found[1]}", found[2]))), message)
