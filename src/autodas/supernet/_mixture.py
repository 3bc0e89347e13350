"""The mixture: with which weights a supernet mixes its candidates in one forward pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor

from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.spaces import Alive, CellSpace, alive_of


@dataclass(frozen=True)
class Noise:
    """Noise on edges while training, as rates on the host. In evaluation there is none.

    Args:
        skip_dropout: share of the entries that are set to zero right after a ``skip_connect`` that does not
            reduce (P-DARTS).
        drop_path: probability with which a sample leaves out a whole edge, what goes past its candidates
            included (SNAS).

    Raises:
        AutodasError: if a rate is not in [0, 1).
    """

    skip_dropout: float = 0.0
    drop_path: float = 0.0

    def __post_init__(self) -> None:
        for name in ("skip_dropout", "drop_path"):
            if not 0 <= getattr(self, name) < 1:
                raise AutodasError(f"noise: {name}={getattr(self, name)} must lie in [0, 1)")

    def __bool__(self) -> bool:
        return self.skip_dropout > 0 or self.drop_path > 0


NO_NOISE = Noise()


@dataclass(frozen=True)
class CellMixture:
    """How the cells of one kind mix their candidates.

    Args:
        weights: shape (edges, operations); the factor of every candidate.
        active: which candidates are computed in this pass. What is not active costs nothing, and may
            come back in the next pass. ``none`` is never computed, active or not.
        edges: shape (edges,); a factor for the whole of an edge, ``None`` for 1.
        noise: what is left out at random while training; what stays is scaled so that means stay.
        outputs: shape (lengths,); where the number of nodes is searched, the weights with which the outputs
            after so many nodes are mixed; ``None`` for that after the last one.
    """

    weights: Tensor
    active: Alive
    edges: Tensor | None = None
    noise: Noise = NO_NOISE
    outputs: Tensor | None = None

    def detach(self) -> CellMixture:
        """Return the same mixture as constants."""
        edges, outputs = (None if t is None else t.detach() for t in (self.edges, self.outputs))
        return replace(self, weights=self.weights.detach(), edges=edges, outputs=outputs)


Mixture = Mapping[str, CellMixture]
"""A :class:`CellMixture` for every kind of cell, or for every stage graph."""


def mixture_of(alive: Mapping[str, Alive], device: torch.device | str = "cpu") -> dict[str, CellMixture]:
    """Return the mixture that sums what is alive, each candidate with weight 1.

    Where one candidate an edge is alive, this is the discrete network.
    """
    dtype = torch.get_default_dtype()
    return {kind: CellMixture(_ones(mask, dtype, str(device)).clone(), mask) for kind, mask in alive.items()}


@lru_cache(maxsize=256)
def _ones(mask: Alive, dtype: torch.dtype, device: str) -> Tensor:
    # Kept: to copy numbers of the host makes it wait for the device.
    return torch.tensor(mask, dtype=dtype, device=device)


def genotype_mixture(
    genotype: Genotype, cell: CellSpace, device: torch.device | str = "cpu"
) -> dict[str, CellMixture]:
    """Return the mixture with which a supernet computes what a genotype describes.

    Args:
        genotype: the architecture. Where it has stage graphs, the supernet is that of stage graphs.
        cell: the space of its cells, or of its stage graphs.
        device: where the supernet is.
    """
    searched = genotype.stages or genotype.cells
    mixture = mixture_of({kind: alive_of(c, cell) for kind, c in searched.items()}, device)
    if cell.lengths:
        for kind, found in searched.items():
            chosen = tuple(length == len(found.nodes) for length in cell.lengths)
            outputs = _ones((chosen,), torch.get_default_dtype(), str(device))[0]
            mixture[kind] = replace(mixture[kind], outputs=outputs)
    return mixture
