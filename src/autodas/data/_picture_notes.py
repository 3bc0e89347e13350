"""What a user should know of the pictures of a data set, and of what was made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from autodas.data.pixels._form import Form
from autodas.data.pixels._formats import Header

_DULL = 1 / 8


def natural_channels(headers: Sequence[Header]) -> int:
    """Return the channels that images have when the user has not said it: 1 if all are grey.

    Where numbers beyond grey and RGB differ, it is that of most images; the others cannot be read.
    """
    found = Counter(header.channels for header in headers)
    if set(found) <= {1, 3}:
        return 1 if set(found) == {1} else 3
    return found.most_common(1)[0][0]


def header_notes(headers: Sequence[Header], form: Form, size: int | None) -> list[str]:
    """Return what the headers of images tell.

    Args:
        headers: of the images; some of them where there are very many.
        form: what pixels are made into.
        size: the side that was chosen for the network, ``None`` where the user chose.
    """
    notes = []
    several = sum(header.pages for header in headers)
    if several:
        notes.append(f"{several} image files hold several pictures: the first of each is read")
    grey = sum(header.channels == 1 for header in headers)
    if form.channels == 1 and grey < len(headers):
        notes.append("colours are made grey values: one channel")
    elif form.channels == 3 and grey == len(headers) > 0:
        notes.append("grey values are repeated: three channels")
    of_bytes = sum(not header.deep for header in headers)
    if form.value_range is not None and of_bytes and not form.ranges_bytes:
        low, high = form.value_range
        notes.append(f"images of 8 bits are read as 0..255, not as {low:g}..{high:g}")
    short = sorted(min(header.width, header.height) for header in headers)
    median = short[len(short) // 2] if short else 0
    if size is not None and median and (short[-1] > 2 * median or 2 * short[0] < median):
        notes.append(
            f"images differ in size: short sides of {short[0]} to {short[-1]} pixels, the median is "
            f"{median}, the network sees {size} (data.image_size)"
        )
    return notes


def contrast_note(contrast: float | None, std: Sequence[float], what: str) -> str | None:
    """Return a warning where training samples show next to nothing.

    Args:
        contrast: largest difference of two values in one sample, as a part of the range; ``None`` if there
            are no samples.
        std: standard deviation of each channel; 1 where it is constant.
        what: what the samples are called.
    """
    if contrast is None:
        return None
    if contrast == 0:
        return f"each of the training {what} has one value only: is the range right (data.value_range)?"
    if contrast < _DULL:
        return (
            f"no training {what[:-1]} uses more than {100 * contrast:.1f} % of the range of values: state "
            "the true one with data.value_range"
        )
    constant = [str(channel) for channel in np.flatnonzero(np.array(std) == 1.0)]
    if constant:
        return f"constant in all training {what}: channel {', '.join(constant)} of {len(std)}, from 0"
    return None
