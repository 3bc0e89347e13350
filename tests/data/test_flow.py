from __future__ import annotations

import subprocess
import sys
import types
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from autodas.data.frames._flow import BOUND, FlowEncoding, bytes_of_flow, flow_solver, picture_of_flow
from autodas.data.frames._flow_frames import FlowFrames
from autodas.data.frames._sources import ArrayFrames
from autodas.errors import AutodasError


def smooth_noise(side: int, sigma: float = 2.0) -> np.ndarray:
    """Smooth noise without borders, uint8 (side, side)."""
    noise = gaussian_filter(np.random.default_rng(0).normal(size=(side, side)), sigma, mode="wrap")
    return np.rint((noise - noise.min()) * (255 / np.ptp(noise))).astype(np.uint8)


@pytest.fixture(scope="module")
def texture() -> np.ndarray:
    return smooth_noise(64)


def moved(texture: np.ndarray, across: int, down: int, frames: int = 3) -> np.ndarray:
    return np.stack([np.roll(texture, (down * i, across * i), (0, 1)) for i in range(frames)])[..., None]


def flow_of_frames(frames: np.ndarray, method: Any = "tvl1") -> np.ndarray:
    """Bytes of the flow of all frames of a video."""
    return FlowFrames(ArrayFrames(frames[None]), method).read(0, range(len(frames)), min(frames.shape[1:3]))


def pixels(flow: np.ndarray) -> np.ndarray:
    """Displacements in the middle of the picture, where nothing comes in from the border."""
    side = min(flow.shape[1:3])
    margin = side // 4
    middle = flow[:, margin:-margin, margin:-margin].astype(float)
    found: np.ndarray = (middle - 128) / 127 * (side * 20 / 256)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("method", ["tvl1", "dis"])
@pytest.mark.parametrize(("across", "down"), [(3, 0), (0, 2), (-2, 3), (4, -3)])
def test_flow_of_a_known_translation(texture: np.ndarray, across: int, down: int, method: str) -> None:
    flow = flow_of_frames(moved(texture, across, down), method)
    assert flow.shape == (3, 64, 64, 2)
    assert flow.dtype == np.uint8
    assert np.abs(pixels(flow) - [across, down]).mean() < 0.16
    assert np.median(pixels(flow), axis=(0, 1, 2)) == pytest.approx([across, down], abs=0.1)
    assert np.array_equal(flow[2], flow[1])


