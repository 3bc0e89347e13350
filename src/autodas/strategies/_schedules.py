"""Schedules of SDAS: the number of one-step discretisations as a function of time."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import SupportsFloat

from autodas.errors import AutodasError, nearest
from autodas.user_code import PREFIX, import_function

Schedule = Callable[[Fraction], SupportsFloat]
"""Function from t / T in [0, 1] to the share of decisions taken, in [0, 1]."""

LARGEST_EXPONENT = 100
"""Powers are exact fractions, which grow with the exponent; beyond this one nothing happens until the end."""

_LETTERS = {"a": "power:1", "b": "power:4", "c": "inverse-power:4"}


def schedule(name: str) -> Schedule:
    r"""Return a schedule by name (SDAS, section 3.2).

    ``a``: :math:`t/T`. ``b``: :math:`(t/T)^4`. ``c``: :math:`1-(1-t/T)^4`. ``power:p`` and
    ``inverse-power:p`` are B and C with another exponent p above 0. ``python:package.module:function`` is a
    function of your own, from a fraction to a share, which must be non-decreasing and end at 1.

    Raises:
        AutodasError: if the name is none of these.
    """
    kind, _, argument = _LETTERS.get(name, name).removeprefix(PREFIX).partition(":")
    if kind in ("power", "inverse-power"):
        power = _exponent(argument, name)
        if kind == "power":
            return lambda share: share**power
        return lambda share: 1 - (1 - share) ** power
    if argument:
        return import_function(name, f"schedule '{name}'")
    known = [*_LETTERS, "power:2", "inverse-power:2", "python:package.module:function"]
    raise AutodasError(f"unknown schedule '{name}'{nearest(name, known)}")


def steps_due(
    share_decided: Schedule,
    iteration: int,
    iterations: int,
    steps: int,
    *,
    warmup: float = 0.0,
    settle: float = 0.0,
) -> int:
    r"""Return the number of one-step discretisations that must be done after an iteration.

    :math:`\lfloor M s(x) \rfloor` with :math:`x = \frac{t/T - a}{1 - a - b}`; none at x < 0, all from x = 1
    on. In the paper a = b = 0. Powers are computed with exact fractions, so that rounding does not delay a
    step by an iteration.

    Args:
        share_decided: the schedule s.
        iteration: t, from 1 to T.
        iterations: T.
        steps: M.
        warmup: a, the share of the iterations before the schedule begins.
        settle: b, the share of the iterations after it has ended.
    """
    # As written: 0.1 is a tenth, not the nearest binary fraction.
    begin, end = Fraction(str(warmup)), 1 - Fraction(str(settle))
    time = (Fraction(iteration, iterations) - begin) / (end - begin)
    if time >= 1:
        return steps
    if time < 0:
        return 0
    value = share_decided(time)
    exact = steps * value if isinstance(value, Fraction) else steps * float(value) + 1e-9
    return min(steps, max(0, math.floor(exact)))


def _exponent(text: str, name: str) -> int | float:
    try:
        power = float(text)
    except ValueError:
        power = math.nan
    if not 0 < power <= LARGEST_EXPONENT:
        raise AutodasError(
            f"schedule '{name}': the exponent must be a number above 0 and at most {LARGEST_EXPONENT}"
        )
    return int(power) if power == int(power) else power
