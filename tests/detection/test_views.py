"""Images as a detector sees them, and where their boxes go: against numbers by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from tests.detection.conftest import paint
from torch import Tensor

from autodas.data.augmentation._random import AUGMENTATION, sample_keys
from autodas.detection import _views
from autodas.detection._views import evaluation_view, training_view
from autodas.detection_options import BoxAugmentation
from autodas.errors import AutodasError

IMAGE = Image.new("RGB", (80, 40))
BOXES = np.array([[8.0, 4.0, 40.0, 20.0], [60.0, 10.0, 80.0, 40.0]])
PLAIN = BoxAugmentation(flip=False, scale_jitter=0, color_jitter=0)


def key(index: int = 0, epoch: int = 0) -> Tensor:
    return sample_keys(AUGMENTATION, 0, epoch, torch.tensor([index]))


def drawn(monkeypatch: pytest.MonkeyPatch, scale: float, left: float, top: float, flip: int = 0) -> None:
    """Let the random numbers be given ones."""
    numbers = {_views._SCALE: scale, _views._LEFT: left, _views._TOP: top}
    monkeypatch.setattr(_views, "uniform", lambda key, stream: torch.tensor([numbers[stream]]))
    monkeypatch.setattr(_views, "integers", lambda key, stream, high: torch.tensor([flip]))


def test_without_augmentation_sides_become_one() -> None:
    view = training_view(IMAGE, BOXES, key(), PLAIN, size=32, colour=(0, 0, 0))
    assert view.boxes.tolist() == [[0.1, 0.1, 0.5, 0.5], [0.75, 0.25, 1, 1]]
    assert view.pixels.shape == (32, 32, 3)
    assert view.kept.all()


def test_mirrored_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn(monkeypatch, 0.5, 0, 0, flip=1)
    flipping = BoxAugmentation(flip=True, scale_jitter=0, color_jitter=0)
    view = training_view(IMAGE, BOXES, key(), flipping, size=32, colour=(0, 0, 0))
    assert np.allclose(view.boxes, [[0.5, 0.1, 0.9, 0.5], [0, 0.25, 0.25, 1]], atol=1e-12)


def test_boxes_of_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    # A jitter of 0.5 and the number 0: half of each side. Anywhere: 0.25 of 40 pixels, 0.5 of 20.
    drawn(monkeypatch, 0, 0.25, 0.5)
    zooming = BoxAugmentation(flip=False, scale_jitter=0.5, color_jitter=0)
    view = training_view(IMAGE, BOXES, key(), zooming, size=32, colour=(0, 0, 0))
    # The part is 40 x 20 from (10, 10). (8..40, 4..20) is (-2..30, -6..10) there, of which 30 x 10 of
    # 32 x 16 pixels are left. (60..80, 10..40) lies beyond its right edge at 50.
    assert view.kept.tolist() == [True, False]
    assert np.allclose(view.boxes, [[0, 0, 0.75, 0.5]])


def test_a_box_of_which_too_little_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn(monkeypatch, 0, 0, 0)
    zooming = BoxAugmentation(flip=False, scale_jitter=0.5, color_jitter=0)
    boxes = np.array([[30.0, 0.0, 62.9, 10.0], [30.0, 0.0, 64.0, 10.0]])
    # The part ends at 40: 10 of 32.9 pixels are more than 0.3, 10 of 34 less.
    view = training_view(IMAGE, boxes, key(), zooming, size=32, colour=(0, 0, 0))
    assert view.kept.tolist() == [True, False]


def test_boxes_of_a_smaller_image(monkeypatch: pytest.MonkeyPatch) -> None:
    # A jitter of 0.6 and the number 1: the part is 1.6 times as large, so the image takes 20 of 32 pixels,
    # 3 from the left and 9 from the top.
    drawn(monkeypatch, 1, 0.25, 0.75)
    zooming = BoxAugmentation(flip=False, scale_jitter=0.6, color_jitter=0)
    view = training_view(
        Image.new("RGB", (80, 40), "red"), BOXES, key(), zooming, size=32, colour=(0, 0.5, 1)
    )
    expected = (np.array([3, 9, 3, 9]) + 20 * BOXES / [80, 40, 80, 40]) / 32
    assert np.allclose(view.boxes, expected)
    assert (view.pixels[9:29, 3:23] == [255, 0, 0]).all()
    outside = np.ones((32, 32), dtype=bool)
    outside[9:29, 3:23] = False
    assert (view.pixels[outside] == [0, 128, 255]).all()


@pytest.mark.parametrize("index", range(40))
def test_boxes_stay_on_what_they_frame(index: int) -> None:
    """The pixels in the box are those of the object, whatever the random numbers."""
    boxes = [("cell", 30, 20, 50, 40)]
    image = paint(80, 60, boxes)  # red in the box, grey elsewhere
    view = training_view(
        image,
        np.array([boxes[0][1:]], dtype=float),
        key(index),
        BoxAugmentation(scale_jitter=0.6),
        size=96,
        colour=(0.5, 0.5, 0.5),
    )
    red = (view.pixels[..., 0].astype(int) - view.pixels[..., 2]) > 80
    if not view.kept.all():
        return
    left, top, right, bottom = (96 * view.boxes[0]).round().astype(int)
    framed = np.zeros_like(red)
    framed[top:bottom, left:right] = True
    both, either = (red & framed).sum(), (red | framed).sum()
    assert both / either > 0.85


def test_the_same_numbers_give_the_same_view() -> None:
    image = paint(80, 60, [("cell", 30, 20, 50, 40)])
    boxes = np.array([[30.0, 20.0, 50.0, 40.0]])

    def view(index: int, epoch: int) -> np.ndarray:
        return training_view(
            image, boxes, key(index, epoch), BoxAugmentation(), size=32, colour=(0, 0, 0)
        ).pixels

    assert np.array_equal(view(3, 1), view(3, 1))
    assert not np.array_equal(view(3, 1), view(3, 2))
    assert not np.array_equal(view(3, 1), view(4, 1))


def test_an_image_of_one_size_is_left_as_it_is() -> None:
    image = paint(32, 32, [])
    assert np.array_equal(evaluation_view(image, 32), np.asarray(image))


@pytest.mark.parametrize("settings", [{"scale_jitter": 1.0}, {"scale_jitter": -0.1}, {"color_jitter": 1.5}])
def test_values_out_of_range(settings: dict[str, float]) -> None:
    with pytest.raises(AutodasError, match=f"{next(iter(settings))}="):
        BoxAugmentation(**settings)  # type: ignore[arg-type]
