"""Compiled loops for operations that are slow in libraries on CPUs, each with an equivalent plain form."""

from autodas.kernels._build import built_kernels, compiled_library
from autodas.kernels._calls import whole_library_for
from autodas.kernels._clips import on_gpu, over_time, stencils_backward, stencils_forward
from autodas.kernels._constants import constant, held, holding, sent
from autodas.kernels._dense import dense_backward, dense_forward
from autodas.kernels._descent import can_descend, descend
from autodas.kernels._gpu import GpuKernels, expected_gpu_kernels, gpu_form, gpu_kernels
from autodas.kernels._layout import EPSILON, Layout
from autodas.kernels._maps import CHANNELS_LAST, Maps, Moments, Stack, joined
from autodas.kernels._mixing import inverse_deviation, mix_backward, mix_forward, normalisation
from autodas.kernels._ordered_pools import needs_order, ordered_pool
from autodas.kernels._pointwise import Pointwise, pointwise_backward, pointwise_forward
from autodas.kernels._pools import PoolShape, pools_backward, pools_forward
from autodas.kernels._projection import has_projection, projection_backward, projection_forward
from autodas.kernels._rehearsal import rehearse_kernels, rehearsed_precision
from autodas.kernels._running import Running, follow_moments
from autodas.kernels._slope import gradient_of
from autodas.kernels._state import Candidates, StateKernel, StatePass, has_one_call
from autodas.kernels._stencil import Stencil
from autodas.kernels._sums import combine, moments, wide
from autodas.kernels._unit import Given, Slope, Units, UnitShape
from autodas.kernels._units import units_backward, units_forward

__all__ = [
    "CHANNELS_LAST",
    "EPSILON",
    "Candidates",
    "Given",
    "GpuKernels",
    "Layout",
    "Maps",
    "Moments",
    "Pointwise",
    "PoolShape",
    "Running",
    "Slope",
    "Stack",
    "StateKernel",
    "StatePass",
    "Stencil",
    "UnitShape",
    "Units",
    "built_kernels",
    "can_descend",
    "combine",
    "compiled_library",
    "constant",
    "dense_backward",
    "dense_forward",
    "descend",
    "expected_gpu_kernels",
    "follow_moments",
    "gpu_form",
    "gpu_kernels",
    "gradient_of",
    "has_one_call",
    "has_projection",
    "held",
    "holding",
    "inverse_deviation",
    "joined",
    "mix_backward",
    "mix_forward",
    "moments",
    "needs_order",
    "normalisation",
    "on_gpu",
    "ordered_pool",
    "over_time",
    "pointwise_backward",
    "pointwise_forward",
    "pools_backward",
    "pools_forward",
    "projection_backward",
    "projection_forward",
    "rehearse_kernels",
    "rehearsed_precision",
    "sent",
    "stencils_backward",
    "stencils_forward",
    "units_backward",
    "units_forward",
    "whole_library_for",
    "wide",
]
