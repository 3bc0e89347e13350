"""Frames of video files, through PyAV; what is not needed is not decoded where the file allows it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from autodas.data._decode import UnreadableError
from autodas.errors import AutodasError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# A file that calls itself a video may be a playlist that names others: those are read from disk only.
_OPTIONS = {"protocol_whitelist": "file"}


class FrameIndex(NamedTuple):
    """Where the frames of a video lie.

    Args:
        frames: how many there are.
        width, height: of a frame as it is shown.
        turns: quarters of a turn, anticlockwise, from how frames are stored to how they are shown.
        times: presentation time of each frame, ascending, in the stream's units; empty where the file does
            not tell, then frames are counted from the first one on.
        keys: times from which decoding can begin, ascending.
        rate: frames a second, ``None`` where the file does not tell.
    """

    frames: int
    width: int
    height: int
    turns: int
    times: np.ndarray
    keys: np.ndarray
    rate: float | None = None


def read_index(path: str) -> FrameIndex:
    """Read where the frames of a video lie; only the first one is decoded.

    Raises:
        UnreadableError: if there is no video in the file, or no frame.
    """
    with _opened(path) as (container, stream):
        times: list[int | None] = []
        keys = []
        turns: int | None = None
        for packet in container.demux(stream):
            if turns is None:
                turns = next((round(frame.rotation / 90) for frame in _frames_of(packet)), None)
            if packet.size and not packet.is_discard:
                times.append(packet.pts)
                if packet.is_keyframe and packet.pts is not None:
                    keys.append(packet.pts)
        if not times:
            raise UnreadableError("it has no frames")
        known = [] if None in times or len(set(times)) < len(times) else sorted(times)  # type: ignore[type-var]
        size = (stream.codec_context.width, stream.codec_context.height)
        turns = turns or 0
        size = size[::-1] if turns % 2 else size
        if min(size) < 1:
            raise UnreadableError("its frames have no size")
        rate = stream.average_rate or stream.guessed_rate
        return FrameIndex(
            len(times),
            *size,
            turns,
            np.array(known, dtype=np.int64),
            np.array(sorted(keys)),
            float(rate) if rate else None,
        )


def read_frames(path: str, index: FrameIndex, numbers: Sequence[int], size: tuple[int, int]) -> np.ndarray:
    """Return frames of a video, resized.

    A frame that is damaged beyond decoding is replaced by the one that was shown before it.

    Args:
        path: the file.
        index: from :func:`read_index`.
        numbers: which frames, in any order, repeated or not.
        size: height and width of the result.

    Returns:
        uint8 (len(numbers), height, width, 3).

    Raises:
        UnreadableError: if none of them can be decoded.
    """
    wanted = sorted(set(numbers))
    exact = len(index.times) == index.frames
    try:
        with _opened(path) as (container, stream):
            decoded = _seeking(container, stream, index, wanted) if exact else _counting(container, stream)
            found = _collect(decoded, wanted, size, index.turns)
    except _SeekingFailedError:
        with _opened(path) as (container, stream):
            found = _collect(_numbered(container, stream, index), wanted, size, index.turns)
    return np.stack([found[number] for number in numbers])


def _collect(
    decoded: Iterator[tuple[int, VideoFrame]], wanted: list[int], size: tuple[int, int], turns: int
) -> dict[int, np.ndarray]:
    """Return the pixels of the frames that are wanted, ascending, from numbered ones."""
    found: dict[int, np.ndarray] = {}
    waiting = iter(wanted)
    number: int | None = next(waiting)
    last: VideoFrame | None = None
    for place, frame in decoded:
        while number is not None and place > number:
            # The frame itself did not come: what was shown before it stands for it.
            found[number] = _pixels(last or frame, size, turns)
            number = next(waiting, None)
        if place == number:
            found[number] = _pixels(frame, size, turns)
            number = next(waiting, None)
        if number is None:
            break
        last = frame
    while number is not None and last is not None:
        found[number] = _pixels(last, size, turns)
        number = next(waiting, None)
    if len(found) < len(wanted):
        raise UnreadableError("no frame can be decoded")
    return found


class _SeekingFailedError(Exception):
    """The file has no exact index: decoding began elsewhere than it was told to."""


def _seeking(
    container: InputContainer, stream: VideoStream, index: FrameIndex, wanted: list[int]
) -> Iterator[tuple[int, VideoFrame]]:
    """Yield numbered frames that include those that are wanted, jumping over stretches without any.

    Raises:
        _SeekingFailedError: if that loses frames, or gets nowhere.
    """
    times, keys = index.times.tolist(), index.keys.tolist()
    pending = [times[number] for number in wanted]
    reached: int | None = None
    while pending:
        container.seek(_key_before(keys, pending[0], times[0]), stream=stream, backward=True)
        begun = False
        for frame in _decoded(container, stream):
            if frame.pts is None:
                continue
            if not begun and (frame.pts > pending[0] or (reached is not None and frame.pts <= reached)):
                raise _SeekingFailedError
            begun = True
            reached = frame.pts
            number = bisect_right(times, frame.pts) - 1
            if number >= 0:
                yield number, frame
            pending = [time for time in pending if time > frame.pts]
            # A key frame between here and the next frame that is wanted saves decoding what lies before it.
            if not pending or _key_before(keys, pending[0], times[0]) > frame.pts:
                break
        else:
            return


def _key_before(keys: list[int], time: int, otherwise: int) -> int:
    """Return the last time at or before another from which decoding can begin."""
    place = bisect_right(keys, time) - 1
    return keys[place] if place >= 0 else otherwise


def _numbered(
    container: InputContainer, stream: VideoStream, index: FrameIndex
) -> Iterator[tuple[int, VideoFrame]]:
    """Yield all frames with their numbers, from the first one on."""
    times = index.times.tolist()
    for frame in _decoded(container, stream):
        if frame.pts is not None and frame.pts >= times[0]:
            yield bisect_right(times, frame.pts) - 1, frame


def _decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Yield the frames from here on, but for those that are damaged beyond decoding."""
    for packet in container.demux(stream):
        yield from _frames_of(packet)


