"""The embedded videos: real handwritten digits, labelled by their motion."""

from __future__ import annotations

import numpy as np
import torch

from autodas.data.augmentation._augmentation import Augmentation
from autodas.data.augmentation._random import integers, sample_keys
from autodas.data.frames._sources import ArrayFrames
from autodas.data.splits._parts import RawSplit, RawVideos
from autodas.data.splits._stratified import stratified_halves
from autodas.errors import AutodasError

KINDS = ("right", "left", "down", "up", "growing", "shrinking", "clockwise", "anticlockwise")
"""Kinds of motion in pairs: each is the other of its pair played backwards."""
CLIPS = {"train": 3200, "test": 400}
"""Default number of clips of each split."""

_DOMAIN = 101  # of random numbers: no other use of them has it
_STEPS = 32
_SIZES = 16
_SMALLEST = 8
_CYCLES = (_STEPS, _STEPS, _SIZES, _STEPS)
"""Number of states of each coordinate: across, down, size (number s is 8 + s of 32 of the side), angle."""
_ONE = 4096
_TURN = 2 * np.pi * np.arange(_STEPS) / _STEPS
_COSINE, _SINE = (np.rint(_ONE * wave).astype(np.int32) for wave in (np.cos(_TURN), np.sin(_TURN)))
_CHUNK = 32  # clips drawn at once: more do not fit into the cache


