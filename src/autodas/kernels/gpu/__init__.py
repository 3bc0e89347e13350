"""The kernels as Triton programs, for GPUs. Importing this package needs Triton.

Sums are in single precision whatever the type of the maps, and in a fixed order: sums over pixels have two
stages, without atomic operations, so that the same inputs give the same bits. Triton's interpreter
(``TRITON_INTERPRET=1``) runs them on CPUs, for tests.
"""

from autodas.kernels.gpu._combine import combine
from autodas.kernels.gpu._mixing import mix_backward, mix_forward
from autodas.kernels.gpu._moments import moments
from autodas.kernels.gpu._normalisation import normalisation
from autodas.kernels.gpu._pools import pools_backward, pools_forward
from autodas.kernels.gpu._running import follow_moments
from autodas.kernels.gpu._slope import gradient_of
from autodas.kernels.gpu._stencils import stencils_backward, stencils_forward
from autodas.kernels.gpu._units import units_backward, units_forward

__all__ = [
    "combine",
    "follow_moments",
    "gradient_of",
    "mix_backward",
    "mix_forward",
    "moments",
    "normalisation",
    "pools_backward",
    "pools_forward",
    "stencils_backward",
    "stencils_forward",
    "units_backward",
    "units_forward",
]
