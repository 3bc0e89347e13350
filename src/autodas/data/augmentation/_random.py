"""Random numbers as a function of counters, so that no state must be saved or restored.

All computations are 64-bit integer arithmetic with wrap-around, with the same results on every device.
"""

from __future__ import annotations

import torch
from torch import Tensor

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_STREAM = 0xD1B54A32D192ED03
_MULTIPLIERS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))

ORDER = 1
"""Domain of the order of samples."""
AUGMENTATION = 2
"""Domain of the augmentation of samples."""
SPLIT = 3
"""Domain of stratified splits."""


def _signed(value: int) -> int:
    """Return the int64 with the same 64 bits."""
    value &= _MASK
    return value - (1 << 64) if value >> 63 else value


def _shift(x: Tensor, bits: int) -> Tensor:
    # The shift of int64 copies the sign bit; the mask makes it a shift of unsigned numbers.
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def mix(x: Tensor) -> Tensor:
    """Return a bijective hash of every number (the finaliser of SplitMix64).

    Args:
        x: int64, any shape.
    """
    for bits, multiplier in _MULTIPLIERS:
        x = (x ^ _shift(x, bits)) * _signed(multiplier)
    return x ^ _shift(x, 31)


def _mix_number(x: int) -> int:
    for bits, multiplier in _MULTIPLIERS:
        x &= _MASK
        x = (x ^ (x >> bits)) * multiplier
    x &= _MASK
    return x ^ (x >> 31)


def sample_keys(domain: int, seed: int, epoch: int, indices: Tensor) -> Tensor:
    """Return one key per sample, a function of the arguments only.

    Args:
        domain: purpose of the numbers, so that order and augmentation are independent.
        seed: any integer.
        epoch: at least 0.
        indices: int64 indices of samples, any shape.

    Returns:
        int64 of the shape of ``indices``, arguments of :func:`integers` and :func:`uniform`.
    """
    base = 0
    for number in (domain, seed, epoch):
        base = _mix_number(base + number * _STREAM + _GOLDEN)
    return mix(indices * _signed(_GOLDEN) + _signed(base))


def _bits(keys: Tensor, stream: int) -> Tensor:
    return mix(keys + _signed((stream + 1) * _STREAM))


def integers(keys: Tensor, stream: int, high: int | Tensor) -> Tensor:
    """Return one integer per key, uniform on ``0 .. high - 1``.

    Args:
        keys: result of :func:`sample_keys`.
        stream: number of the draw; draws with different numbers are independent.
        high: at most 2^31; or one for each key.
    """
    return (_shift(_bits(keys, stream), 32) * high) >> 32


def uniform(keys: Tensor, stream: int) -> Tensor:
    """Return one float32 per key, uniform on the 2^24 multiples of 2^-24 in [0, 1)."""
    return _shift(_bits(keys, stream), 40).to(torch.float32) * 2.0**-24


def permutation(count: int, domain: int, seed: int, epoch: int) -> Tensor:
    """Return a permutation of ``0 .. count - 1`` (int64, CPU), a function of the arguments only."""
    keys = sample_keys(domain, seed, epoch, torch.arange(count))
    return torch.argsort(keys, stable=True)
