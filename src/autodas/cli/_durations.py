"""Durations with units: ``1s``, ``500ms``, ``30d``."""

from __future__ import annotations

import math
import re

from autodas.errors import AutodasError

_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}


def seconds_of(option: str, text: str) -> float:
    """Return a duration in seconds.

    Args:
        option: name of the option, for the error message.
        text: positive number with a unit (ms, s, min, h, d), or in seconds.

    Raises:
        AutodasError: if the text is not a duration.
    """
    match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*([a-z]*)\s*", text)
    seconds = float(match[1]) * _UNITS.get(match[2], math.nan) if match else math.nan
    if not 0 < seconds < math.inf:
        raise AutodasError(f"{option}={text} is not a duration: write 0.5, 1s, 500ms, 2min, 1h or 30d")
    return seconds
