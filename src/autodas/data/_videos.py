"""A split of videos."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from autodas.data._augmentation import Augmentation
from autodas.data._clips import Clips
from autodas.data._decode import UnreadableError
from autodas.data._form import Form
from autodas.data._frame_store import StoredFrames
from autodas.data._frames import FrameSource, resized
from autodas.data._random import integers
from autodas.data._split import Split
from autodas.errors import AutodasError

_TOP, _LEFT = range(10, 12)


def clip_side(image_size: int) -> int:
    """Return the short side that frames are resized to before they are cropped: 128 for 112 pixels.

    The margin is even, so that the centre crop is in the middle.
    """
    return image_size + 2 * round(image_size * 16 / 112 / 2)


class Videos(Split):
    """The videos of one split. Made by :func:`autodas.data.open_dataset`.

    A sample is a video; training sees one clip of it an epoch, a random crop; evaluation sees one or
    several clips, their centres. Both follow from (seed, epoch, index) alone.

    Args:
        source: where frames come from.
        selection: int64 (N,), the numbers in ``source`` that belong to this split.
        labels: int64 (N,).
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
        """Where the pixels are: see :class:`Split`; ``cache`` where frames have been stored decoded."""
        return "cache" if isinstance(self._source, StoredFrames) else super().storage

    def facts(self) -> dict[str, int]:
        """Return what people want to know of the videos; all of them are looked at, none is decoded.

        ``frames`` of all of them, the ``shortest`` and ``longest``, how many have fewer than a clip spans
        (``looped``), and the bytes that decoded frames take in a cache.
        """
        counts, decoded = [], 0
        for index in self._selection.tolist():
            try:
                counts.append(self._source.count(index))
            except UnreadableError:
                continue
            height, width = resized(*self._source.size(index), self.side)
            decoded += counts[-1] * height * width * self._source.channels
        return {
            "frames": sum(counts),
            "shortest": min(counts, default=0),
            "longest": max(counts, default=0),
            "looped": sum(count < self.clips.span for count in counts),
            "bytes_decoded": decoded,
        }

    def view_shape(self) -> tuple[int, ...]:
        """Return (T, S, S, C)."""
        return (self.clips.frames, self.image_size, self.image_size, self.channels)

    def training_view(self, index: int, key: Tensor, augmentation: Augmentation) -> np.ndarray:
        """Return a random clip, a random crop of it."""
        place = int(self._selection[index])
        frames = self._source.read(place, self.clips.training(self._source.count(place), key), self.side)
        corner = (
            int(integers(key, stream, extent - self.image_size + 1))
            for stream, extent in zip((_TOP, _LEFT), frames.shape[1:3], strict=True)
        )
        return self._crop(frames, *corner)

    def check_augmentation(self, augmentation: Augmentation) -> None:
        """Refuse what is for images only; raises AutodasError."""
        for name in ("crop_padding", "cutout", "random_resized_crop"):
            if getattr(augmentation, name):
                raise AutodasError(
                    f"{name} is for images: clips of videos are cropped at random anyway, "
                    "and may be flipped and varied in colour"
                )
        if augmentation.color_jitter and self.channels == 2:
            raise AutodasError("color_jitter is for pictures: optical flow has no colours")

    def evaluation_views(self, index: int, numbers: Sequence[int], of: int) -> list[np.ndarray]:
        """Return the centres of clips that are spread evenly over the video."""
        place = int(self._selection[index])
        count = self._source.count(place)
        wanted = [self.clips.evaluation(count, number, of) for number in numbers]
        # Read together: clips that overlap, or lie between the same key frames, are decoded once.
        frames = self._source.read(place, [number for clip in wanted for number in clip], self.side)
        top, left = ((extent - self.image_size) // 2 for extent in frames.shape[1:3])
        return list(self._crop(frames, top, left).reshape(len(numbers), *self.view_shape()))

    def read(self, index: int) -> np.ndarray:
        """Return the frame in the middle of a video, whole: uint8 (H, W, 1 or 3).

        Optical flow gets a third channel, which is empty.

        Raises:
            AutodasError: if it cannot be read.
        """
        place = int(self._selection[index])
        try:
            frame = self._source.read(place, [self._source.count(place) // 2], self.side)[0]
        except UnreadableError as error:
            raise AutodasError(f"{self.describe(index)}: cannot be read as a video ({error})") from error
        return np.pad(frame, ((0, 0), (0, 0), (0, 1))) if frame.shape[2] == 2 else frame

    def _crop(self, frames: np.ndarray, top: int, left: int) -> np.ndarray:
        size = self.image_size
        return self._form.channels_of(np.ascontiguousarray(frames[:, top : top + size, left : left + size]))
