"""Mixtures: the weights with which a supernet mixes its candidates in one forward pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.kernels import constant
from autodas.spaces import Alive, CellSpace, alive_of


@dataclass(frozen=True)
class Noise:
    """Noise on edges while training, as rates on the host. There is none in evaluation.

    Args:
        skip_dropout: probability of setting an entry to zero directly after a ``skip_connect`` that does not
            reduce (P-DARTS).
        drop_path: probability with which a sample drops a whole edge, including channels that bypass its
            candidates (SNAS).

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
    """Mixture of the candidates in the cells of one kind.

    Args:
        weights: shape (edges, operations); the factor of every candidate.
        active: mask of the candidates computed in this pass. Inactive candidates cost nothing, and may be
            active in the next pass. ``none`` is never computed, active or not.
        edges: shape (edges,); a factor for each edge as a whole, ``None`` for 1.
        noise: random dropping while training; the remainder is scaled so that means are preserved.
        outputs: shape (lengths,); weights of the outputs after each number of nodes, if that number is
            searched; ``None`` for the output after the last node.
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
"""A :class:`CellMixture` for every cell kind, or for every stage graph."""


def mixture_of(alive: Mapping[str, Alive], device: torch.device | str = "cpu") -> dict[str, CellMixture]:
    """Return the mixture that sums the candidates alive, each with weight 1.

    If one candidate per edge is alive, this is the discrete network.
    """
    dtype = torch.get_default_dtype()
    return {kind: CellMixture(constant(mask, device, dtype).clone(), mask) for kind, mask in alive.items()}


def genotype_mixture(
    genotype: Genotype, cell: CellSpace, device: torch.device | str = "cpu"
) -> dict[str, CellMixture]:
    """Return the mixture with which a supernet computes the architecture of a genotype.

    Args:
        genotype: the architecture. If it has stage graphs, the supernet must be one of stage graphs.
        cell: the space of its cells, or of its stage graphs.
        device: device of the supernet.
    """
    searched = genotype.stages or genotype.cells
    mixture = mixture_of({kind: alive_of(c, cell) for kind, c in searched.items()}, device)
    if cell.lengths:
        for kind, part in searched.items():
            chosen = tuple(length == len(part.nodes) for length in cell.lengths)
            outputs = constant(chosen, device, torch.get_default_dtype())
            mixture[kind] = replace(mixture[kind], outputs=outputs)
    return mixture
