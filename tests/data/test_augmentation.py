from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch
from PIL import Image

from autodas.data import Augmentation, normalise
from autodas.data.augmentation import _augmentation as module
from autodas.data.augmentation._colour import jitter, turn_hue
from autodas.data.augmentation._crops import random_boxes, resized_crop
from autodas.data.augmentation._random import AUGMENTATION, integers, sample_keys
from autodas.errors import AutodasError


def make(count: int = 40, size: int = 12, channels: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (count, size, size, channels), dtype=np.uint8)
    return torch.from_numpy(pixels), sample_keys(AUGMENTATION, 1, 2, torch.arange(count))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [1, 8, 13])
def test_padded_crop_against_numpy(channels: int, size: int) -> None:
    pixels, keys = make(size=size, channels=channels)
    tops, lefts = (integers(keys, stream, 7).tolist() for stream in (0, 1))
    assert set(tops) == set(lefts) == set(range(7))
    result = module.padded_crop(pixels, keys, 3).numpy()
    for i in range(len(pixels)):
        padded = np.zeros((size + 6, size + 6, channels), np.uint8)
        padded[3 : 3 + size, 3 : 3 + size] = pixels[i].numpy()
        expected = padded[tops[i] : tops[i] + size, lefts[i] : lefts[i] + size]
        np.testing.assert_array_equal(result[i], expected)


def test_flip_against_numpy() -> None:
    pixels, keys = make(400)
    result = module.flip(pixels, keys).numpy()
    mirrored = [np.array_equal(r, p[:, ::-1]) for r, p in zip(result, pixels.numpy(), strict=True)]
    same = [np.array_equal(r, p) for r, p in zip(result, pixels.numpy(), strict=True)]
    assert all(a != b for a, b in zip(mirrored, same, strict=True))
    assert 160 < sum(mirrored) < 240


