"""Error for one sample that cannot be read."""

from __future__ import annotations


class UnreadableError(Exception):
    """Sample that cannot be decoded; the message is the reason."""
