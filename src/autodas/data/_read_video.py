"""One video as evaluation sees it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from autodas.data._clips import Clips
from autodas.data._decode import UnreadableError
from autodas.data._flow_frames import FlowFrames
from autodas.data._frames import FrameSource
from autodas.data._video_folder import frames_of
from autodas.data._videos import Videos, clip_side
from autodas.data_options import Modality
from autodas.errors import AutodasError


def read_clips(
    path: str | Path,
    *,
    channels: int,
    image_size: int,
    clips: Clips,
    number: int = 20,
    modality: Modality = "rgb",
) -> Tensor:
    """Read a video file, or a folder of frames, as evaluation sees it.

    Args:
        path: the file or folder.
        channels: 1 for grey values, 3 for colours, 2 for flow.
        image_size: side of the result in pixels.
        clips: how clips are taken.
        number: how many are spread evenly over the video.
        modality: ``"rgb"`` or ``"flow"``.

    Returns:
        uint8 (number, channels, frames, image_size, image_size).

    Raises:
        AutodasError: if it is missing or cannot be read.
    """
    if not Path(path).exists():
        raise AutodasError(f"{path}: no such file or folder")
    frames: FrameSource = frames_of([str(path)])
    if modality == "flow":
        frames = FlowFrames(frames)
    split = Videos(
        frames,
        np.arange(1),
        np.zeros(1, dtype=np.int64),
        clips=clips,
        side=clip_side(image_size),
        channels=channels,
        image_size=image_size,
    )
    try:
        views = split.evaluation_views(0, range(number), number)
    except UnreadableError as error:
        raise AutodasError(f"{path}: cannot be read as a video ({error})") from error
    return torch.from_numpy(np.stack(views)).permute(0, 4, 1, 2, 3)
