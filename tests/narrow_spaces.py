"""Smaller spaces, for tests whose time is that of a supernet's operations."""

from __future__ import annotations

from dataclasses import replace

from autodas.spaces import Space


def narrow(space: Space) -> Space:
    """Return a space with cells of two nodes instead of four: five edges instead of fourteen."""
    return replace(space, cell=replace(space.cell, nodes=2, altered=True))
