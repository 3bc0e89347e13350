"""Differentiable architecture search: the baseline of the SDAS paper, DARTS."""

from __future__ import annotations

from typing import cast

from autodas.strategies._regularised import Regularised
from autodas.strategies.base import ArchitectureGradient, SearchPlan
from autodas.strategies.settings import DASSettings


class DAS(Regularised):
    r"""DARTS (Liu et al., 2019) in any space: everything is relaxed until the end.

    An edge is :math:`\sum_o \mathrm{softmax}(\alpha_e)_o\, o(x)`; there is no weight for the edge as a
    whole. In every iteration the architecture step, on a validation batch, comes first, then the weight
    step on a training batch. At the end each edge keeps its strongest operation and each node the k edges
    whose operation is strongest; ``none`` is part of the softmax, if the space has it, but is never chosen.

    The first order uses the current weights in the architecture step, :math:`\nabla_\alpha L_{valid}(w,
    \alpha)`; the second order (``das2``) differentiates through their next step,
    :math:`\nabla_\alpha L_{valid}(w - \xi \nabla_w L_{train}(w, \alpha), \alpha)` (equation 6), with the
    optimiser's momentum and weight decay in that step, by autograd or by finite differences (equations 7
    and 8). That step is not clipped, and does not update running statistics.

    Deviations: running statistics of batch normalisation are updated by the weight step's batches only, while
    the public code updates them in both steps; the learning rate of the weights falls in every iteration, not
    every epoch.

    Sources: SDAS section 3.1 and 6.1 ("DAS is exactly the same setting as the DARTS (first order)");
    settings from the public DARTS code.
    """

    name = "das"
    settings: DASSettings

    def __init__(self, settings: DASSettings, plan: SearchPlan) -> None:
        super().__init__(settings, plan)
        if settings.order == 2:
            self.architecture_gradient = cast(ArchitectureGradient, settings.unrolled)
