"""A step of stochastic gradient descent for many small tensors at once."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd.graph import increment_version

from autodas.kernels._build import compiled_library
from autodas.kernels._calls import addresses
from autodas.kernels._maps import CHANNELS_LAST


def can_descend(weights: Sequence[Tensor], gradients: Sequence[Tensor], velocities: Sequence[Tensor]) -> bool:
    """Return whether the compiled kernels support these weights, each with its gradient and its velocity."""
    return compiled_library() is not None and all(
        weight.is_cpu
        and weight.dtype == gradient.dtype == velocity.dtype == torch.float32
        and _have_one_layout(weight, gradient, velocity)
        for weight, gradient, velocity in zip(weights, gradients, velocities, strict=True)
    )


def _have_one_layout(*tensors: Tensor) -> bool:
    """Return whether tensors of one shape have their numbers in the same order, without gaps."""
    # Not by strides: those of dimensions of one entry are arbitrary.
    if all(tensor.is_contiguous() for tensor in tensors):
        return True
    last = CHANNELS_LAST.get(tensors[0].dim())
    return last is not None and all(tensor.is_contiguous(memory_format=last) for tensor in tensors)


def descend(
    weights: Sequence[Tensor],
    gradients: Sequence[Tensor],
    velocities: Sequence[Tensor],
    *,
    rate: float,
    momentum: float,
    decay: float,
    clip: float,
) -> None:
    r"""Update weights and velocities in place.

    For weights w, velocities v, gradients g, learning rate :math:`\eta`, momentum :math:`\mu`, weight decay
    :math:`\lambda` and the largest norm c of all gradients together, it is

    .. math::

       v \leftarrow \mu v + \min\left(1, \frac{c}{\lVert g\rVert + 10^{-6}}\right) g + \lambda w, \qquad
       w \leftarrow w - \eta v,

    as in :class:`torch.optim.SGD` after :func:`torch.nn.utils.clip_grad_norm_`. The gradients stay unclipped.

    Args:
        weights: tensors for which :func:`can_descend` holds.
        gradients: their gradients.
        velocities: their velocities, of the same layout.
        rate: the learning rate.
        momentum: the momentum.
        decay: the weight decay.
        clip: the largest norm; 0 for no limit.
    """
    library = compiled_library()
    assert library is not None
    library.autodas_descend(
        len(weights),
        addresses(weights),
        addresses(gradients),
        addresses(velocities),
        array("l", [weight.numel() for weight in weights]).tobytes(),
        rate,
        momentum,
        decay,
        clip,
    )
    # Autograd has to notice, if it has kept the weights for a backward pass.
    increment_version([*weights, *velocities])
