"""Dense convolutions: the compiled form against the plain one, and that against torch's own layers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from autodas.kernels import Maps, Slope, compiled_library, dense_backward, dense_forward


def close(found: Tensor, expected: Tensor) -> None:
    assert found.dtype == torch.float32
    largest = expected.abs().max().item()
    assert (found.double() - expected).abs().max().item() <= 1e-5 * max(largest, 1.0)


def some_slope(count: int, pixels: int, width: int) -> Slope:
    rows = [torch.randn(count, width) for _ in range(3)]
    return Slope(Maps(tuple(range(count)), torch.randn(count, pixels, width)), *rows)


def dense_of(x: Tensor, weights: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Return outputs, mean and variance of dense convolutions."""
    out = x.new_empty(len(weights), *x.shape[:-1], len(weights[0]))
    mean, variance = out.new_empty(2, len(out), out.shape[-1]).unbind()
    dense_forward(x, weights, out, (mean, variance))
    return out, mean, variance


@pytest.mark.parametrize(("inputs", "width"), [(2, 2), (8, 8), (6, 22), (16, 44)])
@pytest.mark.parametrize("window", [1, 3, 5])
@pytest.mark.parametrize(
    ("size", "threads"), [((7, 6), 1), ((1, 5), 1), ((9, 13), 2), ((4, 8), 2), ((20, 12), 1)]
)
def test_compiled(inputs: int, width: int, window: int, size: tuple[int, int], threads: int) -> None:
    if compiled_library() is None:
        pytest.skip("no C compiler")
    torch.manual_seed(width)
    torch.set_num_threads(threads)
    x = torch.randn(3, *size, inputs)
    weights = [torch.randn(width, inputs, window, window) for _ in range(3)]
    # As in a supernet, and as they are in a network that was built otherwise.
    weights[0] = weights[0].to(memory_format=torch.channels_last)
    exact = [weight.double() for weight in weights]
    out, *moments = dense_of(x, weights)
    wanted, *wanted_moments = dense_of(x.double(), exact)
    close(out, wanted)
    for found, expected in zip(moments, wanted_moments, strict=True):
        close(found, expected)
    again = torch.empty_like(out)
    dense_forward(x, weights, again)
    assert torch.equal(again, out)
    slope = some_slope(3, out[0, ..., 0].numel(), width)
    upstream = Maps(slope.upstream.index, slope.upstream.one.double())
    doubles = Slope(upstream, *(row.double() for row in slope[1:]))
    before = torch.randn_like(x)
    gradient, only, exact_gradient = before.clone(), before.clone(), before.double()
    own = dense_backward(x, weights, out, slope, gradient, weight_gradients=True)
    assert dense_backward(x, weights, out, slope, only, weight_gradients=False) == [None] * 3
    assert torch.equal(gradient, only)
    written = torch.full_like(before, torch.nan)
    dense_backward(x, weights, out, slope, written, weight_gradients=False, add=False)
    close(before + written, gradient.double())
    wanted_own = dense_backward(x.double(), exact, wanted, doubles, exact_gradient, weight_gradients=True)
    close(gradient, exact_gradient)
    for found, expected in zip(own, wanted_own, strict=True):
        close(found, expected)


@pytest.mark.parametrize("window", [1, 3])
def test_plain_against_layers(window: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 5, 4, 3, dtype=torch.float64, requires_grad=True)
    weights = [torch.randn(5, 3, window, window, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    outs = [F.conv2d(x.movedim(-1, 1).relu(), w, padding=window // 2).movedim(1, -1) for w in weights]
    given = [w.detach() for w in weights]
    found, mean, variance = dense_of(x.detach(), given)
    assert torch.allclose(found, torch.stack(outs))
    assert torch.allclose(mean[1], outs[1].mean((0, 1, 2)))
    assert torch.allclose(variance[1], outs[1].var((0, 1, 2), correction=0))
    g, b, d = torch.randn_like(outs[0]), *torch.randn(2, 2, 5, dtype=torch.float64)
    losses = [(g * out + b[i] * out**2 / 2 + d[i] * out).sum() for i, out in enumerate(outs)]
    wanted = torch.autograd.grad(sum(losses), [x, *weights])
    slope = Slope(Maps((0, 0), g.reshape(1, -1, 5)), torch.ones(2, 5).double(), b, d)
    gradient = torch.zeros_like(x).detach()
    own = dense_backward(x.detach(), given, found, slope, gradient, weight_gradients=True)
    for a, e in zip((gradient, *own), wanted, strict=True):
        assert torch.allclose(a, e)
