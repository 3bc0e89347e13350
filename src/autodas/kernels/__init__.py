"""Compiled loops for what libraries do slowly on CPUs, each with a plain form that gives the same result."""

from autodas.kernels._build import compiled_library
from autodas.kernels._norms import moments, normalise_add, normalise_backward
from autodas.kernels._pools import pools_backward, pools_forward
from autodas.kernels._rehearsal import rehearse_kernels
from autodas.kernels._stencils import Stencil, stencils_backward, stencils_forward
from autodas.kernels._units import pointwise, unit_end_backward, unit_end_forward

__all__ = [
    "Stencil",
    "compiled_library",
    "moments",
    "normalise_add",
    "normalise_backward",
    "pointwise",
    "pools_backward",
    "pools_forward",
    "rehearse_kernels",
    "stencils_backward",
    "stencils_forward",
    "unit_end_backward",
    "unit_end_forward",
]
