"""Smaller spaces, for tests whose time is that of a supernet's operations."""

from __future__ import annotations

from dataclasses import replace

from autodas.spaces import Space

FEW = ("skip_connect", "max_pool_3x3", "sep_conv_3x3", "dil_conv_3x3")
"""An operation of each sort, for images."""


def narrow(space: Space) -> Space:
    """Return a space with cells of two nodes instead of four: five edges instead of fourteen."""
    return replace(space, cell=replace(space.cell, nodes=2, altered=True))


def small(space: Space) -> Space:
    """Return a space of images with cells of two nodes and four operations."""
    return narrow(space.with_operations(FEW))
