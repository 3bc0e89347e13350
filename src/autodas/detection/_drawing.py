"""Drawing of boxes in images."""

from __future__ import annotations

from collections.abc import Sequence

import PIL.ImageDraw
import PIL.ImageFont
from PIL.Image import Image

from autodas.detection._metrics import Prediction

_COLOURS = (
    *("#d62728", "#1f77b4", "#2ca02c", "#ff7f0e", "#9467bd"),
    *("#17becf", "#e377c2", "#bcbd22", "#8c564b", "#7f7f7f"),
)
"""Colours of the classes in turn."""


def draw_boxes(image: Image, prediction: Prediction, classes: Sequence[str]) -> Image:
    """Return an image with boxes, their classes and scores.

    Args:
        image: the image, in RGB.
        prediction: the boxes; those with low scores are drawn first.
        classes: names of the classes.
    """
    drawn = image.copy()
    draw = PIL.ImageDraw.Draw(drawn)
    shorter = min(image.size)
    line, font = max(1, shorter // 200), PIL.ImageFont.load_default(max(10, shorter // 36))
    for number in prediction.scores.argsort().tolist():
        label = int(prediction.labels[number])
        colour = _COLOURS[label % len(_COLOURS)]
        left, top, right, bottom = prediction.boxes[number].tolist()
        # Boxes end between pixels, lines are drawn on them.
        draw.rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), outline=colour, width=line)
        text = f"{classes[label]} {prediction.scores[number]:.2f}"
        _, _, wide, high = draw.textbbox((0, 0), text, font=font)
        # Above the box, unless that is outside the image.
        y = top - high - 2 if top >= high + 2 else top
        draw.rectangle((left, y, left + wide + 3, y + high + 2), fill=colour)
        draw.text((left + 2, y), text, fill="white", font=font)
    return drawn
