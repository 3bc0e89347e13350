"""Units of ReLU, depthwise convolution and pointwise convolution: neither features nor weights are copied."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch._utils import _unflatten_dense_tensors

from autodas.kernels._maps import Moments
from autodas.kernels._stencil import Stencil
from autodas.kernels._unit import Given, Slope, Units
from autodas.kernels.gpu._combine import _picked, both
from autodas.kernels.gpu._launch import COUNTS, Tiles, addresses, launch, numbers
from autodas.kernels.gpu._moments import _add_tile, join_moments
from autodas.kernels.gpu._stencils import Call, _affine, _features, input_gradient, write_weight_sums


@triton.jit
def _product(left, right, like):
    """Return the matrix product of two tiles, in the precision of the maps; sums are in single precision."""
    if like.dtype.element_ty == tl.bfloat16:
        # Such numbers have fewer digits than TF32, so that nothing is rounded twice.
        one = left.to(tl.bfloat16).to(tl.float32)
        return tl.dot(one, right.to(tl.bfloat16).to(tl.float32), input_precision="tf32")
    return tl.dot(left, right, input_precision="ieee")


@triton.jit(do_not_specialize=COUNTS)
def _units(
    x,
    depthwise,
    pointwise,
    plan,
    scale,
    shift,
    out,
    means,
    deviations,
    pixels,
    height,
    width,
    out_height,
    out_width,
    channels,
    map_size,
    STRIDE: tl.constexpr,
    SHARED: tl.constexpr,
    AFFINE: tl.constexpr,
    MOMENTS: tl.constexpr,
    PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
    BLOCKS: tl.constexpr,
):
    part = tl.program_id(0)
    g = tl.program_id(2)
    window, dilation = tl.load(plan + 3 * g), tl.load(plan + 3 * g + 1)
    taps = tl.load(depthwise + g).to(tl.pointer_type(tl.float32))
    mixer = tl.load(pointwise + g).to(tl.pointer_type(tl.float32))
    channel = tl.arange(0, CHANNELS)
    inside = channel < channels
    # (inputs, outputs) of weights that are (outputs, inputs).
    square = inside[:, None] & inside[None, :]
    mixers = tl.load(mixer + channel[None, :] * channels + channel[:, None], mask=square, other=0.0)
    factor, summand = _affine(scale, shift, g, channel, channels, AFFINE)
    source = x if SHARED else x + g.to(tl.int64) * map_size
    target = out + g.to(tl.int64) * pixels * channels
    count = 0.0
    mean = tl.zeros((CHANNELS,), tl.float32)
    deviation = tl.zeros((CHANNELS,), tl.float32)
    for block in range(BLOCKS):
        pixel = (part * BLOCKS + block) * PIXELS + tl.arange(0, PIXELS)
        within = (pixel < pixels)[:, None] & inside[None, :]
        features = _features(
            source,
            taps,
            pixel,
            channel,
            within,
            window,
            dilation,
            factor,
            summand,
            height,
            width,
            out_height,
            out_width,
            channels,
            STRIDE,
            AFFINE,
            PIXELS,
            CHANNELS,
        )
        value = _product(features, mixers, out).to(out.dtype.element_ty)
        tl.store(target + pixel[:, None] * channels + channel[None, :], value, mask=within)
        if MOMENTS:
            count, mean, deviation = _add_tile(
                count, mean, deviation, value.to(tl.float32), pixel < pixels, within
            )
    if MOMENTS:
        at = (part * tl.num_programs(2) + g) * channels + channel
        tl.store(means + at, mean, mask=inside)
        tl.store(deviations + at, deviation, mask=inside)


@triton.jit(do_not_specialize=COUNTS)
def _units_gradient(
    x,
    depthwise,
    pointwise,
    plan,
    scale,
    shift,
    u,
    one,
    other,
    index,
    a,
    b,
    d,
    spread,
    partial,
    pixels,
    height,
    width,
    out_height,
    out_width,
    channels,
    map_size,
    first,
    size,
    STRIDE: tl.constexpr,
    SHARED: tl.constexpr,
    AFFINE: tl.constexpr,
    WEIGHTS: tl.constexpr,
    PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
    BLOCKS: tl.constexpr,
):
    part = tl.program_id(0)
    g = tl.program_id(2)
    window, dilation = tl.load(plan + 3 * g), tl.load(plan + 3 * g + 1)
    taps = tl.load(depthwise + g).to(tl.pointer_type(tl.float32))
    mixer = tl.load(pointwise + g).to(tl.pointer_type(tl.float32))
    channel = tl.arange(0, CHANNELS)
    inside = channel < channels
    square = inside[:, None] & inside[None, :]
    mixers = tl.load(mixer + channel[:, None] * channels + channel[None, :], mask=square, other=0.0)
    factor, summand = _affine(scale, shift, g, channel, channels, AFFINE)
    source = x if SHARED else x + g.to(tl.int64) * map_size
    moved = g.to(tl.int64) * pixels * channels
    arrived = _picked(one, other, tl.load(index + g), pixels * channels)
    row = g * channels + channel
    of_upstream = tl.load(a + row, mask=inside, other=0.0)[None, :]
    of_output = tl.load(b + row, mask=inside, other=0.0)[None, :]
    of_all = tl.load(d + row, mask=inside, other=0.0)[None, :]
    total = tl.zeros((CHANNELS, CHANNELS), tl.float32)
    for block in range(BLOCKS):
        pixel = (part * BLOCKS + block) * PIXELS + tl.arange(0, PIXELS)
        within = (pixel < pixels)[:, None] & inside[None, :]
        at = pixel[:, None] * channels + channel[None, :]
        given = tl.load(arrived + at, mask=within, other=0.0).to(tl.float32)
        value = tl.load(u + moved + at, mask=within, other=0.0).to(tl.float32)
        slope = tl.where(within, of_upstream * given + of_output * value + of_all, 0.0)
        back = _product(slope, mixers, spread)
        tl.store(spread + moved + at, back.to(spread.dtype.element_ty), mask=within)
        if WEIGHTS:
            features = _features(
                source,
                taps,
                pixel,
                channel,
                within,
                window,
                dilation,
                factor,
                summand,
                height,
                width,
                out_height,
                out_width,
                channels,
                STRIDE,
                AFFINE,
                PIXELS,
                CHANNELS,
            )
            total += _product(tl.trans(slope), features, spread)
    if WEIGHTS:
        # After the depthwise weights of all units.
        target = partial + part.to(tl.int64) * size + first + g * channels * channels
        tl.store(target + channel[:, None] * channels + channel[None, :], total, mask=square)


def units_forward(given: Given, units: Units, out: Tensor, moments: Moments | None = None) -> None:
    """As :func:`autodas.kernels.units_forward`, for maps of two dimensions of at most 64 channels."""
    call = _call(given, units)
    tiles = _tiles(call)
    shape = (2, tiles.parts, len(out), out.shape[-1])
    means, deviations = call.x.new_empty(shape, dtype=torch.float32).unbind()
    launch(
        _units,
        (tiles.parts, 1, len(out)),
        *_inputs(call, units),
        out,
        means,
        deviations,
        call.out_pixels,
        *call.sizes,
        call.map_size,
        **tiles.constants(**call.constants, MOMENTS=moments is not None, BLOCKS=tiles.blocks),
    )
    if moments is not None:
        mean, variance = moments
        join_moments(mean, variance, means, deviations, call.out_pixels, tiles)


def units_backward(
    given: Given, units: Units, out: Tensor, slope: Slope, *, weights: bool
) -> tuple[Tensor, list[Tensor | None]]:
    """As :func:`autodas.kernels.units_backward`, for maps of two dimensions of at most 64 channels."""
    call = _call(given, units)
    tiles, every = _tiles(call), units.weights
    spread = torch.empty_like(out)
    size = sum(weight.numel() for weight in every)
    partial = out.new_empty(tiles.parts if weights else 0, size, dtype=torch.float32)
    launch(
        _units_gradient,
        (tiles.parts, 1, len(out)),
        *_inputs(call, units),
        out,
        *both(slope.upstream),
        numbers(slope.upstream.index, out),
        *slope[1:],
        spread,
        partial if weights else slope.a,
        call.out_pixels,
        *call.sizes,
        call.map_size,
        call.taps,
        size,
        picked=slope.upstream,
        **tiles.constants(**call.constants, WEIGHTS=weights, BLOCKS=tiles.blocks),
    )
    gradient = input_gradient(call, spread)
    if not weights:
        return gradient, [None] * len(every)
    write_weight_sums(call, spread, partial, tiles)
    return gradient, list(_unflatten_dense_tensors(partial.sum(0), every))


def _stencils(units: Units) -> list[Stencil]:
    return [
        Stencil(weight, shape.dilation) for weight, shape in zip(units.depthwise, units.shapes, strict=True)
    ]


def _call(given: Given, units: Units) -> Call:
    return Call(given.x, _stencils(units), given.stride, given.scale, given.shift)


def _tiles(call: Call) -> Tiles:
    # Products of tiles have at least 16 rows and columns.
    return Tiles(call.out_pixels, call.sizes[-1], least=16)


def _inputs(call: Call, units: Units) -> list[Tensor]:
    x, depthwise, *rest = call.inputs()
    return [x, depthwise, addresses(units.pointwise), *rest]
