from __future__ import annotations

import subprocess
import sys
import types

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from autodas.data._flow import bytes_of_flow, flow_of_frames
from autodas.errors import AutodasError


@pytest.fixture(scope="module")
def texture() -> np.ndarray:
    """Smooth noise without borders, uint8 (64, 64)."""
    noise = gaussian_filter(np.random.default_rng(0).normal(size=(64, 64)), 2, mode="wrap")
    return np.rint((noise - noise.min()) * (255 / np.ptp(noise))).astype(np.uint8)


def moved(texture: np.ndarray, across: int, down: int, frames: int = 3) -> np.ndarray:
    return np.stack([np.roll(texture, (down * i, across * i), (0, 1)) for i in range(frames)])[..., None]


def pixels(flow: np.ndarray) -> np.ndarray:
    """Displacements in the middle of the picture, where nothing comes in from the border."""
    return (flow[:, 16:-16, 16:-16].astype(float) - 127.5) * 20 / 127.5


@pytest.mark.parametrize(("across", "down"), [(3, 0), (0, 2), (-2, 3), (4, -3)])
def test_flow_of_a_known_translation(texture: np.ndarray, across: int, down: int) -> None:
    flow = flow_of_frames(moved(texture, across, down))
    assert flow.shape == (3, 64, 64, 2)
    assert flow.dtype == np.uint8
    # A byte is 0.16 pixels.
    assert np.abs(pixels(flow) - [across, down]).mean() < 0.16
    assert np.median(pixels(flow), axis=(0, 1, 2)) == pytest.approx([across, down], abs=0.1)
    assert np.array_equal(flow[2], flow[1])


def test_colours_are_taken_in_the_order_red_green_blue(texture: np.ndarray) -> None:
    still, moving = moved(texture, 0, 0), moved(texture, 3, 0)
    grey = flow_of_frames(moving)
    assert np.array_equal(flow_of_frames(np.repeat(moving, 3, axis=3)), grey)
    # Red weighs 0.299 and blue 0.114: the stronger one is seen.
    red_moves = pixels(flow_of_frames(np.concatenate([moving, 0 * still, still], axis=3)))
    blue_moves = pixels(flow_of_frames(np.concatenate([still, 0 * still, moving], axis=3)))
    assert np.median(red_moves[..., 0]) > 2
    assert np.median(blue_moves[..., 0]) < 1


def test_flow_of_a_mirrored_clip_is_mirrored_and_opposite(texture: np.ndarray) -> None:
    frames = moved(texture, 3, 1)
    flow = flow_of_frames(frames)
    mirrored = flow_of_frames(frames[:, :, ::-1])[:, :, ::-1]
    assert np.median(pixels(mirrored)[..., 0]) == pytest.approx(-3, abs=0.1)
    back = np.stack([255 - mirrored[..., 0], mirrored[..., 1]], axis=-1)
    assert np.abs(pixels(back) - pixels(flow)).mean() < 0.16


def test_bytes() -> None:
    values = np.array([0, 20, -20, 25, -25, 10, -10, 0.01, -0.01, 20 / 127.5, -20 / 127.5, 1.3, -1.3])
    found = bytes_of_flow(values)
    assert found.dtype == np.uint8
    assert found.tolist() == [128, 255, 0, 255, 0, 191, 64, 128, 127, 129, 126, 136, 119]
    # Half of the range holds half of the bound: 127.5 + 127.5 / 2 = 191.25, 127.5 - 63.75 = 63.75.
    assert bytes_of_flow(values / 4, bound=5).tolist() == found.tolist()


def test_bytes_of_the_opposite() -> None:
    flow = np.random.default_rng(1).normal(0, 15, (50, 50, 2)).astype(np.float32)
    found = bytes_of_flow(flow)
    assert np.array_equal(bytes_of_flow(-flow), 255 - found)
    assert np.abs((found - 127.5) * 20 / 127.5 - np.clip(flow, -20, 20)).max() <= 10 / 127.5 + 1e-5


def test_one_frame_stands_still() -> None:
    assert (flow_of_frames(np.zeros((1, 5, 7, 3), dtype=np.uint8)) == 128).all()


@pytest.mark.parametrize("size", [1, 4, 9, 17])
def test_tiny_frames(size: int) -> None:
    assert (flow_of_frames(np.full((3, size, size + 2, 3), 7, dtype=np.uint8)) == 128).all()


def test_without_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = np.zeros((2, 8, 8, 1), dtype=np.uint8)
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(AutodasError, match=r"install autodas\[flow\]"):
        flow_of_frames(frames)
    monkeypatch.setitem(sys.modules, "cv2", types.ModuleType("cv2"))
    with pytest.raises(AutodasError, match=r"another OpenCV is installed.*autodas\[flow\]"):
        flow_of_frames(frames)


def test_importing_does_not_load_opencv() -> None:
    code = "import sys, autodas.data, autodas.data._flow; print('cv2' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
