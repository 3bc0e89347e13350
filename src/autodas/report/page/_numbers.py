"""Formatting of numbers."""

from __future__ import annotations

import math

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def short(number: int) -> str:
    """Return a count in short form: all digits below a million, else with a power of ten."""
    if number < 1_000_000:
        return f"{number:,}"
    # Counts may exceed the range of floats.
    digits = str(number)
    return f"{int(digits[:4]) / 1000:.2f} × {power(len(digits) - 1)}"


def power(exponent: int) -> str:
    """Return a power of ten."""
    return "10" + str(exponent).translate(_SUPERSCRIPTS)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return round numbers between two numbers.

    Args:
        low: lower end.
        high: upper end.
        count: approximate number of ticks.
    """
    if not high > low:
        return [low]
    rough = (high - low) / count
    unit = 10.0 ** math.floor(math.log10(rough))
    step = unit * next(factor for factor in (1, 2, 5, 10) if factor * unit >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def tick_text(value: float) -> str:
    """Return the label of a tick."""
    if value and abs(value) >= 1e6:
        return f"{value:.3g}".replace("e+0", "e").replace("e+", "e")
    return f"{value:,.0f}" if value == int(value) else f"{value:.6g}"
