"""Upper limits of sizes, far beyond practical use but small enough to prevent hangs and exhausted memory.

Files and options are checked against these limits before anything is built from them.
"""

from __future__ import annotations

from math import inf

MOST_CLASSES = 1_000_000
MOST_CHANNELS = 65_536
MOST_PIXELS_ACROSS = 16_384
MOST_FRAMES = 100_000
MOST_CELLS = 1_000
"""Normal cells in a stage, K."""
MOST_NODES = 100
"""Inputs, nodes, edges of a node, and kinds of cells in a genotype."""
MOST_EDGES = 10_000
"""Edges of all cells of a network together; published networks have a few hundred."""
MOST_PARAMETERS = 10**10

MOST_THREADS = 1_024
"""CPU threads; numerical libraries fail with tens of thousands."""

_LARGEST = {
    "epochs": 1_000_000,
    "train_epochs": 1_000_000,
    "warmup_epochs": 1_000_000,
    "batch_size": 1_000_000,
    "micro_batches": 1_000_000,
    "K": MOST_CELLS,
    "C1": MOST_CHANNELS,
    "C2": MOST_CHANNELS,
    "classes": MOST_CLASSES,
    "channels": MOST_CHANNELS,
    "image_size": MOST_PIXELS_ACROSS,
    "frames": MOST_FRAMES,
    "frame_step": MOST_FRAMES,
    "cutout": MOST_PIXELS_ACROSS,
    "crop_padding": MOST_PIXELS_ACROSS,
    "workers": 1_000,
    "threads": MOST_THREADS,
    "jobs": 1_000,
    "seeds": 10_000,
    "width": 64,
    "seed": 2**63 - 1,
    "parameters": 10**15,
    "multiply_adds": 10**18,
}


def largest(name: str, whole: bool = True) -> float:
    """Return the largest value of a setting.

    Args:
        name: last part of its name.
        whole: whether it is a whole number.
    """
    return _LARGEST.get(name, 2**31 - 1 if whole else inf)
