"""Batches of images with boxes: the same for the same numbers, from any start, with any number of threads."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from autodas.data import Batch
from autodas.detection import BoxLoader, DetectionDataset, Pixels, _pixels, open_boxes
from autodas.detection._pixels import colour_of
from autodas.detection_options import BoxAugmentation
from autodas.errors import AutodasError


def loader(data: DetectionDataset, train: bool = True, **changes: Any) -> BoxLoader:
    images = data.train if train else data.test
    settings: dict[str, Any] = {
        "batch_size": 2,
        "image_size": 32,
        "mean": (0.5, 0.5, 0.5),
        "std": (0.25, 0.25, 0.25),
        "seed": 3,
        "augmentation": BoxAugmentation() if train else None,
    }
    return BoxLoader(images, Pixels(images), **{**settings, **changes})


def same(one: Batch, other: Batch) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one[:3], other[:3], strict=True))


def test_from_any_start_and_with_threads(voc: Path) -> None:
    data = open_boxes(f"voc:{voc}")
    whole = list(islice(loader(data).stream(), 7))
    assert len(loader(data)) == 2, "of five images the last one would be alone"
    for batches in (
        islice(loader(data).stream(3), 4),
        islice(loader(data, workers=3).stream(3), 4),
    ):
        assert all(same(one, other) for one, other in zip(whole[3:], batches, strict=True))
    epochs = [torch.cat([whole[2 * e].indices, whole[2 * e + 1].indices]).tolist() for e in range(3)]
    assert len({tuple(epoch) for epoch in epochs}) > 1
    assert all(len(set(epoch)) == 4 for epoch in epochs)


def test_evaluation_shows_all_images_once_in_order(voc: Path) -> None:
    data = open_boxes(f"voc:{voc}")
    for workers in (0, 2):
        batches = list(loader(data, augmentation=None, workers=workers).batches())
        assert torch.cat([batch.indices for batch in batches]).tolist() == [0, 1, 2, 3, 4]
    first = batches[0]
    assert first.images.shape == (2, 3, 32, 32)
    assert first.labels.shape == (2, 2, 5)
    expected = [[[0, 0.125, 1 / 3, 0.375, 2 / 3], [1, 0.625, 1 / 12, 0.75, 0.25]], [[0, 0, 0, 0.5, 0.5]]]
    assert torch.allclose(first.labels[0], torch.tensor(expected[0]))
    assert torch.allclose(first.labels[1, 0], torch.tensor(expected[1][0]))
    assert first.labels[1, 1, 0] == -1
    # An image without boxes, beside one with two.
    assert batches[1].labels[0, :, 0].tolist() == [-1, -1]


def test_pixels_are_normalised(voc: Path) -> None:
    data = open_boxes(f"voc:{voc}")
    for name in ("t", "u"):
        Image.new("RGB", (80, 60), (255, 0, 51)).save(voc / f"JPEGImages/{name}.png")
    (batch,) = loader(data, train=False).batches()
    # (1 - 0.5) / 0.25, (0 - 0.5) / 0.25, (0.2 - 0.5) / 0.25.
    assert torch.allclose(batch.images[0, :, 5, 7], torch.tensor([2.0, -2.0, -1.2]))


def test_ignored_boxes_are_not_learned(voc: Path) -> None:
    data = open_boxes(f"voc:{voc}")
    images = tuple(replace(image, ignored=np.ones(len(image.boxes), dtype=bool)) for image in data.train)
    data = replace(data, train=images)
    assert (next(loader(data).stream()).labels[..., 0] == -1).all()


def test_images_are_decoded_once_if_they_fit_in_memory(voc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = open_boxes(f"voc:{voc}")
    pixels = Pixels(data.train)
    assert pixels[1] is pixels[1]
    assert pixels.some(data.train[1:])[0] is pixels[1]
    monkeypatch.setattr(_pixels, "_KEPT", 1000)
    streamed = Pixels(data.train)
    assert streamed[1] is not streamed[1]
    assert np.array_equal(np.asarray(streamed[1]), np.asarray(pixels[1]))


def test_mean_colour(voc: Path) -> None:
    for name in "abcde":
        grey = np.full((60, 80, 3), 51, np.uint8)
        grey[:30] = 153  # half 0.2, half 0.6
        Image.fromarray(grey).save(voc / f"JPEGImages/{name}.png")
    mean, deviation = colour_of(Pixels(open_boxes(f"voc:{voc}").train))
    assert np.allclose(mean, [0.4] * 3)
    assert np.allclose(deviation, [0.2] * 3)


def test_grey_images_are_read_as_rgb(voc: Path) -> None:
    Image.new("L", (80, 60), 99).save(voc / "JPEGImages/b.png")
    assert np.asarray(Pixels(open_boxes(f"voc:{voc}").train)[1])[4, 4].tolist() == [99, 99, 99]


def test_images_that_cannot_be_used(voc: Path) -> None:
    data = open_boxes(f"voc:{voc}")
    Image.new("RGB", (60, 80)).save(voc / "JPEGImages/b.png")
    with pytest.raises(AutodasError, match=r"b\.xml: annotated for 80 x 60 pixels, but .*b\.png has 60 x 80"):
        Pixels(data.train)[1]
    (voc / "JPEGImages/b.png").write_bytes(b"no image")
    with pytest.raises(AutodasError, match=r"b\.png: cannot be read as an image"):
        Pixels(data.train)[1]


def test_numbers_out_of_range(voc: Path) -> None:
    data = open_boxes(f"voc:{voc}")
    for changes, expected in (({"batch_size": 0}, "batch_size"), ({"workers": -1}, "workers")):
        with pytest.raises(AutodasError, match=expected):
            loader(data, **changes)
    with pytest.raises(AutodasError, match="at least 2 images"):
        loader(data, batch_size=1)
    with pytest.raises(AutodasError, match="no images"):
        loader(replace(data, train=()))
