"""The reference engine: the formulas as printed in the papers, for readability and verification."""

from __future__ import annotations

from torch import Tensor

from autodas.spaces import Alive
from autodas.supernet._cell import SupernetCell
from autodas.supernet._mixture import CellMixture
from autodas.supernet._noise import draw_masks


class ReferenceEngine:
    r"""Reference engine, which computes a relaxed cell candidate by candidate.

    A node is the sum over its predecessors (SDAS, equation 1) of the mixed edge (equation 2)

    .. math:: \bar o^{(j,i)}(x) = \bar\beta^{(j,i)} \sum_o \bar\alpha^{(j,i)}_o\, o(x),

    in which one candidate with weight 1 is the discretised edge of equation 4. With partial channels the
    sum over o is applied to some channels of x, and :math:`\bar\beta` multiplies all of them. The
    mixture's noise applies to identities, and to the edge as a whole.
    """

    def __call__(self, cell: SupernetCell, before: Tensor, previous: Tensor, mixture: CellMixture) -> Tensor:
        """Return the cell's output."""
        states = cell.enter(before, previous)
        masks = draw_masks(cell, states[-1], mixture)
        for number, state in enumerate(cell.space.states):
            terms = []
            for edge in cell.space.incoming(state):
                candidates = list(cell.active(edge, mixture.active))
                if not candidates:
                    continue
                predecessor, _ = cell.space.edges[edge]
                x, past = cell.partial.split(states[predecessor], cell.edge_stride(predecessor))
                mixed = [
                    mixture.weights[edge, column] * masks.after(edge, module, module(x))
                    for column, module in candidates
                ]
                term = cell.partial.merge(cell.combine(states, mixed), past)
                term = term if mixture.edges is None else mixture.edges[edge] * term
                terms.append(masks.along(edge, term))
            states.append(cell.node(number, cell.combine(states, terms)))
        return cell.output(states, mixture.outputs)

    def forget(self, cell: SupernetCell, alive: Alive) -> None:
        """Do nothing: nothing is cached."""
