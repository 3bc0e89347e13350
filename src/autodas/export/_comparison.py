"""Comparison of an export with its network, before it is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from autodas.errors import AutodasError
from autodas.training.model_file import ModelFacts

TOLERANCE = 1e-4
"""Largest difference of outputs, relative to the largest output if that is above 1."""
TOLERANCE_INT8 = 0.25
"""Largest difference of the outputs of integers: the root mean square, relative to the standard deviation."""


def sample_inputs(facts: ModelFacts, count: int = 2, side: int | None = None) -> Tensor:
    """Return random inputs, as they are after normalisation; always the same.

    Args:
        facts: description of the network.
        count: number of images or clips.
        side: height and width; by default those of the training.

    Returns:
        float32 (count, C, H, W) or (count, C, T, H, W).
    """
    side = side or facts.image_size
    frames = () if facts.frames is None else (facts.frames,)
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, facts.channels, *frames, side, side, generator=generator)


def check_same_outputs(
    network: nn.Module, written: nn.Module, inputs: Sequence[Tensor], path: Path, *, integers: bool = False
) -> float:
    """Return the largest difference between the outputs of a network and of an export of it.

    Args:
        network: the network, in evaluation mode.
        written: the export, read again.
        inputs: batches of inputs.
        path: place of the export, for the error.
        integers: whether it computes in integers of 8 bits.

    Raises:
        AutodasError: if it differs by more than :data:`TOLERANCE` or :data:`TOLERANCE_INT8`.
    """
    with torch.no_grad():
        wanted = torch.cat([network(x) for x in inputs])
        found = torch.cat([written(x) for x in inputs])
    largest = float((found - wanted).abs().max())
    if integers:
        error, most = float((found - wanted).pow(2).mean().sqrt() / wanted.std()), TOLERANCE_INT8
        what = "root mean square difference, relative to the standard deviation"
    else:
        error, most = largest / max(1.0, float(wanted.abs().max())), TOLERANCE
        what = "largest difference"
    if not error <= most:  # also if it is not a number
        raise AutodasError(
            f"{path}: not written: its outputs differ from those of the network: the {what} is {error:.2g}, "
            f"more than {most:g}"
        )
    return largest
