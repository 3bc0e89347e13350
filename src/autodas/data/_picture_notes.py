"""Notes on the images of a data set, and on how they are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from autodas.data.pixels._form import Form
from autodas.data.pixels._formats import Header

_DULL = 1 / 8


def natural_channels(headers: Sequence[Header]) -> int:
    """Return the default number of channels: 1 if all images are grey.

    If other numbers than those of grey and RGB differ, it is that of most images; the others cannot be read.
    """
    counts = Counter(header.channels for header in headers)
    if set(counts) <= {1, 3}:
        return 1 if set(counts) == {1} else 3
    return counts.most_common(1)[0][0]


def header_notes(headers: Sequence[Header], form: Form, size: int | None) -> list[str]:
    """Return notes on the headers of images.

    Args:
        headers: headers of the images; of some of them if there are very many.
        form: form of the pixels.
        size: the image size if it was chosen automatically, ``None`` if the user chose it.
    """
    notes = []
    several = sum(header.pages for header in headers)
    if several:
        notes.append(f"{several} image files contain several images: the first of each is read")
    grey = sum(header.channels == 1 for header in headers)
    if form.channels == 1 and grey < len(headers):
        notes.append("colours are converted to grey values: one channel")
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
    """Return a warning if training samples have very little contrast.

    Args:
        contrast: largest difference of two values in one sample, relative to the range; ``None`` if there are
            no samples.
        std: standard deviation of each channel; 1 for constant channels.
        what: noun for the samples.
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
