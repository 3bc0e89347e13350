"""Optical flow of a clip: how far each pixel moves until the next frame."""

from __future__ import annotations

from typing import Any

import numpy as np

from autodas.errors import AutodasError

BOUND = 20.0
"""Displacements in pixels beyond which a byte of flow does not reach: usual for two-stream networks."""


def flow_of_frames(frames: np.ndarray, bound: float = BOUND) -> np.ndarray:
    """Compute dense flow from each frame to the next by TV-L1, as bytes.

    The minimum of total variation of the flow plus L1 distance of the frames (Zach, Pock and Bischof, 2007),
    as OpenCV computes it with its own defaults; of grey values. The last frame has no next one and repeats
    the flow before it; a single frame has none and gets that of standing still. Both are our choice.

    Args:
        frames: uint8 (F, H, W, 3) in the order red, green, blue, or (F, H, W, 1), F at least 1.
        bound: see :func:`bytes_of_flow`.

    Returns:
        uint8 (F, H, W, 2): displacement across (to the right is more than 127.5) and down, in pixels of
        the frames that were given.

    Raises:
        AutodasError: if OpenCV with its extra modules is not installed.
    """
    count, height, width, channels = frames.shape
    flow = np.zeros((count, height, width, 2), dtype=np.float32)
    if count > 1:
        cv2 = _opencv()
        grey = [cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) if channels == 3 else f[..., 0] for f in frames]
        method = cv2.optflow.createOptFlow_DualTVL1()
        for i in range(count - 1):
            # The arrays must be contiguous; without a third one the search starts from no motion.
            flow[i] = method.calc(np.ascontiguousarray(grey[i]), np.ascontiguousarray(grey[i + 1]), None)
        flow[-1] = flow[-2]
    return bytes_of_flow(flow, bound)


def bytes_of_flow(flow: np.ndarray, bound: float = BOUND) -> np.ndarray:
    """Return ``127.5 + 127.5 clip(flow / bound, -1, 1)``, rounded away from the middle, as uint8.

    So ``255 - value`` is the value of the opposite displacement, which is what a mirrored picture has across;
    one byte is ``bound / 127.5`` pixels. No displacement is 128: there is no byte in the middle.

    Args:
        flow: displacements in pixels, any shape.
        bound: the largest displacement that is told apart, above 0.
    """
    size = np.floor(128 + 127.5 * np.minimum(np.abs(flow) / bound, 1)).astype(np.uint8)
    found: np.ndarray = np.where(flow < 0, 255 - size, size)
    return found


def _opencv() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise AutodasError(
            "optical flow needs the package 'opencv-contrib-python-headless': install autodas[flow]"
        ) from error
    # The plain packages of OpenCV have the same name and lack this part.
    if not hasattr(cv2, "optflow"):
        raise AutodasError(
            "optical flow needs OpenCV with its extra modules, and another OpenCV is installed: "
            "uninstall that one and install autodas[flow]"
        )
    return cv2
