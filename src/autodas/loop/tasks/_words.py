"""Scores in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def samples_in_words(summary: Mapping[str, Any]) -> str:
    """Return the number of evaluated samples: ``400 images``."""
    return f"{summary['count']:,} {'videos' if 'clips' in summary else 'images'}"


def with_interval(summary: Mapping[str, Any], name: str) -> str:
    """Return a score with its interval: ``61.2 % (400 images, 95 % interval 58.0 to 64.1)``."""
    interval = summary.get("interval")
    told = "" if interval is None else f", 95 % interval {interval[0]:.1f} to {interval[1]:.1f}"
    return f"{summary[name]:.1f} % ({samples_in_words(summary)}{told})"
