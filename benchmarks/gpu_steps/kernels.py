"""Step 1: the kernels for GPUs against the plain forms in double precision, and their times."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from autodas.kernels import (
    Given,
    Layout,
    Maps,
    PoolShape,
    Slope,
    Stencil,
    Units,
    UnitShape,
    mix_backward,
    mix_forward,
    moments,
    ordered_pool,
    pools_backward,
    pools_forward,
    stencils_backward,
    stencils_forward,
    units_backward,
    units_forward,
)

from .tools import Check

WINDOWS = [(3, 1), (5, 1), (3, 2), (5, 2)]
"""Windows and dilations of units that read the state of one cell."""

CASES = [
    # channels, side of the map, stride, a map for each stencil, precision
    (16, 32, 1, False, torch.float32),
    (16, 32, 1, True, torch.float32),
    (32, 32, 2, False, torch.float32),
    (32, 16, 1, True, torch.float32),
    (64, 8, 1, False, torch.float32),
    (64, 8, 1, True, torch.bfloat16),
    (16, 32, 1, False, torch.bfloat16),
]


def run(check: Check) -> None:
    """Compare and time depthwise convolutions, whole units, mixing, products over many pixels, and pools."""
    for case in CASES[:: 3 if check.tiny else 1]:
        _stencils(check, *case)
        _units(check, *case)
    for channels, side in ((16, 32), (64, 8)):
        for dtype in (torch.float32, torch.bfloat16):
            _mixing(check, channels, side, dtype)
    _products(check)
    _pools(check)


def _stencils(check: Check, channels: int, side: int, step: int, own: bool, dtype: torch.dtype) -> None:
    shapes = ([(3, 1), (5, 1)] * 2 if own else WINDOWS) * 4
    count, images, stride = len(shapes), 2 if check.tiny else 64, (step, step)
    torch.manual_seed(0)

    def draw(*size: int) -> Tensor:
        return torch.randn(size, device=check.device)

    x = draw(*([count] if own else []), images, side, side, channels).to(dtype)
    scale, shift = (draw(count, channels).abs() if own else None for _ in range(2))
    stencils = [Stencil(draw(channels, 1, k, k), dilation) for k, dilation in shapes]
    exact = [Stencil(s.weight.double(), s.dilation) for s in stencils]
    wide = [None if t is None else t.double() for t in (scale, shift)]
    out = stencils_forward(x, stencils, stride, scale, shift)
    upstream = torch.randn_like(out)
    expected = stencils_forward(x.double(), exact, stride, *wide)
    gradient, weights = stencils_backward(x, stencils, stride, upstream, scale, shift)
    wanted, of_weights = stencils_backward(x.double(), exact, stride, upstream.double(), *wide)
    again, weights_again = stencils_backward(x, stencils, stride, upstream, scale, shift)

    def backward(weight_gradient: bool) -> None:
        stencils_backward(x, stencils, stride, upstream, scale, shift, weight_gradient=weight_gradient)

    check.tell(
        "stencils",
        channels=channels,
        side=side,
        stride=step,
        own=own,
        dtype=dtype,
        error=_error(out, expected),
        error_input=_error(gradient, wanted),
        error_weights=max(map(_error, weights, of_weights)),
        same_bits=torch.equal(gradient, again) and all(map(torch.equal, weights, weights_again)),
        ms=check.milliseconds(lambda: stencils_forward(x, stencils, stride, scale, shift)),
        ms_input=check.milliseconds(lambda: backward(False)),
        ms_input_and_weights=check.milliseconds(lambda: backward(True)),
    )


def _units(check: Check, channels: int, side: int, step: int, own: bool, dtype: torch.dtype) -> None:
    shapes = ([(3, 1), (5, 1)] * 2 if own else WINDOWS) * 4
    count, images = len(shapes), 2 if check.tiny else 64
    torch.manual_seed(0)

    def draw(*size: int) -> Tensor:
        return torch.randn(size, device=check.device)

    x = draw(*([count] if own else []), images, side, side, channels).to(dtype)
    scale, shift = (draw(count, channels).abs() if own else None for _ in range(2))
    given = Given(x, (step, step), scale, shift)
    wide = Given(x.double(), given.stride, *(None if t is None else t.double() for t in (scale, shift)))
    units = Units(
        tuple(UnitShape((k, k), dilation) for k, dilation in shapes),
        [draw(channels, 1, k, k) for k, _ in shapes],
        [draw(channels, channels, 1, 1) for _ in shapes],
    )
    exact = Units(units.shapes, *([w.double() for w in part] for part in units[1:]))
    out = x.new_empty(count, *given.out_shape())
    expected = out.double()
    rows = torch.empty(2, count, channels, device=check.device)
    exact_rows = rows.double()
    units_forward(given, units, out, (rows[0], rows[1]))
    units_forward(wide, exact, expected, (exact_rows[0], exact_rows[1]))
    upstream, abd = torch.randn_like(out).flatten(1, -2), draw(3, count, channels)
    everything = tuple(range(count))
    slope = Slope(Maps(everything, upstream), *abd.unbind())
    exact_slope = Slope(Maps(everything, upstream.double()), *abd.double().unbind())
    gradient, weights = units_backward(given, units, out, slope, weights=True)
    wanted, of_weights = units_backward(wide, exact, out.double(), exact_slope, weights=True)
    again, weights_again = units_backward(given, units, out, slope, weights=True)
    check.tell(
        "units",
        channels=channels,
        side=side,
        stride=step,
        own=own,
        dtype=dtype,
        error=_error(out, expected),
        error_moments=_error(rows, exact_rows),
        error_input=_error(gradient, wanted),
        error_weights=max(map(_error, weights, of_weights)),
        same_bits=torch.equal(gradient, again) and all(map(torch.equal, weights, weights_again)),
        ms=check.milliseconds(lambda: units_forward(given, units, out, (rows[0], rows[1]))),
        ms_input=check.milliseconds(lambda: units_backward(given, units, out, slope, weights=False)),
        ms_input_and_weights=check.milliseconds(
            lambda: units_backward(given, units, out, slope, weights=True)
        ),
    )


def _mixing(check: Check, channels: int, side: int, dtype: torch.dtype) -> None:
    """Sums of 20 normalised maps, as a node has, their gradients, moments, and pools."""
    count, images = 20, 2 if check.tiny else 64
    pixels, everything = images * side * side, tuple(range(20))
    torch.manual_seed(0)
    maps = torch.randn(count, images, side, side, channels, device=check.device).to(dtype)
    layout = Layout((count,), everything, everything, everything)
    weights = torch.rand(count, device=check.device)
    upstream = torch.randn(1, pixels, channels, device=check.device).to(dtype)

    def through(maps: Tensor, weights: Tensor, upstream: Tensor) -> tuple[Tensor, ...]:
        mean, variance = weights.new_empty(2, count, channels).unbind()
        moments(maps, mean, variance)
        read, scale = Maps(everything, maps.flatten(1, -2)), torch.empty_like(mean)
        out, slopes = torch.empty_like(upstream), weights.new_empty(3, count, channels)
        mix_forward(out, scale, layout, read, mean, variance, weights)
        gradient = mix_backward(slopes, layout, read, upstream, mean, scale, weights)
        assert gradient is not None
        return mean, variance, out, slopes, gradient

    def pooled(x: Tensor, upstream: Tensor) -> tuple[Tensor, Tensor]:
        pools = [PoolShape("max", (3, 3)), PoolShape("avg", (3, 3))]
        out, gradient = x.new_empty(2, *x.shape), torch.zeros_like(x)
        pools_forward(x, pools, (1, 1), out)
        pools_backward(
            x, pools, (1, 1), upstream.view(1, *x.shape).expand(2, *x.shape).contiguous(), gradient
        )
        return out, gradient

    found = through(maps, weights, upstream)
    exact = through(maps.double(), weights.double(), upstream.double())
    names = ("mean", "variance", "sums", "slopes", "weights")
    errors = {f"error_{n}": _error(a, b) for n, a, b in zip(names, found, exact, strict=True)}
    pools, exact_pools = pooled(maps[0], upstream), pooled(maps[0].double(), upstream.double())
    check.tell(
        "mixing",
        channels=channels,
        side=side,
        dtype=dtype,
        **errors,
        error_pools=max(map(_error, pools, exact_pools)),
        same_bits=all(map(torch.equal, found, through(maps, weights, upstream))),
        ms=check.milliseconds(lambda: through(maps, weights, upstream)),
        ms_pools=check.milliseconds(lambda: pooled(maps[0], upstream)),
    )


def _products(check: Check) -> None:
    """The gradient of pointwise weights, as one product for each unit, and with the pixels cut into parts."""
    units, pixels, channels, parts = (2, 1024, 16, 64) if check.tiny else (16, 65_536, 16, 64)
    for dtype in (torch.float32, torch.bfloat16):
        a, b = (torch.randn(units, pixels, channels, device=check.device, dtype=dtype) for _ in range(2))

        def cut(t: Tensor) -> Tensor:
            return t.view(units * parts, pixels // parts, channels)

        def in_parts(a: Tensor = a, b: Tensor = b) -> Tensor:
            products = torch.bmm(cut(a).transpose(1, 2), cut(b))
            return products.view(units, parts, channels, channels).sum(1)

        whole = torch.bmm(a.transpose(1, 2), b)
        exact = torch.bmm(a.double().transpose(1, 2), b.double())
        check.tell(
            "products",
            dtype=dtype,
            error=_error(whole, exact),
            error_in_parts=_error(in_parts(), exact),
            ms=check.milliseconds(lambda a=a, b=b: torch.bmm(a.transpose(1, 2), b)),
            ms_in_parts=check.milliseconds(in_parts),
        )


def _pools(check: Check) -> None:
    """The gradient of a max pool: torch's, and that of the form with a fixed order."""
    size = (2, 8, 8, 4) if check.tiny else (64, 32, 32, 16)
    x = torch.randn(size, device=check.device).movedim(-1, 1).requires_grad_()
    upstream = torch.ones_like(x)
    times = {}
    for name, y in (("torch", F.max_pool2d(x, 3, 1, 1)), ("ordered", ordered_pool(x, "max", (3, 3), (1, 1)))):
        times[f"ms_{name}"] = check.milliseconds(
            lambda y=y: torch.autograd.grad(y, x, upstream, retain_graph=True)
        )
    check.tell("max_pool_backward", **times)


def _error(found: Tensor, expected: Tensor) -> float:
    return float((found.double() - expected).norm() / expected.norm())