@pytest.mark.parametrize(("side", "across", "down"), [(32, 1, -2), (112, 5, -8), (112, -3, 1)])
def test_small_frames_use_the_bytes_that_large_ones_do(side: int, across: int, down: int) -> None:
    """The bound is a share of the frame: 2.5 pixels at 32, 8.75 at 112."""
    flow = flow_of_frames(moved(smooth_noise(side, side / 32), across, down), "dis")
    found = np.median(flow[:, side // 4 : -side // 4, side // 4 : -side // 4], axis=(0, 1, 2))
    bound = side * 20 / 256
    assert found == pytest.approx([128 + 127 * across / bound, 128 + 127 * down / bound], abs=3)
    # A third of the way to the edge, at least, which the earlier ±20 pixels were not at either size.
    assert np.abs(found - 128).max() > 42


@pytest.mark.parametrize("size", [(16, 16), (32, 43), (43, 32), (40, 40), (36, 48)])
def test_flow_does_not_depend_on_what_is_read_before(size: tuple[int, int]) -> None:
    """OpenCV's DIS chooses other scales for small frames, and keeps them."""
    frames = np.random.default_rng(0).integers(0, 256, (6, *size, 3), dtype=np.uint8)
    source = FlowFrames(ArrayFrames(frames[None]), "dis")
    whole = source.read(0, range(6), min(size))
    for number in range(6):
        assert np.array_equal(source.read(0, [number], min(size))[0], whole[number])


@pytest.mark.parametrize("size", [(14, 42), (15, 45), (4, 4), (90, 15)])
def test_frames_that_are_too_small_for_dis(size: tuple[int, int]) -> None:
    """OpenCV refuses some of them, and writes beyond others."""
    frames = np.zeros((2, *size, 3), dtype=np.uint8)
    with pytest.raises(AutodasError, match=rf"of at least 16 pixels, found {min(size)}: .*data\.flow=tvl1"):
        flow_solver("dis")(*frames)


def test_parts_of_a_video_have_the_flow_of_the_whole(texture: np.ndarray) -> None:
    frames = moved(texture, 2, 1, frames=7)
    frames[4] = frames[3]
    whole = flow_of_frames(frames, "dis")
    source = FlowFrames(ArrayFrames(frames[None]), "dis")
    for numbers in ([0], [6], [3, 4], [5, 2, 5, 6, 0], range(2, 5)):
        assert np.array_equal(source.read(0, numbers, 64), whole[list(numbers)])
    # A frame that is repeated: nothing moves.
    assert (whole[3] == 128).all()
    assert np.array_equal(whole[6], whole[5])


def test_only_the_frames_of_a_clip_are_read(texture: np.ndarray) -> None:
    class Watched(ArrayFrames):
        asked: tuple[int, ...] = ()

        def read(self, index: int, numbers: Any, side: int) -> np.ndarray:
            self.asked = tuple(numbers)
            return super().read(index, numbers, side)

    source = Watched(moved(texture, 1, 0, frames=20)[None])
    FlowFrames(source, "dis").read(0, [4, 5, 9], 64)
    assert source.asked == (4, 5, 6, 9, 10)
    FlowFrames(source, "dis").read(0, [19], 64)
    assert source.asked == (18, 19)


@pytest.mark.slow
def test_colours_are_taken_in_the_order_red_green_blue(texture: np.ndarray) -> None:
    still, moving = moved(texture, 0, 0), moved(texture, 3, 0)
    grey = flow_of_frames(moving)
    assert np.array_equal(flow_of_frames(np.repeat(moving, 3, axis=3)), grey)
    # Red weighs 0.299 and blue 0.114: the stronger one is seen.
    red_moves = pixels(flow_of_frames(np.concatenate([moving, 0 * still, still], axis=3)))
    blue_moves = pixels(flow_of_frames(np.concatenate([still, 0 * still, moving], axis=3)))
    assert np.median(red_moves[..., 0]) > 2
    assert np.median(blue_moves[..., 0]) < 1


@pytest.mark.slow
def test_flow_of_a_mirrored_clip_is_mirrored_and_opposite(texture: np.ndarray) -> None:
    frames = moved(texture, 3, 1)
    flow = flow_of_frames(frames)
    mirrored = flow_of_frames(frames[:, :, ::-1])[:, :, ::-1]
    assert np.median(pixels(mirrored)[..., 0]) == pytest.approx(-3, abs=0.1)
    back = np.stack([256 - mirrored[..., 0].astype(int), mirrored[..., 1]], axis=-1)
    assert np.abs(pixels(back) - pixels(flow)).mean() < 0.16


def test_bytes() -> None:
    values = np.array([0, 20, -20, 25, -25, 10, -10, 0.07, -0.07, 20 / 127, -20 / 127, 1.3, -1.3])
    found = bytes_of_flow(values, 20)
    assert found.dtype == np.uint8
    # 127 / 20 * 1.3 = 8.255; half of the bound is 63.5, which is rounded to the even 64.
    assert found.tolist() == [128, 255, 1, 255, 1, 192, 64, 128, 128, 129, 127, 136, 120]
    assert bytes_of_flow(values / 4, 5).tolist() == found.tolist()


def test_bytes_of_the_opposite() -> None:
    flow = np.random.default_rng(1).normal(0, 15, (50, 50, 2)).astype(np.float32)
    flow[0] = np.linspace(-20, 20, 100).reshape(50, 2)
    found = bytes_of_flow(flow, 20)
    assert found.min() == 1
    assert np.array_equal(bytes_of_flow(-flow, 20), 256 - found.astype(int))
    assert np.abs((found - 128.0) * 20 / 127 - np.clip(flow, -20, 20)).max() <= 10 / 127 + 1e-5
    assert (bytes_of_flow(np.zeros((2, 2)), 0.1) == 128).all()


def test_pictures_of_flow_for_people() -> None:
    still, right, down, left, up = picture_of_flow(
        np.array([[128, 128], [255, 128], [128, 255], [1, 128], [128, 1]], dtype=np.uint8)
    ).tolist()
    assert still == [255, 255, 255]
    assert right == [255, 64, 64]
    assert left == [0, 191, 191]
    # 0.5 + 0.5 cos of 90, -30 and 210 degrees; of -90, 210 and -30.
    assert down == [128, 238, 17]
    assert up == [128, 17, 238]


@pytest.mark.parametrize("values", [{"method": "farneback"}, {"bound": 0.0}, {"bound": float("nan")}])
def test_encodings_that_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(AutodasError, match="optical flow"):
        FlowEncoding(**values)
    assert FlowEncoding().bound == BOUND


def test_one_frame_stands_still() -> None:
    assert (flow_of_frames(np.zeros((1, 5, 7, 3), dtype=np.uint8)) == 128).all()


@pytest.mark.parametrize("size", [1, 4, 9, 17])
def test_tiny_frames(size: int) -> None:
    assert (flow_of_frames(np.full((3, size, size + 2, 3), 7, dtype=np.uint8)) == 128).all()


def test_without_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = np.zeros((2, 8, 8, 1), dtype=np.uint8)
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(AutodasError, match=r"install autodas\[flow\]"):
        flow_solver("dis")
    monkeypatch.setitem(sys.modules, "cv2", types.ModuleType("cv2"))
    with pytest.raises(AutodasError, match=r"another OpenCV is installed.*autodas\[flow\]"):
        flow_of_frames(frames)


@pytest.mark.slow
def test_importing_does_not_load_opencv() -> None:
    code = "import sys, autodas.data, autodas.data.frames._flow; print('cv2' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