@pytest.mark.parametrize("side", [1, 4, 5, 30])
def test_cutout_against_numpy(side: int) -> None:
    _, keys = make(size=12)
    images = torch.rand(40, 12, 12, 3) + 1
    result = images.clone()
    module.cut(result, keys, side)
    for i in range(40):
        expected = images[i].numpy().copy()
        y, x = (int(integers(keys[i : i + 1], stream, 12)) - side // 2 for stream in (3, 4))
        expected[max(0, y) : max(0, y + side), max(0, x) : max(0, x + side)] = 0
        np.testing.assert_array_equal(result[i].numpy(), expected)


def test_normalise_against_numpy() -> None:
    pixels, _ = make()
    mean, std = (0.1, 0.5, 0.9), (0.2, 0.3, 1.0)
    expected = (pixels.numpy() / 255.0 - mean) / std
    result = normalise(pixels.permute(0, 3, 1, 2), mean, std)
    np.testing.assert_allclose(result.permute(0, 2, 3, 1).numpy(), expected, atol=1e-5)
    single = normalise(pixels[0].permute(2, 0, 1), mean, std)
    assert torch.equal(single, result[0])


def test_evaluation_is_the_normalised_centre() -> None:
    pixels, keys = make(size=12)
    mean, std = (0.1, 0.5, 0.9), (0.2, 0.3, 1.0)
    result = module.finish(pixels, keys, None, size=8, mean=mean, std=std, cropped=False)
    assert torch.equal(result, normalise(pixels[:, 2:10, 2:10].permute(0, 3, 1, 2), mean, std))
    assert result.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    "augmentation",
    [
        Augmentation(crop_padding=2, flip=True, cutout=5, color_jitter=0.4),
        Augmentation(random_resized_crop=True, flip=True, color_jitter=1.0),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_sample_is_the_same_alone_and_in_a_batch(augmentation: Augmentation, channels: int) -> None:
    pixels, keys = make(33, 18, channels)
    options = {"size": 16, "mean": (0.5,) * channels, "std": (0.3,) * channels, "cropped": False}
    batch = module.finish(pixels, keys, augmentation, **options)  # type: ignore[arg-type]
    assert batch.shape == (33, channels, 16, 16)
    for i in range(33):
        alone = module.finish(pixels[i : i + 1], keys[i : i + 1], augmentation, **options)  # type: ignore[arg-type]
        assert torch.equal(alone[0], batch[i])


def test_hue_against_colorsys() -> None:
    pixels, _ = make(6, 8)
    turns = torch.tensor([0.0, 0.25, -0.25, 0.5, 0.1, -0.03])
    result = turn_hue(pixels, turns).numpy()
    for i, turn in enumerate(turns.tolist()):
        for before, after in zip(pixels[i].reshape(-1, 3).tolist(), result[i].reshape(-1, 3), strict=True):
            hue, saturation, value = colorsys.rgb_to_hsv(*(c / 255 for c in before))
            expected = [255 * c for c in colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value)]
            np.testing.assert_allclose(after, expected, atol=0.51)


def test_jitter_keeps_the_mean_and_stays_in_range() -> None:
    pixels = torch.full((2000, 4, 4, 3), 120, dtype=torch.uint8)
    keys = sample_keys(AUGMENTATION, 0, 0, torch.arange(2000))
    result = jitter(pixels, keys, 0.4).double()
    # Only brightness changes a grey picture: a factor uniform in 0.6 .. 1.4.
    assert abs(result.mean() - 120) < 5 * 120 * 0.4 / np.sqrt(3 * 2000)
    assert result.min() >= 120 * 0.6 - 1
    assert result.max() <= 120 * 1.4 + 1
    assert result.std() == pytest.approx(120 * 0.4 / np.sqrt(3), rel=0.05)


def test_random_boxes() -> None:
    count = 4000
    keys = sample_keys(AUGMENTATION, 0, 0, torch.arange(count))
    heights, widths = np.full(count, 300), np.full(count, 400)
    top, left, height, width = random_boxes(keys, heights, widths).T
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + height <= 300).all()
    assert (left + width <= 400).all()
    share, ratio = height * width / 120_000, width / height
    assert share.min() > 0.079
    assert share.max() <= 1
    assert ratio.min() > 0.74
    assert ratio.max() < 1.35
    assert abs(np.log(ratio)).mean() == pytest.approx(np.log(4 / 3) / 2, rel=0.1)
    # Up to 56 % of the area every shape fits, so shares are uniform there.
    small = share[share < 0.56]
    assert small.mean() == pytest.approx(0.32, abs=5 * 0.48 / np.sqrt(12 * len(small)))
    # A box fits nowhere in a banner: the largest centred one is taken.
    assert random_boxes(keys[:1], np.array([10]), np.array([1000])).tolist() == [[0, 493, 10, 13]]


def test_resized_crop_against_pillow() -> None:
    pixels, keys = make(12, 40)
    smooth = torch.from_numpy(
        np.stack([np.asarray(Image.fromarray(p[:5, :5].numpy()).resize((40, 40))) for p in pixels])
    )
    result = resized_crop(smooth, keys, 40).numpy().astype(int)
    boxes = random_boxes(keys, np.full(12, 40), np.full(12, 40))
    for i, (top, left, height, width) in enumerate(boxes.tolist()):
        part = Image.fromarray(smooth[i].numpy()).crop((left, top, left + width, top + height))
        expected = np.asarray(part.resize((40, 40), Image.Resampling.BILINEAR)).astype(int)
        assert abs(result[i] - expected).max() <= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop_padding": -1}, "augmentation.crop_padding must be at least 0, found -1"),
        ({"cutout": -2}, "augmentation.cutout must be at least 0, found -2"),
        ({"color_jitter": 1.5}, r"augmentation.color_jitter must be in \[0, 1\], found 1.5"),
        ({"crop_padding": 2, "random_resized_crop": True}, "exclude each other"),
    ],
)
def test_errors(options: dict[str, float], message: str) -> None:
    with pytest.raises(AutodasError, match=message):
        Augmentation(**options)  # type: ignore[arg-type]


def test_text() -> None:
    assert str(Augmentation()) == "none"
    assert str(Augmentation(crop_padding=4, flip=True)) == "crop_padding=4, flip=True"
