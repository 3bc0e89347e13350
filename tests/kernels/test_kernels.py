"""Compiled loops against their plain forms, which are torch's own operations in double precision."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from autodas.kernels import (
    Stencil,
    compiled_library,
    moments,
    normalise_add,
    normalise_backward,
    pools_backward,
    pools_forward,
    stencils_backward,
    stencils_forward,
)

WINDOWS = [(3, 1), (5, 1), (7, 1), (3, 2), (5, 2)]


@pytest.fixture(autouse=True)
def _compiled() -> None:
    if compiled_library() is None:
        pytest.skip("no C compiler")


def close(found: torch.Tensor, expected: torch.Tensor, tolerance: float = 1e-5) -> None:
    assert found.dtype == torch.float32
    largest = expected.abs().max().item()
    assert (found.double() - expected).abs().max().item() <= tolerance * max(largest, 1.0)


@pytest.mark.parametrize("channels", [2, 4, 6, 8, 16, 24, 32, 38])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("threads", [1, 2])
def test_stencils(channels: int, stride: int, shared: bool, threads: int) -> None:
    torch.manual_seed(channels)
    torch.set_num_threads(threads)
    stencils = [Stencil(torch.randn(channels, 1, k, k), d) for k, d in WINDOWS]
    groups = () if shared else (len(stencils),)
    x = torch.randn(*groups, 3, 7, 6, channels)
    affine = (None, None) if shared else (torch.rand(*groups, channels), torch.randn(*groups, channels))
    steps = (stride, stride)
    out = stencils_forward(x, stencils, steps, *affine)
    upstream = torch.randn_like(out)
    gradient, weights = stencils_backward(x, stencils, steps, upstream, *affine)
    only, none = stencils_backward(x, stencils, steps, upstream, *affine, weight_gradient=False)
    assert gradient is not None
    assert torch.equal(gradient, only)
    assert none == [None] * len(stencils)
    exact = [Stencil(s.weight.double(), s.dilation) for s in stencils]
    precise = [None if a is None else a.double() for a in affine]
    close(out, stencils_forward(x.double(), exact, steps, *precise))
    expected, expected_weights = stencils_backward(x.double(), exact, steps, upstream.double(), *precise)
    close(gradient, expected)
    for found, wanted in zip(weights, expected_weights, strict=True):
        close(found, wanted)


def test_plain_stencils_against_autograd() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 5, 5, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    maps = x.movedim(-1, 1).relu()
    expected = torch.nn.functional.conv2d(maps, weight, None, 2, 2, 2, 4).movedim(1, -1)
    upstream = torch.randn_like(expected)
    wanted = torch.autograd.grad(expected, [x, weight], upstream)
    stencil = Stencil(weight.detach(), 2)
    assert torch.allclose(stencils_forward(x.detach(), [stencil], (2, 2))[0], expected)
    gradient, weights = stencils_backward(x.detach(), [stencil], (2, 2), upstream[None])
    assert torch.allclose(gradient, wanted[0])
    assert torch.allclose(weights[0], wanted[1])


@pytest.mark.parametrize("channels", [2, 8, 16, 22])
@pytest.mark.parametrize("offset", [0.0, 30.0])
@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize("threads", [1, 2])
def test_normalisation(channels: int, offset: float, constant: bool, threads: int) -> None:
    torch.manual_seed(channels)
    torch.set_num_threads(threads)
    u, upstream, out = (torch.randn(1003, channels) for _ in range(3))
    u += offset
    factor = torch.tensor(0.7)
    mean, variance = (torch.randn(channels), torch.rand(channels) + 0.5) if constant else moments(u)
    if not constant:
        exact_variance, exact_mean = torch.var_mean(u.double(), dim=0, correction=0)
        close(mean, exact_mean)
        close(variance, exact_variance)
    norm = torch.nn.BatchNorm1d(channels, affine=False).double().train(not constant)
    norm.running_mean, norm.running_var = mean.double(), variance.double()
    leaf, weight = u.double().requires_grad_(), factor.double().requires_grad_()
    expected = out.double() + weight * norm(leaf)
    normalise_add(out, u, factor, mean, variance)
    close(out, expected.detach(), 1e-4)
    wanted, wanted_weight = torch.autograd.grad(expected, [leaf, weight], upstream.double())
    gradient, weight_gradient = normalise_backward(u.clone(), upstream, factor, mean, variance, constant)
    close(gradient, wanted, 1e-4)
    assert weight_gradient.item() == pytest.approx(wanted_weight.item(), rel=1e-3, abs=1e-2)


@pytest.mark.parametrize("channels", [2, 8, 16, 22])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kinds", [("max",), ("avg",), ("max", "avg"), ("avg", "max")])
def test_pools(channels: int, stride: int, kinds: tuple[str, ...]) -> None:
    torch.manual_seed(channels)
    # Small whole numbers, so that maxima are shared: the first of them takes the gradient.
    x = torch.randint(-3, 4, (3, 7, 6, channels)).float()
    found = pools_forward(x, kinds, (3, 3), (stride, stride))
    upstream = [torch.randn_like(p) for p in found]
    gradient = torch.randn_like(x)
    exact = gradient.double()
    expected = pools_forward(x.double(), kinds, (3, 3), (stride, stride))
    for a, b in zip(found, expected, strict=True):
        close(a, b)
    pools_backward(x, kinds, (3, 3), (stride, stride), upstream, gradient)
    doubles = [u.double() for u in upstream]
    pools_backward(x.double(), kinds, (3, 3), (stride, stride), doubles, exact)
    close(gradient, exact)


def test_without_a_compiler_the_plain_forms_compute() -> None:
    script = (
        "import torch\nfrom autodas.kernels import *\n"
        "assert compiled_library() is None\n"
        "s = Stencil(torch.ones(2, 1, 3, 3), 1)\n"
        "assert stencils_forward(torch.ones(1, 3, 3, 2), [s], (1, 1))[0, 0, 1, 1, 0] == 9\n"
    )
    for broken in ({"AUTODAS_KERNELS": "plain"}, {"CC": "no-such-compiler"}, {"CC": "false"}):
        environment = {**os.environ, **broken}
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
