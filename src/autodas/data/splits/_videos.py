"""A split of videos."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from autodas.data.augmentation._augmentation import Augmentation
from autodas.data.augmentation._random import integers
from autodas.data.frames._clock import Clock
from autodas.data.frames._flow import picture_of_flow
from autodas.data.frames._sources import FrameSource, resized, resized_frame
from autodas.data.frames._store import StoredFrames
from autodas.data.pixels._decode import UnreadableError
from autodas.data.pixels._form import Form
from autodas.data.splits._clips import Clips
from autodas.data.splits._split import Split
from autodas.errors import AutodasError

_TOP, _LEFT = range(10, 12)
_STRIP, _ROWS = 6, 96  # number of frames for display, and their height


def clip_side(image_size: int) -> int:
    """Return the short side to which frames are resized before they are cropped: 128 for 112 pixels.

    The margin is even, so that the centre crop is in the middle.
    """
    return image_size + 2 * round(image_size * 16 / 112 / 2)


class Videos(Split):
    """Videos of one split. Made by :func:`autodas.data.open_dataset`.

    A sample is a video; training uses a random crop of one clip of it per epoch, evaluation the centres of
    one or several clips. Both are functions of (seed, epoch, index) alone.

    Args:
        source: source of the frames.
        selection, labels: as in :class:`Split`.
        clips: how clips are taken.
        side: short side of the frames before they are cropped, at least ``image_size``.
        facts: further arguments of :class:`Split`.
    """

    what = "videos"

    def __init__(
        self,
        source: FrameSource,
        selection: np.ndarray,
        labels: np.ndarray,
        *,
        clips: Clips,
        side: int,
        **facts: Any,
    ) -> None:
        super().__init__(source, selection, labels, **facts)
        self.clips, self.side = clips, side
        self._source = source
        self._form = Form(self.channels)

    def count(self, index: int) -> int:
        """Return the number of frames of a video; raises UnreadableError."""
        return self._source.count(int(self._selection[index]))

    @property
    def storage(self) -> str:
        """Storage of the pixels, see :class:`Split`; stored frames are in a ``cache``, or ``compressed``."""
        if isinstance(self._source, StoredFrames):
            return "cache" if self._source.encoding == "raw" else "compressed"
        return super().storage

    def facts(self) -> dict[str, int]:
        """Return facts about the videos for users; all of them are examined, none is decoded.

        ``frames`` of all of them, the ``shortest`` and ``longest``, the number of videos shorter than a clip
        (``looped``), and the bytes that decoded frames need in a cache.
        """
        counts, looped, decoded = [], 0, 0
        for index in self._selection.tolist():
            try:
                counts.append(self._source.count(index))
                looped += counts[-1] < self._shortest(index)
            except UnreadableError:
                continue
            height, width = resized(*self._source.size(index), self.side)
            decoded += counts[-1] * height * width * self._source.channels
        return {
            "frames": sum(counts),
            "shortest": min(counts, default=0),
            "longest": max(counts, default=0),
            "looped": looped,
            "bytes_decoded": decoded,
        }

    def view_shape(self) -> tuple[int, ...]:
        """Return (T, S, S, C)."""
        return (self.clips.frames, self.image_size, self.image_size, self.channels)

    def training_view(self, index: int, key: Tensor, augmentation: Augmentation) -> np.ndarray:
        """Return a random crop of a random clip."""
        place = int(self._selection[index])
        numbers = self.clips.training(self._source.count(place), key, self._clock(place))
        frames = self._source.read(place, numbers, self.side)
        corner = (
            int(integers(key, stream, extent - self.image_size + 1))
            for stream, extent in zip((_TOP, _LEFT), frames.shape[1:3], strict=True)
        )
        return self._crop(frames, *corner)

    def check_augmentation(self, augmentation: Augmentation) -> None:
        """Raise AutodasError for augmentation that is only for images."""
        for name in ("crop_padding", "cutout", "random_resized_crop"):
            if getattr(augmentation, name):
                raise AutodasError(
                    f"{name} is for images: clips of videos are cropped at random anyway, "
                    "and may be flipped and varied in colour"
                )
        if augmentation.color_jitter and self.channels == 2:
            raise AutodasError("color_jitter is for images: optical flow has no colours")

    def evaluation_views(
        self, index: int, numbers: Sequence[int], of: int, crops: int = 1
    ) -> list[np.ndarray]:
        """Return views of clips that are spread evenly over the video.

        A view is a crop of a clip: the centre, or one of several along the longer side, from one end to the
        other. View v is crop ``v % crops`` of clip ``v // crops``.
        """
        place = int(self._selection[index])
        count, clock = self._source.count(place), self._clock(place)
        clips = sorted({number // crops for number in numbers})
        wanted = [self.clips.evaluation(count, clip, of // crops, clock) for clip in clips]
        views = self.crops_of(index, wanted, crops)
        return [views[clips.index(number // crops) * crops + number % crops] for number in numbers]

    def crops_of(self, index: int, clips: Sequence[Sequence[int]], crops: int) -> np.ndarray:
        """Return several crops of each clip, given by the numbers of its frames.

        Returns:
            uint8 (len(clips) * crops, T, S, S, C).

        Raises:
            UnreadableError: if they cannot be read.
        """
        # Read together: clips that overlap, or lie between the same key frames, are decoded once.
        numbers = [number for clip in clips for number in clip]
        frames = self._source.read(int(self._selection[index]), numbers, self.side)
        corners = [self._corner(frames.shape[1:3], crop, crops) for crop in range(crops)]
        separate = frames.reshape(len(clips), -1, *frames.shape[1:])
        return np.stack([self._crop(clip, *corner) for clip in separate for corner in corners])

    def read(self, index: int) -> np.ndarray:
        """Return frames of the clip in the middle of a video, side by side: uint8 (H, W, 1 or 3).

        They are at most six, as in the network's input, but in 96 rows. Optical flow is shown in colours:
        see :func:`~autodas.data.frames._flow.picture_of_flow`.

        Raises:
            AutodasError: if it cannot be read.
        """
        try:
            frames = self.evaluation_views(index, [0], 1)[0]
        except UnreadableError as error:
            raise AutodasError(f"{self.describe(index)}: cannot be read as a video ({error})") from error
        chosen = np.unique(np.linspace(0, len(frames) - 1, min(len(frames), _STRIP)).astype(int))
        frames = frames[chosen]
        if frames.shape[-1] == 2:
            frames = picture_of_flow(frames)
        return np.concatenate([resized_frame(frame, _ROWS) for frame in frames], axis=1)

    def _clock(self, place: int) -> Clock | None:
        """Return the clock of a video, if clips need it."""
        if self.clips.fps is None:
            return None
        clock = self._source.clock(place)
        if clock is None:
            raise UnreadableError("its frame rate is unknown, which data.fps needs")
        return clock

    def _shortest(self, place: int) -> int:
        """Return the minimum number of frames of a video that is not looped."""
        return self.clips.frames if self.clips.sampling == "sparse" else self.clips.span(self._clock(place))

    def _corner(self, extents: Sequence[int], crop: int, crops: int) -> tuple[int, int]:
        """Return top and left of one of several crops of frames of a height and width."""
        corner = [(extent - self.image_size) // 2 for extent in extents]
        if crops > 1:
            longer = int(extents[1] >= extents[0])
            corner[longer] = crop * (extents[longer] - self.image_size) // (crops - 1)
        return corner[0], corner[1]

    def _crop(self, frames: np.ndarray, top: int, left: int) -> np.ndarray:
        size = self.image_size
        return self._form.channels_of(np.ascontiguousarray(frames[:, top : top + size, left : left + size]))