def _frames_of(packet: Packet[VideoStream]) -> list[VideoFrame]:
    from av.error import InvalidDataError

    try:
        return packet.decode()
    except InvalidDataError:
        return []


def _counting(container: InputContainer, stream: VideoStream) -> Iterator[tuple[int, VideoFrame]]:
    yield from enumerate(_decoded(container, stream))


def _pixels(frame: VideoFrame, size: tuple[int, int], turns: int) -> np.ndarray:
    height, width = size[::-1] if turns % 2 else size
    pixels: np.ndarray = frame.reformat(width, height, "rgb24", interpolation="BILINEAR").to_ndarray()
    return np.rot90(pixels, turns) if turns else pixels


@contextmanager
def _opened(path: str) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a video; every error of the decoder means that it cannot be read."""
    open_container = _pyav_open(path)
    try:
        with open_container(path, options=_OPTIONS) as container:
            if not container.streams.video:
                raise UnreadableError("it has no video stream")
            stream = container.streams.video[0]
            # Workers are processes already; threads would only add a delay to short clips.
            stream.thread_type = "NONE"
            stream.codec_context.thread_count = 1
            yield container, stream
    except (UnreadableError, _SeekingFailedError, MemoryError):
        raise
    except Exception as error:  # FFmpeg's errors are of many types.
        raise UnreadableError(_reason(error)) from error


def _pyav_open(path: str) -> Callable[..., Any]:
    try:
        import av
    except ImportError as error:
        raise AutodasError(
            f"{path}: the package 'av', which decodes videos, is not installed: install autodas[video]"
        ) from error
    return av.open


def _reason(error: Exception) -> str:
    text = str(getattr(error, "strerror", None) or error).split("\n")[0]
    return {"Invalid data found when processing input": "not a video file, or a damaged one"}.get(
        text, text or type(error).__name__
    )
