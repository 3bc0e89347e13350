"""Opening of video files through PyAV: choice of the stream, meaning of FFmpeg's errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from autodas.data.pixels._decode import UnreadableError
from autodas.errors import AutodasError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# A file posing as a video may be a playlist that names others: those are read from disk only. A file that
# claims frames of a billion pixels gets no memory for them.
_OPTIONS = {"protocol_whitelist": "file", "max_pixels": str(1 << 26)}
# These may be the video, but beside another codec they are accompanying images.
_PICTURES = frozenset({"mjpeg", "png", "bmp", "gif", "tiff", "webp", "jpeg2000"})
# Bonus in pixels that ffmpeg gives a stream marked as default when it chooses.
_DEFAULT_BONUS = 5_000_000


class Video(NamedTuple):
    """An opened video.

    Args:
        container: the file.
        stream: its video stream.
    """

    container: InputContainer
    stream: VideoStream

    def packets(self) -> Iterator[Packet[VideoStream]]:
        """Yield the packets from here on, without empty ones, which would mean the video's end."""
        return (packet for packet in self.container.demux(self.stream) if packet.size)

    def numbered(
        self, packets: Iterator[Packet[VideoStream]], first: int = 0
    ) -> Iterator[Packet[VideoStream]]:
        """Mark packets with their indices in the file; frames inherit the mark of their packet."""
        for place, packet in enumerate(packets, first):
            # PyAV identifies a mark by its identity: cached small integers would get lost.
            packet.opaque = (place,)
            yield packet

    def frames(self) -> Iterator[VideoFrame]:
        """Yield all frames of a newly opened video."""
        for packet in chain(self.numbered(self.packets()), (None,)):
            yield from self.decode(packet)

    def decode(self, packet: Packet[VideoStream] | None, damaged: set[int] | None = None) -> list[VideoFrame]:
        """Return the frames that a packet completes, without those damaged beyond decoding.

        Args:
            packet: the packet; ``None`` at the end, for the frames still held by the decoder.
            damaged: set to which the indices of packets that cannot be decoded are added.
        """
        from av.error import ArgumentError, EOFError, ExternalError, InvalidDataError

        try:
            return self.stream.codec_context.decode(packet)
        except (InvalidDataError, ArgumentError, ExternalError, EOFError):
            if damaged is not None and packet is not None:
                damaged.add(place_of(packet))
            return []


def place_of(item: Packet[VideoStream] | VideoFrame) -> int:
    """Return the index of a packet in the file, or of the packet of a frame; -1 if it has no mark."""
    mark: Any = item.opaque
    return -1 if mark is None else int(mark[0])


@contextmanager
def opened(path: str, strict: bool = False) -> Iterator[Video]:
    """Open a video file.

    Args:
        path: the file.
        strict: whether a frame with any damage counts as one that cannot be decoded. Otherwise its pixels may
            depend on the frames decoded before.

    Raises:
        UnreadableError: for every error of FFmpeg in this block: the video cannot be read.
    """
    _require_pyav(path)
    from av.stream import Discard

    try:
        with open_container(path, options=_OPTIONS) as container:
            stream = _best(container)
            for other in container.streams:
                if other.index != stream.index:
                    other.discard = Discard.all
            # Workers are already processes; threads would only add a delay to short clips.
            stream.thread_type = "NONE"
            stream.codec_context.thread_count = 1
            stream.codec_context.copy_opaque = True
            stream.codec_context.options = {
                "max_pixels": _OPTIONS["max_pixels"],
                "err_detect": "explode" if strict else "0",
            }
            yield Video(container, stream)
    except (UnreadableError, MemoryError):
        raise
    except Exception as error:  # FFmpeg's errors are of many types
        raise UnreadableError(_reason(error)) from error


def _best(container: InputContainer) -> VideoStream:
    """Return the video stream chosen as by ffmpeg: the largest, or the one marked as the default.

    Raises:
        UnreadableError: if there is none; a cover image is not a video.
    """
    streams = list(container.streams.video)
    if not streams:
        raise UnreadableError("it has no video stream")
    from av.stream import Disposition

    still = Disposition.attached_pic | Disposition.timed_thumbnails
    moving = [stream for stream in streams if not stream.disposition & still]
    if not moving:
        raise UnreadableError("it has no video stream, only a cover image")
    # PyAV gives streams that FFmpeg cannot decode no context.
    readable = [stream for stream in moving if stream.codec_context is not None]
    if not readable:
        raise UnreadableError("there is no decoder for its codec")

    def score(stream: VideoStream) -> tuple[bool, int]:
        pixels = stream.codec_context.width * stream.codec_context.height
        default = bool(stream.disposition & Disposition.default)
        return stream.codec_context.name not in _PICTURES, pixels + _DEFAULT_BONUS * default

    return max(readable, key=score)


def open_container(path: str, **settings: Any) -> InputContainer:
    """Open a file with PyAV, also if its metadata are not text.

    Args:
        path: the file.
        settings: further arguments of ``av.open``.
    """
    import av

    if int(av.__version__.partition(".")[0]) < 19:  # later versions accept all metadata
        settings["metadata_errors"] = "replace"
    return av.open(path, **settings)  # type: ignore[no-any-return]


def _require_pyav(path: str) -> None:
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise AutodasError(
            f"{path}: the package 'av', which decodes videos, is not installed: install autodas[video]"
        ) from error


def _reason(error: Exception) -> str:
    text = str(getattr(error, "strerror", None) or error).split("\n")[0]
    return {"Invalid data found when processing input": "not a video file, or a damaged one"}.get(
        text, text or type(error).__name__
    )
