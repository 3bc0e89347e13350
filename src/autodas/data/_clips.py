"""Which frames of a video a clip is made of."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from autodas.data._random import integers
from autodas.errors import AutodasError

_CLIP = 9


@dataclass(frozen=True)
class Clips:
    """How clips are taken from videos.

    A video with fewer frames than a clip spans is looped: its first frame follows its last.

    Args:
        frames: frames of a clip, at least 1.
        step: frames from one frame of a clip to the next, at least 1; a clip spans
            ``(frames - 1) * step + 1`` frames.

    Raises:
        AutodasError: if a value is out of range.
    """

    frames: int = 16
    step: int = 1

    def __post_init__(self) -> None:
        for name in ("frames", "step"):
            if getattr(self, name) < 1:
                raise AutodasError(f"a clip needs {name} of at least 1, found {getattr(self, name)}")

    @property
    def span(self) -> int:
        """Frames of the video from the first to the last of a clip, both counted."""
        return (self.frames - 1) * self.step + 1

    def training(self, count: int, key: Tensor) -> list[int]:
        """Return the frames of one clip, drawn from those that do not overlap (SDAS, section 5.2).

        The video is cut into clips from its first frame on; what is left over at its end, less than a
        clip, is not used.

        Args:
            count: frames of the video, at least 1.
            key: int64 scalar; the choice follows from it.
        """
        number = int(integers(key, _CLIP, max(1, count // self._stretch)))
        return self._numbers(number * self._stretch, count)

    def evaluation(self, count: int, number: int, of: int) -> list[int]:
        """Return the frames of one of several clips that are spread evenly (SDAS, section 5.2: 20).

        The first clip begins with the first frame, the last one ends with the last frame, and clip i of n
        begins at frame ``floor(i (count - span) / (n - 1))``; a single clip is the middle one, at
        ``floor((count - span) / 2)``.

        Args:
            count: frames of the video, at least 1.
            number: which of them, from 0.
            of: how many there are.
        """
        room = max(0, count - self.span)
        start = room // 2 if of == 1 else number * room // (of - 1)
        return self._numbers(start, count)

    @property
    def _stretch(self) -> int:
        return self.frames * self.step

    def _numbers(self, start: int, count: int) -> list[int]:
        return [(start + i * self.step) % count for i in range(self.frames)]
