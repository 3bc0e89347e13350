"""Optical flow: the displacement of each pixel until the next frame."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from autodas.data_options import Flow
from autodas.errors import AutodasError

BOUND = 20 / 256
"""Maximum displacement that a byte of flow represents, as a share of the short side.

20 pixels of frames of 256, as usual for two-stream networks. In clips of UCF101 0.2 % of the displacements
are larger.
"""

SMALLEST = 16
"""Short side of the smallest frames for DIS.

In smaller ones OpenCV's patches reach beyond the frame, which may end the process.
"""


@dataclass(frozen=True)
class FlowEncoding:
    """Computation of optical flow and its conversion to bytes.

    Args:
        method: ``"tvl1"`` or ``"dis"``; see :func:`flow_solver`.
        bound: maximum displacement that a byte represents, as a share of the short side; above 0.

    Raises:
        AutodasError: if a value is out of range.
    """

    method: Flow = "tvl1"
    bound: float = BOUND

    def __post_init__(self) -> None:
        if self.method not in get_args(Flow):
            raise AutodasError(f"unknown method of optical flow '{self.method}'")
        if not 0 < self.bound < math.inf:
            raise AutodasError(f"the bound of optical flow must be above 0, found {self.bound}")


def flow_solver(method: Flow) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Return a function that computes dense flow from one frame to another.

    ``tvl1`` minimises the total variation of the flow plus the L1 distance of the frames (Zach, Pock and
    Bischof, 2007), ``dis`` is the dense inverse search (Kroeger et al., 2016) with OpenCV's preset "medium";
    both as computed by OpenCV with its defaults, on grey values.

    Args:
        method: ``"tvl1"`` or ``"dis"``.

    Returns:
        A function of two frames, uint8 (H, W, 3) in the order red, green, blue, or (H, W, 1), that returns
        float32 (H, W, 2): displacement across (positive to the right) and down, in pixels of these frames.
        Between equal frames it is zero.

    Raises:
        AutodasError: if OpenCV with its extra modules is not installed; the function, if the frames are too
            small for the method.
    """
    cv2 = _opencv()
    tvl1 = cv2.optflow.createOptFlow_DualTVL1()

    def grey(frame: np.ndarray) -> np.ndarray:
        values = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) if frame.shape[-1] == 3 else frame[..., 0]
        return np.ascontiguousarray(values)

    def solve(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        if method == "tvl1":
            solver = tvl1
        elif (side := min(one.shape[:2])) < SMALLEST:
            raise AutodasError(
                f"optical flow by dis needs frames of at least {SMALLEST} pixels, found {side}: choose a "
                "larger `data.image_size`, or `data.flow=tvl1`"
            )
        else:
            # A solver keeps the scales that it has chosen for a small frame, and the next frame comes out
            # differently: the flow of a frame would depend on those that are read before it.
            solver = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        if np.array_equal(one, other):
            return np.zeros((*one.shape[:2], 2), dtype=np.float32)
        # Without a third argument the search starts from no motion.
        flow: np.ndarray = solver.calc(grey(one), grey(other), None)
        return flow

    return solve


def bytes_of_flow(flow: np.ndarray, bound: float) -> np.ndarray:
    """Return ``128 + 127 clip(flow / bound, -1, 1)``, rounded, as uint8.

    No displacement is 128, and the opposite of ``value`` is ``256 - value``, which is the horizontal
    component of a mirrored image; one byte is ``bound / 127`` pixels. 0 does not occur.

    Args:
        flow: displacements in pixels, any shape.
        bound: maximum displacement that is represented, above 0.
    """
    # Halves are rounded to even numbers, which is symmetric in both directions.
    values: np.ndarray = (128 + np.rint(127 * np.clip(flow / bound, -1, 1))).astype(np.uint8)
    return values


def picture_of_flow(values: np.ndarray) -> np.ndarray:
    """Return flow as colours for display: hue is direction, saturation is distance; no motion is white.

    Args:
        values: uint8 (..., 2), result of :func:`bytes_of_flow`.

    Returns:
        uint8 (..., 3). Red moves to the right, yellow-green down, cyan to the left, violet up.
    """
    across, down = np.moveaxis((values.astype(np.float64) - 128) / 127, -1, 0)
    hue = np.arctan2(down, across)[..., None] - np.array([0, 2, -2]) * np.pi / 3
    # The square root makes small displacements visible.
    strength = np.sqrt(np.clip(np.hypot(across, down), 0, 1))[..., None]
    colours = 0.5 + 0.5 * np.cos(hue)
    pixels: np.ndarray = np.rint(255 * (1 - strength * (1 - colours))).astype(np.uint8)
    return pixels


def _opencv() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise AutodasError(
            "optical flow needs the package 'opencv-contrib-python-headless': install autodas[flow]"
        ) from error
    # OpenCV's plain packages have the same name, but lack this module.
    if not hasattr(cv2, "optflow"):
        raise AutodasError(
            "optical flow needs OpenCV with its extra modules, but another OpenCV is installed: "
            "uninstall it and install autodas[flow]"
        )
    return cv2
