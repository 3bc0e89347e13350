from __future__ import annotations

import hashlib
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor, nn

from autodas.data.sets._moving_digits import _CYCLES, KINDS, _digits, _draw, moving_digits
from autodas.errors import AutodasError

TEST_SHA256 = "f19879bd515e677f94cd3fc2fe41dc901a7e17cec8e758f9e9da986069613c64"


@pytest.fixture(scope="module")
def clips() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {split: moving_digits(split)[:2] for split in ("train", "test")}


@pytest.mark.slow
def test_shapes_and_labels(clips: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    for split, number in (("train", 3200), ("test", 400)):
        pixels, labels = clips[split]
        assert pixels.shape == (number, 16, 32, 32, 1)
        assert pixels.dtype == np.uint8
        assert np.bincount(labels).tolist() == [number // 8] * 8
    pixels, labels, names = moving_digits("test", clips=7, pairs=1, frames=5, image_size=24, seed=3)
    assert pixels.shape == (7, 5, 24, 24, 1)
    assert labels.tolist() == [0, 1, 0, 1, 0, 1, 0]
    assert names == ("right", "left")


@pytest.mark.slow
def test_same_bits_everywhere(clips: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    assert hashlib.sha256(clips["test"][0].tobytes()).hexdigest() == TEST_SHA256
    # A clip does not depend on how many there are.
    few, _, _ = moving_digits("train", clips=101)
    assert np.array_equal(few, clips["train"][0][:101])
    short, _, _ = moving_digits("train", clips=101, frames=8)
    assert np.array_equal(short[::2], few[::2, :8])
    assert not np.array_equal(moving_digits("train", clips=101, seed=1)[0], few)


@pytest.mark.slow
def test_a_clip_backwards_is_one_of_the_other_label(clips: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    for pixels, labels in clips.values():
        assert np.array_equal(pixels[1::2], pixels[::2, ::-1])
        assert np.array_equal(labels[1::2], labels[::2] + 1)
    for first, second in zip(KINDS[::2], KINDS[1::2], strict=True):
        assert {first, second} in (
            {"right", "left"}, {"down", "up"}, {"growing", "shrinking"}, {"clockwise", "anticlockwise"}
        )  # fmt: skip


@pytest.mark.parametrize("coordinate", range(4))
@pytest.mark.parametrize("step", [1, 2])
def test_all_first_states_together_are_symmetric_and_stationary(coordinate: int, step: int) -> None:
    digit = _digits("train")[5]
    cycle, frames = _CYCLES[coordinate], 6
    path = np.tile(np.array([3, 30, 9, 11]), (2, cycle, frames, 1))
    for sign in (0, 1):
        path[sign, :, :, coordinate] = (
            np.arange(cycle)[:, None] + (1 - 2 * sign) * step * np.arange(frames)
        ) % cycle
    forward, backward = (_draw(np.tile(digit, (cycle, 1, 1)), p, 32) for p in path)

    def counted(pictures: np.ndarray) -> Counter[bytes]:
        return Counter(picture.tobytes() for picture in pictures)

    assert counted(forward) != counted(backward)
    assert counted(forward[:, ::-1]) == counted(backward)
    for frame in range(frames):
        assert counted(forward[:, frame]) == counted(forward[:, 0]) == counted(backward[:, frame])
    # Parts of a clip have one distribution, too, wherever they begin.
    assert counted(forward[:, :4]) == counted(forward[:, 2:])


def test_test_clips_show_other_digits() -> None:
    train, test = ({image.tobytes() for image in _digits(split)} for split in ("train", "test"))
    assert len(train) > 1400
    assert len(test) > 350
    assert not train & test


def test_an_upright_digit_of_twice_its_size_is_the_digit() -> None:
    digits = _digits("test")[:20]
    states = np.tile(np.array([10, 20, 8, 0]), (20, 1, 1))
    drawn = _draw(digits, states, 32)[:, 0].astype(float)
    # 16 pixels wide: four pixels about a corner have the mean of the source pixels around it.
    centred = np.roll(drawn, (16 - 20, 16 - 10), (1, 2))[:, 8:24, 8:24]
    means = centred.reshape(20, 8, 2, 8, 2).mean((2, 4))
    source = digits[:, 1:-1, 1:-1] * 255 / 16
    # The mean of four interpolated pixels weighs the source pixel by 9/16 and its neighbours by the rest.
    padded = digits * 255 / 16
    blurred = np.zeros_like(source)
    for dy, wy in ((0, 1 / 8), (1, 3 / 4), (2, 1 / 8)):
        for dx, wx in ((0, 1 / 8), (1, 3 / 4), (2, 1 / 8)):
            blurred += wy * wx * padded[:, dy : dy + 8, dx : dx + 8]
    assert np.abs(means - blurred).max() < 1


@pytest.mark.slow
@pytest.mark.parametrize("frame", [0, 7, 15])
@pytest.mark.parametrize("classifier", [KNeighborsClassifier(5), LogisticRegression(C=0.01, max_iter=200)])
def test_single_frames_say_nothing(
    clips: dict[str, tuple[np.ndarray, np.ndarray]],
    frame: int,
    classifier: KNeighborsClassifier | LogisticRegression,
) -> None:
    (train, labels), (test, wanted) = clips["train"], clips["test"]
    x, y = (pixels[:, frame].reshape(len(pixels), -1) / 255 for pixels in (train, test))
    found = classifier.fit(x, labels).predict_proba(y)
    side = np.take_along_axis(found, wanted[:, None] // 2 * 2 + np.arange(2), axis=1)
    within = np.where(side[:, 0] == side[:, 1], 0.5, side.argmax(1) == wanted % 2)
    # Four standard errors of 400 clips.
    assert abs(within.mean() - 1 / 2) < 0.1
    assert abs((found.argmax(1) == wanted).mean() - 1 / 8) < 0.066


@pytest.mark.slow
def test_frames_without_order_are_the_same_for_both_of_a_pair(
    clips: dict[str, tuple[np.ndarray, np.ndarray]],
) -> None:
    pixels = clips["test"][0].astype(int)
    windows = pixels.reshape(len(pixels), 4, 4, 32, 32).max(2)
    for view in (pixels.sum(1), pixels.max(1), np.sort(pixels, 1), np.sort(windows, 1)):
        assert np.array_equal(view[::2], view[1::2])


def estimated(clip: np.ndarray) -> int:
    """The kind of motion, from moments and correlations of consecutive frames."""
    clip = clip[..., 0].astype(float)
    spectra = np.fft.fft2(clip)
    shifts = []
    for before, after in pairwise(spectra):
        peak = np.fft.ifft2(after * before.conj()).real.argmax()
        shifts.append([(p + 16) % 32 - 16 for p in (peak % 32, peak // 32)])
    across, down = np.median(shifts, axis=0)
    if across or down:
        return KINDS.index(("right" if across > 0 else "left") if across else ("down" if down > 0 else "up"))
    mass = clip.sum((1, 2))
    change = np.median(np.diff(mass)) / mass.mean()
    if abs(change) > 0.02:
        return KINDS.index("growing" if change > 0 else "shrinking")
    # The digit's longer axis, about its centre on the torus.
    wave = np.exp(2j * np.pi * np.arange(32) / 32)
    angles = []
    for frame in clip:
        centre = [np.angle((frame.sum(axis) * wave).sum()) * 32 / (2 * np.pi) for axis in (0, 1)]
        x, y = ((np.arange(32) - c + 16) % 32 - 16 for c in centre)
        moments = [(frame * m).sum() for m in (x[None] ** 2, y[:, None] ** 2, x[None] * y[:, None])]
        angles.append(0.5 * np.arctan2(2 * moments[2], moments[0] - moments[1]))
    turn = np.median((np.diff(angles) + np.pi / 2) % np.pi - np.pi / 2)
    return KINDS.index("clockwise" if turn > 0 else "anticlockwise")


@pytest.mark.slow
def test_motion_tells_the_label(clips: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    pixels, labels = clips["test"]
    right = np.array([estimated(clip) for clip in pixels]) == labels
    assert right.mean() > 0.95
    assert all(right[labels == label].mean() > 0.9 for label in range(8))


class SmallNetwork(nn.Module):
    """Convolutions of frames, pools over four frames, and then separable ones that look along time or not."""

    def __init__(self, classes: int, temporal: bool) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv3d(1, 8, (1, 3, 3), (1, 2, 2), (0, 1, 1), bias=False),
            nn.BatchNorm3d(8),
            nn.ReLU(),
            nn.MaxPool3d((4, 3, 3), (4, 2, 2), (0, 1, 1)),
        )
        layers: list[nn.Module] = []
        window, padding = ((3, 3, 3), (1, 1, 1)) if temporal else ((1, 3, 3), (0, 1, 1))
        for inputs, outputs, stride in ((8, 16, (1, 1, 1)), (16, 32, (1, 2, 2)), (32, 64, (2, 2, 2))):
            layers += [nn.Conv3d(inputs, outputs, window, stride, padding, bias=False)]
            layers += [nn.BatchNorm3d(outputs), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.stem(x)).mean((2, 3, 4)))


def accuracies(temporal: bool) -> tuple[float, float]:
    """Shares of right labels, and of right ones within the pair, after a few epochs of training."""
    splits = []
    for split, number in (("train", 640), ("test", 400)):
        pixels, labels, _ = moving_digits(split, clips=number, pairs=2)
        splits += [torch.from_numpy(pixels).permute(0, 4, 1, 2, 3).float() / 80 - 0.25]
        splits += [torch.from_numpy(labels)]
    x, y, test, wanted = splits
    torch.manual_seed(0)
    network = SmallNetwork(4, temporal)
    epochs, batch = 4, 32
    optimiser = torch.optim.SGD(network.parameters(), 0.05, 0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.05, epochs * len(x) // batch)
    for _ in range(epochs):
        for chosen in torch.randperm(len(x)).split(batch):
            loss = nn.functional.cross_entropy(network(x[chosen]), y[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    network.eval()
    with torch.no_grad():
        found = network(test)
    side = found.view(len(test), 2, 2)[torch.arange(len(test)), wanted // 2]
    return (
        (found.argmax(1) == wanted).float().mean().item(),
        (side.argmax(1) == wanted % 2).float().mean().item(),
    )


@pytest.mark.slow
def test_networks_need_to_look_along_time() -> None:
    label, _ = accuracies(temporal=True)
    assert label > 0.9
    _, within = accuracies(temporal=False)
    assert abs(within - 0.5) < 0.1


def test_out_of_range() -> None:
    with pytest.raises(AutodasError, match="pairs must be between 1 and 4, found 5"):
        moving_digits("train", pairs=5)
    with pytest.raises(AutodasError, match="frames must be between 2 and"):
        moving_digits("train", frames=1)
    with pytest.raises(AutodasError, match="splits are train and test, found 'val'"):
        moving_digits("val")
