"""Depthwise convolutions, many over the same map or each over its own: torch's operations, Triton on GPUs."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import torch
from torch import Tensor
from torch.nn import functional as F

from autodas.kernels._gpu import gpu_form
from autodas.kernels._stencil import Stencil


def triton_form(x: Tensor, stencils: Sequence[Stencil], stride: Sequence[int]) -> ModuleType | None:
    """Return the Triton kernels, if they work and support these stencils: on GPUs, planes in fp32 or bf16.

    Args:
        x: input of the stencils.
        stencils: the stencils.
        stride: stride along each dimension of the map.
    """
    fits = tuple(stride) in ((1, 1), (2, 2)) and all(
        s.weight.shape[-1] == s.weight.shape[-2] and s.weight.shape[-1] % 2 for s in stencils
    )
    return gpu_form(x) if fits else None


def stencils_forward(
    x: Tensor,
    stencils: Sequence[Stencil],
    stride: Sequence[int],
    scale: Tensor | None = None,
    shift: Tensor | None = None,
) -> Tensor:
    """Return each stencil applied to ``relu(scale * x + shift)``.

    Args:
        x: channels last: shape (batch, *map, channels), read by all stencils; or with an additional first
            dimension, one map for each stencil.
        stencils: the stencils.
        stride: stride along each dimension of the map.
        scale, shift: for each stencil and channel, if each has its own map; otherwise ``None`` for 1, 0.

    Returns:
        Shape (stencils, batch, *map, channels).
    """
    accelerated = triton_form(x, stencils, stride)
    if accelerated is not None:
        return accelerated.stencils_forward(x, stencils, stride, scale, shift)  # type: ignore[no-any-return]
    convolution = {2: F.conv2d, 3: F.conv3d}[len(stride)]
    outputs = []
    for source, stencil in zip(_activated(x, len(stencils), stride, scale, shift), stencils, strict=True):
        maps = _first(source)
        weight = stencil.weight.to(maps.dtype)
        out = convolution(maps, weight, None, stride, stencil.padding(), stencil.spread(), groups=x.shape[-1])
        outputs.append(_last(out))
    return torch.stack(outputs)


def stencils_backward(
    x: Tensor,
    stencils: Sequence[Stencil],
    stride: Sequence[int],
    upstream: Tensor,
    scale: Tensor | None = None,
    shift: Tensor | None = None,
    *,
    weight_gradient: bool = True,
) -> tuple[Tensor, list[Tensor | None]]:
    """Return the gradients of :func:`stencils_forward`.

    The gradient of the input is that of the argument of the ReLU, ``scale * x + shift``; it is summed if all
    stencils read the same map.

    Args:
        x, stencils, stride, scale, shift: as in the forward pass.
        upstream: gradient of the output.
        weight_gradient: whether to compute those of the weights; otherwise they are ``None``.
    """
    accelerated = triton_form(x, stencils, stride)
    if accelerated is not None:
        arguments = (x, stencils, stride, upstream, scale, shift)
        return accelerated.stencils_backward(*arguments, weight_gradient=weight_gradient)  # type: ignore[no-any-return]
    inputs, weights = [], []
    sources = _activated(x, len(stencils), stride, scale, shift)
    for g, (source, stencil) in enumerate(zip(sources, stencils, strict=True)):
        dx, dw, _ = torch.ops.aten.convolution_backward(
            _first(upstream[g]),
            _first(source),
            stencil.weight.to(source.dtype),
            None,
            list(stride),
            list(stencil.padding()),
            list(stencil.spread()),
            False,
            [0] * len(stride),
            x.shape[-1],
            [True, weight_gradient, False],
        )
        weights.append(dw)
        inputs.append(_last(dx))
    if not _shared(x, stride):
        return torch.stack([dx * (source > 0) for dx, source in zip(inputs, sources, strict=True)]), weights
    total = inputs[0]
    for other in inputs[1:]:
        total = total + other
    return total * (sources[0] > 0), weights


def _shared(x: Tensor, stride: Sequence[int]) -> bool:
    return x.dim() == len(stride) + 2


def _activated(
    x: Tensor, count: int, stride: Sequence[int], scale: Tensor | None, shift: Tensor | None
) -> list[Tensor]:
    """Return the input of each stencil; a shared one is computed once."""
    if _shared(x, stride):
        return [x.relu()] * count
    if scale is None or shift is None:
        return [own.relu() for own in x]
    return [(own * s + h).to(x.dtype).relu() for own, s, h in zip(x, scale, shift, strict=True)]


def _first(x: Tensor) -> Tensor:
    """Return a channels-last map in torch's order of dimensions, without copying."""
    return x.movedim(-1, 1)


def _last(x: Tensor) -> Tensor:
    return x.movedim(1, -1).contiguous()
