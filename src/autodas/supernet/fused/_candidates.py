"""Candidates that read one state, by the form in which they are computed."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import nn

from autodas.kernels import PoolShape
from autodas.operations import (
    DenseConv,
    FactorizedReduce,
    Pool,
    Separable3dConv,
    Separable3dUnit,
    SeparableConv,
    SeparableUnit,
)
from autodas.spaces import Alive
from autodas.supernet._cell import SupernetCell
from autodas.supernet._noise import is_plain_skip
from autodas.supernet.fused._channels import ChannelCandidate, has_channel_form


class Candidate(NamedTuple):
    """Candidate of an edge.

    Args:
        edge, target: its edge, and the state that this enters.
        column: its operation.
        module: its module.
    """

    edge: int
    target: int
    column: int
    module: Any


class Candidates:
    """Candidates that read a state under a mask.

    Args:
        cell: cell of the state.
        mask: active candidates.
        state: number of the state.
        plain_skips: whether identities are left to their modules, because dropout follows them.

    Attributes:
        separable, dilated, reductions, identities: candidates of these kinds. Units with a temporal window
            are consecutive, also where the first units of separable convolutions meet the dilated ones.
        dense: for each window its dense convolutions.
        pools: for each pool its candidates.
        channels: operations on whole channels.
        others: candidates without a fused form.
    """

    def __init__(self, cell: SupernetCell, mask: Alive, state: int, plain_skips: bool) -> None:
        self.separable: list[Candidate] = []
        self.dilated: list[Candidate] = []
        self.reductions: list[Candidate] = []
        self.identities: list[Candidate] = []
        self.dense: dict[int, list[Candidate]] = {}
        self.pools: dict[PoolShape, list[Candidate]] = {}
        self.channels: list[ChannelCandidate] = []
        self.others: list[Candidate] = []
        for edge, (predecessor, target) in enumerate(cell.space.edges):
            if predecessor == state:
                for column, module in cell.active(edge, mask):
                    self._add(Candidate(edge, target, column, module), plain_skips)
        self.separable.sort(key=lambda conv: isinstance(conv.module, Separable3dConv))
        self.dilated.sort(key=lambda conv: not isinstance(conv.module, Separable3dUnit))

    def _add(self, own: Candidate, plain_skips: bool) -> None:
        module = own.module
        # Exact types: a subclass may compute something else.
        if type(module) is DenseConv and (window := _window(module)):
            self.dense.setdefault(window, []).append(own)
        elif not all(weight.is_contiguous() for weight in module.parameters()):
            self.others.append(own)
        elif type(module) in (SeparableConv, Separable3dConv):
            self.separable.append(own)
        elif type(module) in (SeparableUnit, Separable3dUnit):
            self.dilated.append(own)
        elif type(module) is FactorizedReduce:
            self.reductions.append(own)
        elif type(module) is Pool and not (hasattr(module, "norm") and module.norm.affine):
            kind = "max" if isinstance(module.pool, nn.MaxPool2d | nn.MaxPool3d) else "avg"
            shape = PoolShape(kind, tuple(module.pool.kernel_size))  # type: ignore[arg-type]
            self.pools.setdefault(shape, []).append(own)
        elif has_channel_form(module):
            self.channels.append(ChannelCandidate(*own))
        elif is_plain_skip(module) and not plain_skips:
            self.identities.append(own)
        else:
            self.others.append(own)

    def of_dense(self) -> list[Candidate]:
        """Return the dense convolutions, window by window."""
        return [each for convolutions in self.dense.values() for each in convolutions]

    def pooled(self) -> list[Candidate]:
        """Return the candidates that pool, pool by pool."""
        return [each for candidates in self.pools.values() for each in candidates]

    def planned(self) -> list[Candidate]:
        """Return all candidates that a plan computes."""
        convolutions = [*self.separable, *self.dilated, *self.reductions, *self.of_dense()]
        return [*convolutions, *self.pooled(), *self.identities]


def is_normalised(module: nn.Module) -> bool:
    """Return whether a candidate with a map is normalised: only a pool may not be."""
    return not isinstance(module, Pool) or hasattr(module, "norm")


def _window(module: DenseConv) -> int:
    """Return the side of a dense convolution's window; 0 if it has no fused form."""
    conv: Any = module.conv
    plain = conv.weight.dim() == 4 and conv.groups == 1 and set(conv.stride) == {1} == set(conv.dilation)
    height, width = conv.kernel_size[-2:]
    return height if plain and height == width and not module.norm.affine else 0
