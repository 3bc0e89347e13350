"""All candidates that read one state, in one call of the compiled kernels: see ``state.h``."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch._utils import _unflatten_dense_tensors

from autodas.kernels._calls import address, addresses, pointers, whole_library_for
from autodas.kernels._layout import Layout
from autodas.kernels._maps import Stack
from autodas.kernels._pools import PoolShape
from autodas.kernels._running import Running
from autodas.kernels._unit import UnitShape
from autodas.kernels._units import have_loops


@dataclass(frozen=True)
class Candidates:
    """Candidates that read a state, in the order of their maps.

    Args:
        stride: stride along each dimension of the map.
        first, second: units that read the state, and those that read the maps of the former.
        reductions: number of pointwise convolutions in two parts, with a stride.
        windows: side of the window of dense convolutions, and how many have it.
        pools: the pools.
        pool_edges: number of edges of each pool.
        pools_normalised: whether the moments of pools are needed.
        identities: number of edges with an identity.
        places: edge of each slot after those of the first units that second ones read.
        index: for each term of the sums the number of its map; ~0 for the state.
        batch, running: layout of the sums with moments of the batch, and with running ones.
        norm_rows: row of each normalisation layer in the moments of a batch.
        moment_rows: number of these rows.
    """

    stride: tuple[int, ...]
    first: tuple[UnitShape, ...]
    second: tuple[UnitShape, ...]
    reductions: int
    windows: tuple[tuple[int, int], ...]
    pools: tuple[PoolShape, ...]
    pool_edges: tuple[int, ...]
    pools_normalised: bool
    identities: int
    places: tuple[int, ...]
    index: tuple[int, ...]
    batch: Layout
    running: Layout
    norm_rows: tuple[int, ...]
    moment_rows: int


class StatePass(NamedTuple):
    """What a forward pass reads and writes for the backward pass.

    Args:
        x: the state, shape (batch, *map, channels).
        mixing: the mixing weights, of any shape.
        parameters: the weights of the convolutions, in the order of the gradients.
        maps, pooled: memory for the maps, those of pools apart.
        mean: mean of each map, shape (rows, channels).
        between: factor and summand of the normalisation between units, each of shape (units, channels).
        scale: factor of the normalisation of each map, of the shape of ``mean``.
    """

    x: Tensor
    mixing: Tensor
    parameters: Sequence[Tensor]
    maps: Tensor
    pooled: Tensor
    mean: Tensor
    between: Sequence[Tensor]
    scale: Tensor


class _Units(ctypes.Structure):
    """Mirrors ``Units`` of ``state.h``."""

    _fields_ = (
        ("count", ctypes.c_long),
        *((name, ctypes.c_void_p) for name in ("kernel", "area", "dilation", "reach")),
    )


class _State(ctypes.Structure):
    """Mirrors ``State`` of ``state.h``."""

    _fields_ = (
        *((n, ctypes.c_long) for n in ("clips", "frames", "rows", "columns", "channels", "stride", "step")),
        ("first", _Units),
        ("second", _Units),
        ("reductions", ctypes.c_long),
        ("offsets", ctypes.c_void_p),
        ("windows", ctypes.c_long),
        ("window", ctypes.c_void_p),
        ("convolutions", ctypes.c_void_p),
        ("pools", ctypes.c_long),
        ("reaches", ctypes.c_long),
        *((name, ctypes.c_void_p) for name in ("reach", "most", "mean", "pool_edges")),
        ("pools_normalised", ctypes.c_long),
        ("identities", ctypes.c_long),
        ("places", ctypes.c_void_p),
        *((name, ctypes.c_long) for name in ("slots", "edges", "terms")),
        *((name, ctypes.c_void_p) for name in ("counts", "index", "factor", "slot")),
        ("batch_row", ctypes.c_void_p),
        ("running_row", ctypes.c_void_p),
        ("moment_rows", ctypes.c_long),
        ("norms", ctypes.c_long),
        *((name, ctypes.c_void_p) for name in ("norm_row", "ones", "numbers")),
    )


def has_one_call(candidates: Candidates, x: Tensor, parameters: Sequence[Tensor]) -> bool:
    """Return whether compiled kernels that support ``x`` compute these candidates in one call."""
    stride = candidates.stride
    in_planes = len(stride) in (2, 3) and stride[-1] == stride[-2] in (1, 2)
    frames_left_out = candidates.reductions > 0 and max(stride[:-2], default=1) > 1
    pools_of_three = all(pool.window[-2:] == (3, 3) for pool in candidates.pools)
    halves = candidates.reductions == 0 or x.shape[-1] % 4 == 0
    return (
        in_planes
        and not frames_left_out
        and pools_of_three
        and halves
        and have_loops(candidates.first + candidates.second)
        and all(parameter.dtype == torch.float32 for parameter in parameters)
    )


class StateKernel:
    """The candidates of states of one shape; results are those of the kernels one by one.

    Args:
        candidates: the candidates.
        shape: shape of the states: (batch, *map, channels).
    """

    def __init__(self, candidates: Candidates, shape: torch.Size) -> None:
        self._state = _State()
        self._kept: list[object] = []
        self._places = ctypes.addressof(self._state)
        self._windows = sum(count for _, count in candidates.windows)
        of_first = _number_of_weights(candidates.first)
        of_units = of_first + _number_of_weights(candidates.second)
        count = candidates.reductions
        parts = [of_units + 2 * i + part for part in range(2) for i in range(count)]
        dense = range(of_units + 2 * count, of_units + 2 * count + self._windows)
        units = [*_unit_order(candidates.first, 0), *_unit_order(candidates.second, of_first)]
        self._order = [*units, *parts, *dense]
        self._of_gradients = [*range(of_units), *parts, *dense]
        self._describe(candidates, shape)

    def _describe(self, candidates: Candidates, shape: torch.Size) -> None:
        """Write the description that the kernels read."""
        state, (clips, *frames, rows, columns, channels) = self._state, shape
        stride = candidates.stride
        self._set(state, clips=clips, frames=frames[0] if frames else 1, rows=rows, columns=columns)
        self._set(state, channels=channels, stride=stride[-1], step=stride[0] if frames else 1)
        for units, shapes in ((state.first, candidates.first), (state.second, candidates.second)):
            sides = tuple(unit.window[-1] for unit in shapes)
            self._set(units, count=len(shapes), kernel=sides, area=tuple(side**2 for side in sides))
            self._set(units, dilation=tuple(unit.dilation for unit in shapes))
            self._set(units, reach=tuple(unit.reach for unit in shapes))
        count = candidates.reductions
        self._set(state, reductions=count, offsets=(0,) * count + (1,) * count)
        self._set(state, windows=len(candidates.windows))
        self._set(state, window=tuple(side for side, _ in candidates.windows))
        self._set(state, convolutions=tuple(count for _, count in candidates.windows))
        reaches = dict.fromkeys(pool.window[:-2] for pool in candidates.pools)
        self._set(state, pools=len(candidates.pools), reaches=len(reaches))
        self._set(state, reach=tuple(math.prod(reach) for reach in reaches))
        number = {(pool.kind, pool.window[:-2]): i for i, pool in enumerate(candidates.pools)}
        for name, kind in (("most", "max"), ("mean", "avg")):
            self._set(state, **{name: tuple(number.get((kind, reach), -1) for reach in reaches)})
        self._set(state, pool_edges=candidates.pool_edges, identities=candidates.identities)
        self._set(state, pools_normalised=int(candidates.pools_normalised), places=candidates.places)
        inner, batch = len(candidates.second), candidates.batch
        self._set(state, slots=inner + len(candidates.places), edges=len(batch.counts))
        self._set(state, terms=len(candidates.index), counts=batch.counts, index=candidates.index)
        self._set(state, factor=batch.factor, slot=batch.slot, batch_row=batch.row)
        self._set(state, running_row=candidates.running.row, moment_rows=candidates.moment_rows)
        self._set(state, norms=len(candidates.norm_rows), norm_row=candidates.norm_rows)
        self._set(state, ones=(1,) * inner, numbers=tuple(range(inner)))

    def _set(self, structure: ctypes.Structure, **values: int | tuple[int, ...]) -> None:
        """Set fields; the structure only has the addresses of arrays, which are kept here."""
        for name, value in values.items():
            if isinstance(value, tuple):
                array = (ctypes.c_int * len(value))(*value)
                self._kept.append(array)
                value = ctypes.addressof(array)
            setattr(structure, name, value)

    def _weights(self, parameters: Sequence[Tensor]) -> tuple[bytes, Sequence[Tensor]]:
        """Return the addresses of the weights, in the kernels' order, and what has to live meanwhile."""
        given = [parameters[i] for i in self._order]
        if self._windows:
            last = torch.channels_last
            given[-self._windows :] = [w.contiguous(memory_format=last) for w in given[-self._windows :]]
        return pointers([weight.data_ptr() for weight in given]), given

    def forward(
        self,
        given: StatePass,
        before: Sequence[Tensor | None],
        variance: Tensor,
        running: Running | None,
        out: Stack,
        *,
        constant: bool,
    ) -> None:
        """Write the contribution to each edge, and all maps with what is needed to normalise them.

        Args:
            given: the state, and memory.
            before: what is added to each contribution; ``None`` for nothing.
            variance: variance of each map, of the shape of the mean.
            running: the running statistics of the layers, which follow; ``None`` if they do not.
            out: the contributions.
            constant: whether mean and variance are given: running ones, a row for each layer. Otherwise those
                of the batch are written.
        """
        weights, alive = self._weights(given.parameters)
        means, variances, momentum = running or ((), (), -1.0)
        library = whole_library_for(given.x)
        assert library is not None
        library.autodas_state_forward(
            self._places,
            int(constant),
            *map(address, (given.x, given.mixing)),
            weights,
            pointers([0 if each is None else each.data_ptr() for each in before]),
            *map(address, (given.maps, given.pooled, given.mean, variance)),
            momentum,
            addresses(means),
            addresses(variances),
            *map(address, (*given.between, given.scale)),
            addresses(out),
        )
        del alive

    def backward(
        self, given: StatePass, upstream: Stack, *, constant: bool, pools_again: bool, wanted: bool
    ) -> tuple[Tensor, Tensor | None, list[Tensor | None]]:
        """Return the gradients of the state, of the mixing weights, and of the parameters, in order.

        Args:
            given: as the forward pass left it.
            upstream: the gradient of each contribution, contiguous.
            constant: as in the forward pass.
            pools_again: whether ``given.pooled`` is only memory, and has to be computed again.
            wanted: whether to compute the gradients of the parameters; otherwise they are ``None``.
        """
        x, mixing, parameters, maps, *_ = given
        weights, alive = self._weights(parameters)
        slopes = given.mean.new_empty(3, self._state.slots, x.shape[-1])
        inner = maps.new_empty(self._state.second.count, *maps.shape[1:])
        arriving = maps.new_empty(self._state.pools, *maps.shape[1:])
        gradient, mixing_gradient = torch.empty_like(x), torch.empty_like(mixing)
        whole = x.new_empty(sum(p.numel() for p in parameters)) if wanted else None
        library = whole_library_for(x)
        assert library is not None
        library.autodas_state_backward(
            self._places,
            int(constant),
            *map(address, (x, mixing)),
            mixing.numel(),
            weights,
            *map(address, (maps, given.pooled)),
            int(pools_again),
            *map(address, (given.mean, *given.between, given.scale)),
            addresses(upstream),
            *map(address, (slopes, inner, arriving, gradient, mixing_gradient, whole)),
        )
        del alive
        gradients: list[Tensor | None] = [None] * len(parameters)
        if whole is not None:
            for number, own in zip(self._of_gradients, self._parts(whole, parameters), strict=True):
                gradients[number] = own
        return gradient, mixing_gradient, gradients

    def _parts(self, whole: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
        """Return the gradients in the kernels' order; those of dense convolutions are channels last."""
        like = [parameters[i] for i in self._of_gradients]
        start = len(like) - self._windows
        like[start:] = [weight.movedim(1, -1) for weight in like[start:]]
        parts = list(_unflatten_dense_tensors(whole, like))  # type: ignore[no-untyped-call]
        parts[start:] = [part.movedim(-1, 1) for part in parts[start:]]
        return parts


def _unit_order(shapes: Sequence[UnitShape], start: int) -> Iterator[int]:
    """Yield the numbers of the weights of units: three for each, the last one unread without a reach."""
    count = len(shapes)
    yield from range(start, start + 2 * count)
    rest = iter(range(start + 2 * count, start + 3 * count))
    yield from (next(rest) if shape.reach else start for shape in shapes)


def _number_of_weights(shapes: Sequence[UnitShape]) -> int:
    return 2 * len(shapes) + sum(shape.reach > 0 for shape in shapes)
