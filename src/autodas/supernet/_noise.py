"""Noise on the edges of a relaxed cell: dropout after identities, drop path of whole edges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from autodas.supernet._mixture import CellMixture, Noise

if TYPE_CHECKING:
    from autodas.supernet._cell import SupernetCell


@dataclass(frozen=True)
class EdgeMasks:
    """Random masks of one pass through a cell.

    Args:
        noise: the rates; the remainder is divided by the probability of being kept, so that means are
            preserved.
        skips: for each edge the mask of the identity's entries that are kept, shape (batch, channels, *map).
        paths: for each edge the mask of the samples that keep it, shape (batch, 1, ...).
    """

    noise: Noise
    skips: Mapping[int, Tensor]
    paths: Mapping[int, Tensor]

    def after(self, edge: int, module: nn.Module, out: Tensor) -> Tensor:
        """Return the output of a candidate of an edge after dropout."""
        if edge in self.skips and is_plain_skip(module):
            return out * self.skips[edge] / (1 - self.noise.skip_dropout)
        return out

    def along(self, edge: int, term: Tensor) -> Tensor:
        """Return the contribution of an edge to its node after drop path."""
        if edge in self.paths:
            return term * (self.paths[edge].to(term.dtype) / (1 - self.noise.drop_path))
        return term


def is_plain_skip(module: nn.Module) -> bool:
    """Return whether a candidate is the identity: a skip that does not reduce."""
    return type(module) is nn.Identity


def draw_masks(cell: SupernetCell, previous: Tensor, mixture: CellMixture) -> EdgeMasks:
    """Draw all masks of one pass, edge by edge, with the default generator; none in evaluation.

    They are drawn before anything is computed, so that every engine draws the same ones, whatever its order
    of computation.

    Args:
        cell: the cell, in training or evaluation mode.
        previous: the cell's second input, projected to its width.
        mixture: the active candidates, and the rates.
    """
    noise, skips, paths = mixture.noise, {}, {}
    if cell.training and noise:
        batch = previous.shape[0]
        lengths = zip(previous.shape[2:], cell.slot.stride, strict=True)
        size = [-(-length // stride) for length, stride in lengths]
        for edge in range(len(cell.space.edges)):
            modules = [module for _, module in cell.active(edge, mixture.active)]
            if noise.skip_dropout > 0 and any(map(is_plain_skip, modules)):
                # Channels last, like the maps.
                kept = _kept((batch, *size, cell.edge_width), noise.skip_dropout, previous.device)
                skips[edge] = kept.movedim(-1, 1)
            if noise.drop_path > 0 and modules:
                ones = (1,) * (previous.dim() - 1)
                paths[edge] = _kept((batch, *ones), noise.drop_path, previous.device)
    return EdgeMasks(noise, skips, paths)


def _kept(shape: tuple[int, ...], rate: float, device: torch.device) -> Tensor:
    # One byte per entry: masks are kept for the backward pass.
    return torch.empty(shape, dtype=torch.bool, device=device).bernoulli_(1 - rate)
