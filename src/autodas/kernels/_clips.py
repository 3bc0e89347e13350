"""Depthwise convolutions over clips on GPUs: over frames as over images, over time as sums of shifted frames.

Libraries for GPUs are said to be slow, or to have no algorithm, for such convolutions in three dimensions
(not measured).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from autodas.kernels import _stencils
from autodas.kernels._stencil import Stencil


def on_gpu(x: Tensor) -> bool:
    """Return whether a map is on a GPU."""
    # A tracer passes something other than a tensor.
    return isinstance(x, Tensor) and x.is_cuda


def over_time(x: Tensor, weight: Tensor, step: int) -> Tensor:
    """Return a depthwise convolution along the frames, padded such that their number is kept at step 1.

    Args:
        x: shape (batch, frames, ..., channels).
        weight: shape (channels, 1, window, 1, 1).
        step: stride along the frames.
    """
    taps = weight.flatten(1).unbind(1)
    reach, count = len(taps) // 2, -(-x.shape[1] // step)
    padded = F.pad(x, [*(0, 0) * (x.dim() - 2), reach, reach])
    total: Tensor | None = None
    for first, tap in enumerate(taps):
        term = padded[:, first : first + (count - 1) * step + 1 : step] * tap
        total = term if total is None else total + term
    assert total is not None
    return total.to(x.dtype)


def stencils_forward(
    x: Tensor,
    stencils: Sequence[Stencil],
    stride: Sequence[int],
    scale: Tensor | None = None,
    shift: Tensor | None = None,
) -> Tensor:
    """Return each stencil applied to ``relu(scale * x + shift)``, as :func:`._stencils.stencils_forward`.

    Stencils of clips have their windows in space, or all of them along time.
    """
    if len(stride) == 2 or not on_gpu(x):
        return _stencils.stencils_forward(x, stencils, stride, scale, shift)
    if _in_space(stencils):
        frames = x[..., :: stride[0], :, :, :]
        flat = _stencils.stencils_forward(frames.flatten(-5, -4), _planes(stencils), stride[1:], scale, shift)
        return flat.unflatten(1, frames.shape[-5:-3])  # type: ignore[no-any-return,no-untyped-call]
    with torch.no_grad():
        return torch.stack(
            _in_time(_stencils._activated(x, len(stencils), stride, scale, shift), stencils, stride)
        )


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
    """Return the gradients of :func:`stencils_forward`, as :func:`._stencils.stencils_backward`."""
    if len(stride) == 2 or not on_gpu(x):
        return _stencils.stencils_backward(
            x, stencils, stride, upstream, scale, shift, weight_gradient=weight_gradient
        )
    if _in_space(stencils):
        frames = x[..., :: stride[0], :, :, :]
        inputs, weights = _stencils.stencils_backward(
            frames.flatten(-5, -4),
            _planes(stencils),
            stride[1:],
            upstream.flatten(1, 2),
            scale,
            shift,
            weight_gradient=weight_gradient,
        )
        own = [None if w is None else w.view_as(s.weight) for w, s in zip(weights, stencils, strict=True)]
        if stride[0] == 1:
            return inputs.view_as(x), own
        gradient = torch.zeros_like(x)
        gradient[..., :: stride[0], :, :, :] = inputs.view_as(frames)
        return gradient, own
    sources = _stencils._activated(x, len(stencils), stride, scale, shift)
    shared = x.dim() == 5
    # The gradient is that of the argument of the ReLU, summed if all stencils read the same map.
    distinct = [source.detach().requires_grad_() for source in (sources[:1] if shared else sources)]
    own_weights = [s.weight.detach().requires_grad_(weight_gradient) for s in stencils]
    with torch.enable_grad():
        outputs = _in_time(
            distinct * (len(stencils) if shared else 1),
            [Stencil(w, s.dilation) for w, s in zip(own_weights, stencils, strict=True)],
            stride,
        )
        wanted = [*distinct, *(own_weights if weight_gradient else [])]
        found = list(torch.autograd.grad(outputs, wanted, list(upstream.unbind())))
    maps = [g * (source > 0) for g, source in zip(found[: len(distinct)], distinct, strict=True)]
    own = [*found[len(distinct) :]] if weight_gradient else [None] * len(stencils)
    return maps[0] if shared else torch.stack(maps), own


def _in_space(stencils: Sequence[Stencil]) -> bool:
    return all(stencil.weight.shape[2] == 1 for stencil in stencils)


def _planes(stencils: Sequence[Stencil]) -> list[Stencil]:
    """Return stencils with a window of one frame as stencils of images."""
    return [Stencil(stencil.weight.squeeze(2), stencil.dilation) for stencil in stencils]


def _in_time(sources: Sequence[Tensor], stencils: Sequence[Stencil], stride: Sequence[int]) -> list[Tensor]:
    return [
        over_time(source[:, :, :: stride[1], :: stride[2]], stencil.weight, stride[0])
        for source, stencil in zip(sources, stencils, strict=True)
    ]
