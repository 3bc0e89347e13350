"""What is raised for one sample that cannot be read."""

from __future__ import annotations


class UnreadableError(Exception):
    """A sample that cannot be decoded; the message is the reason."""