def moving_digits(
    split: str,
    *,
    clips: int | None = None,
    pairs: int = 4,
    frames: int = 16,
    image_size: int = 32,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Make clips of one moving digit each; the label is the kind of motion.

    A frame shows a digit in a state of four numbers: its position across and down, its size and its angle.
    Each of them is cyclic: a digit that leaves on the right re-enters on the left, and one at its largest
    size continues with the smallest. The first state is uniformly distributed, and a motion adds a constant
    to one of the four from frame to frame. So the state of every frame is uniform, whatever the label: a
    single frame carries no information about the label, and no frame is special, as the first or the last
    could be. The odd clip ``2 i + 1`` is the clip ``2 i`` played backwards and has the other label of the
    pair: anything independent of the order of frames has the same value for both.

    Positions move by 1 or 2 of 32 steps per frame, angles by 1 of 32, sizes by 1 of 16. All computations use
    integers, and clip ``i`` is a function of ``(split, i)`` and the other arguments. The digits of test clips
    are different images from those of training clips, with the split of the data set ``digits``. All of
    it is our own design.

    Args:
        split: ``train`` or ``test``.
        clips: number of clips, at least 1; ``None`` for 3,200 and 400. A multiple of ``2 * pairs`` has
            equally many of each label.
        pairs: number of pairs of :data:`KINDS`, 1 to 4; the later ones are harder to distinguish.
        frames: frames of a clip, at least 2.
        image_size: side in pixels, at least 8; the digit's side is between a quarter and 23/32 of it.
        seed: any integer.

    Returns:
        uint8 (clips, frames, image_size, image_size, 1), int64 labels (clips,), and the names of the labels.

    Raises:
        AutodasError: if an argument is out of its range.
    """
    if split not in CLIPS:
        raise AutodasError(f"moving-digits: the splits are train and test, found '{split}'")
    number = CLIPS[split] if clips is None else clips
    for name, value, low, high in (
        ("clips", number, 1, 1 << 20),
        ("pairs", pairs, 1, len(KINDS) // 2),
        ("frames", frames, 2, 1024),
        ("image_size", image_size, 8, 1024),
    ):
        if not low <= value <= high:
            raise AutodasError(f"moving-digits: {name} must be between {low} and {high}, found {value}")
    labels = np.arange(number, dtype=np.int64) % (2 * pairs)
    images = _digits(split)
    twins = torch.arange((number + 1) // 2)
    keys = sample_keys(_DOMAIN, seed, list(CLIPS).index(split), twins)
    chosen = images[integers(keys, 0, len(images)).numpy()]
    states = np.stack([integers(keys, 1 + i, cycle).numpy() for i, cycle in enumerate(_CYCLES)], axis=1)
    moving = labels[::2] // 2
    velocity = np.zeros_like(states)
    velocity[np.arange(len(moving)), moving] = np.where(moving < 2, 1 + integers(keys, 5, 2).numpy(), 1)
    paths = (states[:, None] + np.arange(frames)[:, None] * velocity[:, None]) % _CYCLES

    rendered = np.empty((2 * len(twins), frames, image_size, image_size, 1), dtype=np.uint8)
    for start in range(0, len(twins), _CHUNK):
        part = slice(start, start + _CHUNK)
        rendered[::2][part] = _draw(chosen[part], paths[part], image_size)[..., None]
    rendered[1::2] = rendered[::2, ::-1]
    return rendered[:number], labels, KINDS[: 2 * pairs]


def read_moving_digits(rest: str) -> RawVideos:
    """Return the default clips; ``rest`` may be the number of pairs of motions, 1 to 4."""
    if rest and not rest.isdecimal():
        raise AutodasError(
            f"data set 'moving-digits' takes a number of pairs of motions, found '{rest}': "
            "write moving-digits:4"
        )
    pairs = int(rest) if rest else 4
    train, train_labels, names = moving_digits("train", pairs=pairs)
    test, test_labels, _ = moving_digits("test", pairs=pairs)
    return RawVideos(
        RawSplit(ArrayFrames(train), train_labels),
        RawSplit(ArrayFrames(test), test_labels),
        names,
        # A mirrored motion to the right is one to the left.
        augmentation=Augmentation(),
    )


def _digits(split: str) -> np.ndarray:
    """Return the digits of a split with a black border of one pixel: int64 (N, 10, 10), values 0..16."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    train, test = stratified_halves(digits.target, 0.8, 0)
    images = digits.images[train if split == "train" else test].astype(np.int64)
    return np.pad(images, ((0, 0), (1, 1), (1, 1)))


def _draw(digits: np.ndarray, states: np.ndarray, size: int) -> np.ndarray:
    """Return the frames, uint8 (N, F, size, size), of digits (N, 10, 10) in their states (N, F, 4).

    The position of a pixel is rotated and scaled back into the digit, where the value is interpolated between
    the four nearest pixels.
    """
    # All numbers fit into 32 bits, up to the largest size.
    across, down, scale, angle = (states[..., i, None, None].astype(np.int32) for i in range(4))
    pixel = np.arange(size, dtype=np.int32)
    # Twice the distance from the digit's centre, which lies between pixels: an odd integer.
    dx = 2 * ((pixel[None, :] - across * size // _STEPS + size // 2) % size - size // 2) + 1
    dy = 2 * ((pixel[:, None] - down * size // _STEPS + size // 2) % size - size // 2) + 1
    cosine, sine = _COSINE[angle], _SINE[angle]
    # Source pixels are divided into 256: 8 of them are (_SMALLEST + scale) / 32 of the side.
    fine = 8 * _STEPS * 256 // (2 * _ONE)
    x, y = (
        np.clip(turned * fine // ((_SMALLEST + scale) * size) + 9 * 128, 0, 9 * 256)
        for turned in (cosine * dx + sine * dy, cosine * dy - sine * dx)
    )
    left, top = np.minimum(x // 256, 8), np.minimum(y // 256, 8)
    x, y = x - 256 * left, y - 256 * top
    side = digits.shape[2]
    place = np.arange(len(digits))[:, None, None, None] * side**2 + (side * top + left)
    values = digits.astype(np.int32).ravel()
    upper = values.take(place) * (256 - x) + values[1:].take(place) * x
    lower = values[side:].take(place) * (256 - x) + values[side + 1 :].take(place) * x
    # From 16 times 65,536 to 255, rounded.
    value: np.ndarray = ((upper * (256 - y) + lower * y) * 255 + (1 << 19)) >> 20
    return value.astype(np.uint8)
