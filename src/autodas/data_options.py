"""Options of data sets, shared by the library and the commands. No torch, so that help is instant."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from autodas.errors import AutodasError, nearest

Modality = Literal["rgb", "flow"]
"""What a network sees of a video: its colours, or the optical flow from frame to frame."""
Storage = Literal["auto", "memory", "stream", "cache", "compressed"]
Sampling = Literal["dense", "sparse"]
Starts = Literal["random", "grid"]
Flow = Literal["tvl1", "dis"]


def transient(default: Any, **metadata: Any) -> Any:
    """Return a field that says how a command is run, not what it does; it is not saved with the run."""
    return field(default=default, metadata={"saved": False, **metadata})


@dataclass(frozen=True)
class DataOptions:
    """How a data set is read.

    Every field is an argument of :func:`autodas.open_dataset` and, behind ``--data.``, an option of commands.

    Args:
        classes: use only these classes, such as archery,biking; by default all.
        image_size: height and width in pixels that the network sees, 4 to 2048. By default images keep their
            own size where all are squares of one size up to 64; otherwise the median short side, at most
            224, rounded down to a multiple of 8; of videos at most 112.
        max_image_size: largest height and width that the default image_size may come to.
        channels: channels that the network sees: 1 makes grey values of colours, 3 repeats grey values;
            by default those of the data.
        value_range: the values that stand for black and white, such as 0,4095. By default 0,255 for 8 bits;
            otherwise what the files declare, or the range of the training data.
        subset: use only that many training samples, in proportion to the classes and at least 2 a class.
        groups: keep samples of one group on one side of every split: a column of the list, or a regular
            expression found in the path, such as _g(\\d+)_, whose match (its first group, if it has one)
            names the group.
        max_bad: largest share of the samples, in [0, 1], that may be unreadable; those are left out and
            named.
        storage: memory, stream (read files when they are needed), or auto: images in memory below 2 GiB a
            split, and kept on disk where decoding them takes long; videos streamed. cache decodes images and
            videos once into files; compressed does so with videos in a tenth of the space.
        frames: frames of a clip; by default 16.
        frame_step: frames of the video from one frame of a clip to the next; by default 1.
        fps: frames a second that a clip has, whatever the rate of its video; by default every frame_step-th
            frame of the video.
        sampling: dense takes frames that follow each other; sparse cuts the video into as many stretches as a
            clip has frames and takes one frame of each.
        starts: where training clips begin: random, or on the grid of clips that do not overlap (SDAS, 5.2).
        modality: what is seen of videos: rgb, or flow (optical flow, computed once and stored).
        flow: method of the optical flow: tvl1 (of the two-stream papers), or dis (a hundred times faster).
        cache: folder for stored frames, flow and decoded images; by default ~/.cache/autodas/frames.

    Raises:
        AutodasError: if a value is out of its range, or two exclude each other.
    """

    classes: tuple[str, ...] = ()
    image_size: int | None = None
    max_image_size: int | None = None
    channels: int | None = None
    value_range: tuple[float, float] | None = None
    subset: int | None = None
    groups: str | None = None
    max_bad: float = 0.01
    storage: Storage = "auto"
    frames: int | None = None
    frame_step: int | None = None
    fps: float | None = None
    sampling: Sampling = "dense"
    starts: Starts = "random"
    modality: Modality = "rgb"
    flow: Flow = "tvl1"
    cache: str | None = transient(None)

    def __post_init__(self) -> None:
        for name in ("image_size", "max_image_size"):
            pixels = getattr(self, name)
            if pixels is not None and not 4 <= pixels <= 2048:
                raise AutodasError(f"{name} must be between 4 and 2048 pixels, found {pixels}")
        if self.channels is not None and not 1 <= self.channels <= 1024:
            raise AutodasError(f"channels must be between 1 and 1024, found {self.channels}")
        if self.value_range is not None and not self.value_range[0] < self.value_range[1]:
            raise AutodasError(f"value_range must ascend, found {self.value_range[0]},{self.value_range[1]}")
        if not 0 <= self.max_bad <= 1:
            raise AutodasError(f"max_bad is a fraction between 0 and 1, found {self.max_bad}")
        for name in ("frames", "frame_step"):
            count = getattr(self, name)
            if count is not None and count < 1:
                raise AutodasError(f"{name} must be at least 1, found {count}")
        if self.fps is not None and not 0 < self.fps <= 1000:
            raise AutodasError(f"fps must be above 0 and at most 1000, found {self.fps}")
        if self.fps is not None and self.frame_step is not None:
            raise AutodasError("fps and frame_step exclude each other: leave one of them out")
        if self.sampling == "sparse" and (self.fps is not None or self.frame_step is not None):
            raise AutodasError(
                "sampling sparse spreads the frames of a clip over the whole video: leave out fps "
                "and frame_step"
            )
        for name, kind in (
            ("storage", Storage),
            ("sampling", Sampling),
            ("starts", Starts),
            ("modality", Modality),
            ("flow", Flow),
        ):
            value = getattr(self, name)
            if value not in get_args(kind):
                raise AutodasError(f"unknown {name} '{value}'{nearest(value, get_args(kind))}")
