"""Compiled loops for operations that are slow in libraries on CPUs, each with an equivalent plain form."""

from autodas.kernels._build import built_kernels, compiled_library
from autodas.kernels._clips import on_gpu, over_time, stencils_backward, stencils_forward
from autodas.kernels._constants import constant, held, holding, sent
from autodas.kernels._dense import dense_backward, dense_forward
from autodas.kernels._gpu import GpuKernels, gpu_kernels
from autodas.kernels._ordered_pools import needs_order, ordered_pool
from autodas.kernels._pointwise import Pointwise, pointwise_backward, pointwise_forward
from autodas.kernels._pools import PoolShape, pools_backward, pools_forward
from autodas.kernels._rehearsal import rehearse_kernels, rehearsed_precision
from autodas.kernels._stencil import Stencil
from autodas.kernels._sums import EPSILON, combine, gradient_sums, moments
from autodas.kernels._units import Given, Slope, Unit, units_backward, units_forward

__all__ = [
    "EPSILON",
    "Given",
    "GpuKernels",
    "Pointwise",
    "PoolShape",
    "Slope",
    "Stencil",
    "Unit",
    "built_kernels",
    "combine",
    "compiled_library",
    "constant",
    "dense_backward",
    "dense_forward",
    "gpu_kernels",
    "gradient_sums",
    "held",
    "holding",
    "moments",
    "needs_order",
    "on_gpu",
    "ordered_pool",
    "over_time",
    "pointwise_backward",
    "pointwise_forward",
    "pools_backward",
    "pools_forward",
    "rehearse_kernels",
    "rehearsed_precision",
    "sent",
    "stencils_backward",
    "stencils_forward",
    "units_backward",
    "units_forward",
]
