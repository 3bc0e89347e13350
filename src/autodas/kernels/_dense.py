"""Dense convolutions of a map after the ReLU, many with the same window over one map."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from autodas.kernels._calls import address, addresses, library_for, pointers
from autodas.kernels._maps import Moments
from autodas.kernels._slope import gradient_of
from autodas.kernels._sums import moments as moments_of
from autodas.kernels._unit import Slope


def dense_forward(x: Tensor, weights: Sequence[Tensor], out: Tensor, moments: Moments | None = None) -> None:
    """Write convolutions of ``relu(x)``, and their moments.

    Args:
        x: shape (batch, rows, columns, inputs).
        weights: one for each convolution, shape (width, inputs, window, window), the window odd; stride 1,
            and zeros beyond the edge.
        out: the outputs, shape (convolutions, batch, rows, columns, width).
        moments: mean and variance of each output, likewise written; ``None`` if they are not needed.
    """
    library = library_for(x) if _compiled(weights) else None
    if library is None:
        out.copy_(_plain(x, weights))
        if moments is not None:
            moments_of(out, *moments)
        return
    wanted = (None, None) if moments is None else moments
    library.autodas_dense_forward(*_arguments(x, weights), address(out), *map(address, wanted))


def dense_backward(
    x: Tensor,
    weights: Sequence[Tensor],
    out: Tensor,
    slope: Slope,
    gradient: Tensor,
    *,
    weight_gradients: bool,
    add: bool = True,
) -> list[Tensor | None]:
    """Add the gradient of ``x`` to ``gradient``, in place; return those of the weights of each convolution.

    Args:
        x, weights: as in the forward pass.
        out: result of :func:`dense_forward`.
        slope: gradient of ``out``.
        gradient: shape of ``x``.
        weight_gradients: whether to compute the gradients of the weights; otherwise they are ``None``.
        add: whether to add to ``gradient``, rather than to write it.
    """
    library = library_for(x) if _compiled(weights) else None
    if library is None:
        back, own = _plain_backward(x, weights, out, slope, weight_gradients)
        gradient.copy_(gradient + back if add else back)
        return own
    width, inputs, *window = weights[0].shape
    whole = x.new_empty(len(weights), width, *window, inputs) if weight_gradients else None
    library.autodas_dense_backward(
        *_arguments(x, weights),
        address(out),
        pointers(slope.upstream.addresses()),
        address(slope.a),
        address(slope.b),
        address(slope.d),
        int(add),
        address(gradient),
        address(whole),
    )
    return [None] * len(weights) if whole is None else list(whole.movedim(-1, 2).unbind())


def _plain(x: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """Return the outputs of one convolution with all weights, channels last."""
    stacked = torch.cat(list(weights)).to(x.dtype)
    out = F.conv2d(x.movedim(-1, 1).relu(), stacked, padding=stacked.shape[-1] // 2).contiguous()
    parts: Tensor = out.view(len(x), len(weights), -1, *out.shape[2:])
    return parts.permute(1, 0, 3, 4, 2).contiguous()


def _plain_backward(
    x: Tensor, weights: Sequence[Tensor], out: Tensor, slope: Slope, weight_gradients: bool
) -> tuple[Tensor, list[Tensor | None]]:
    gradient = gradient_of(out.flatten(1, -2), slope)
    with torch.enable_grad():
        leaves = [leaf.detach().requires_grad_() for leaf in (x, *weights)]
        again = _plain(leaves[0], leaves[1:])
    wanted = leaves if weight_gradients else leaves[:1]
    back, *own = torch.autograd.grad(again, wanted, gradient.view_as(out))
    return back, [*own] if weight_gradients else [None] * len(weights)


def _compiled(weights: Sequence[Tensor]) -> bool:
    return len(weights[0]) % 2 == 0 and all(weight.dtype == torch.float32 for weight in weights)


def _arguments(x: Tensor, weights: Sequence[Tensor]) -> list[object]:
    width, _, window, _ = weights[0].shape
    return [address(x), *x.shape, len(weights), window, _Addresses(weights), width]


class _Addresses:
    """Addresses of weights as the kernels read them: channels last, copied where they are not."""

    def __init__(self, weights: Sequence[Tensor]) -> None:
        self._laid_out = [weight.contiguous(memory_format=torch.channels_last) for weight in weights]
        self._as_parameter_ = addresses(self._laid_out)
