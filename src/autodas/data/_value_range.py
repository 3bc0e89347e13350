"""Values of black and white in images of more than 8 bits."""

from __future__ import annotations

import math
from typing import NamedTuple

from autodas.data.files._progress import evenly_spaced, read_all
from autodas.data.files._unreadable import UnreadableError
from autodas.data.pixels._form import Range
from autodas.data.pixels._sources import Source
from autodas.data.splits._parts import Part
from autodas.errors import AutodasError

_LOOKED_AT = 2_000
_BITS = (8, 10, 12, 14, 16)


class _Seen(NamedTuple):
    """Values of one image of more than 8 bits."""

    low: float
    high: float
    whole: bool
    declared: Range | None


def find_value_range(name: str, train: Part[Source], *, threads: bool) -> tuple[Range | None, str | None]:
    """Return the range of the training images, and a note for the user on how it was found.

    Integers from 0: the declared range, if it contains all of them; otherwise the smallest of 8, 10, 12, 14
    and 16 bits that does. Floating-point numbers: the declared range; otherwise 0..1 or -1..1, if it contains
    all of them. Everything else: from the smallest to the largest value. All training images are examined, of
    very many 2,000 that are evenly spaced.

    Returns:
        ``None`` if all have 8 bits.

    Raises:
        AutodasError: if some contain integers of more than 8 bits, and others floating-point numbers.
    """
    places = evenly_spaced(len(train.selection), _LOOKED_AT)

    def look(number: int) -> _Seen | None:
        try:
            with train.source.open(int(train.selection[places[number]])) as picture:
                if not picture.header.deep:
                    return None
                array, _, declared = picture.values()
        except UnreadableError:
            return None  # it is counted when all are read
        low, high = float(array.min()), float(array.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            return None
        return _Seen(low, high, array.dtype.kind != "f", declared)

    what = "looking for the range of values"
    seen = [one for one in read_all(look, len(places), what, threads=threads) if one is not None]
    if not seen:
        return None, None
    if len({one.whole for one in seen}) > 1:
        raise AutodasError(
            f"{name}: some images hold whole numbers of more than 8 bits, others floating-point numbers: "
            "state data.value_range, or bring them into one form"
        )
    value_range, why = _choose(seen)
    some = "" if len(places) == len(train.selection) else f", of {len(places):,} of them"
    return value_range, f"{why}: range {value_range[0]:g}..{value_range[1]:g} (of the training images{some})"


def _choose(seen: list[_Seen]) -> tuple[Range, str]:
    low, high = min(one.low for one in seen), max(one.high for one in seen)
    whole = seen[0].whole
    if all(one.declared is not None for one in seen):
        declared = [one.declared for one in seen if one.declared is not None]
        declared_range = (min(d[0] for d in declared), max(d[1] for d in declared))
        # Some programs scale the values to all bits of the file and declare the original number.
        if declared_range[0] <= low and high <= declared_range[1]:
            return declared_range, "values as the files declare them"
    if whole and low >= 0 and high < 65536:
        bits = next(bits for bits in _BITS if high < 2**bits)
        return (0, 2**bits - 1), f"images of more than 8 bits use {bits} bits"
    numbers = f"images of {'whole' if whole else 'floating-point'} numbers"
    if not whole and low >= -1 and high <= 1:
        return (0 if low >= 0 else -1, 1), numbers
    return (low, high if high > low else low + 1), f"{numbers}, from the smallest to the largest"
