"""The reference engine: the formulas as the papers print them, to be read and trusted."""

from __future__ import annotations

import torch
from torch import Tensor

from autodas.supernet._cell import SupernetCell
from autodas.supernet._mixture import Mixture


class ReferenceCell(SupernetCell):
    r"""A relaxed cell, computed candidate by candidate.

    A node is the sum over its predecessors (SDAS, equation 1) of the mixed edge (equation 2)

    .. math:: \bar o^{(j,i)}(x) = \bar\beta^{(j,i)} \sum_o \bar\alpha^{(j,i)}_o\, o(x),

    in which one candidate with weight 1 is the discretised edge of equation 4.
    """

    def forward(self, before: Tensor, previous: Tensor, mixture: Mixture) -> Tensor:
        """Compute the cell's output, the concatenation of all its nodes."""
        mine = mixture[self.slot.kind]
        states = [self.preprocess0(before), self.preprocess1(previous)]
        for state in self.space.states:
            terms = []
            for edge in self.space.incoming(state):
                x = states[self.space.edges[edge][0]]
                mixed = [mine.weights[edge, o] * module(x) for o, module in self.active(edge, mine.active)]
                if not mixed:
                    continue
                term = self.combine(states, mixed)
                terms.append(term if mine.edges is None else mine.edges[edge] * term)
            states.append(self.combine(states, terms))
        return torch.cat(states[self.space.inputs :], dim=1)
