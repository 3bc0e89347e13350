"""Numbered frames of an opened video, from its start or from key frames before the wanted ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING

from autodas.data.frames._index import UNKNOWN, FrameIndex, Key, checksum
from autodas.data.frames._open import Video, place_of
from autodas.data.pixels._decode import UnreadableError

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# Jumping over fewer frames than this costs more than decoding them.
_WORTH_A_JUMP = 4
# The key frame must come within this many packets after a jump.
_NEAR = 250
# In these containers seeking uses decoding times, in others presentation times.
_SEARCHED_BY_DECODING = frozenset({"mpegts", "mpeg"})
# In these, frames marked as not used for reference can be skipped. (In HEVC frames of higher temporal layers
# may refer to them, in MPEG-4 the next frame may be in the same packet.)
_SKIPPABLE = frozenset({"h264", "mpeg2video", "mpeg1video"})


class SeekingFailedError(UnreadableError):
    """Decoding did not begin where requested, or lost frames: only decoding from the start is possible."""


def from_start(video: Video, index: FrameIndex) -> Iterator[tuple[int, VideoFrame]]:
    """Yield all frames of a newly opened video, with their numbers."""
    for count, frame in enumerate(video.frames()):
        number = _number(frame, index) if len(index.order) else count
        if number >= 0:
            yield number, frame


def sought(video: Video, index: FrameIndex, wanted: Sequence[int]) -> Iterator[tuple[int, VideoFrame]]:
    """Yield the wanted frames of a newly opened video, jumping over stretches without any.

    They are identical to those of :func:`from_start`, or an error is raised.

    Args:
        video: the opened video.
        index: its index.
        wanted: numbers of the frames, ascending, without repetition.

    Raises:
        SeekingFailedError: if one of them is missing, or an unexpected frame appears.
    """
    for stretch in _stretches(index, wanted):
        key = index.key_before(stretch[0])
        if key is None:
            raise SeekingFailedError("there is no key frame before it")
        missing = set(stretch)
        for number, frame in _decoded_from(video, index, key, frozenset(stretch)):
            if number in missing:
                missing.remove(number)
                yield number, frame
            if number >= stretch[-1]:
                break
        if missing:
            raise SeekingFailedError("frames are missing")


def _stretches(index: FrameIndex, wanted: Sequence[int]) -> Iterator[list[int]]:
    """Yield groups of frames that are decoded without a jump."""
    stretch: list[int] = []
    for number in wanted:
        key = index.key_before(number)
        if stretch and key and key.number > stretch[-1] + _WORTH_A_JUMP:
            yield stretch
            stretch = []
        stretch.append(number)
    yield stretch


def _decoded_from(
    video: Video, index: FrameIndex, key: Key, wanted: frozenset[int]
) -> Iterator[tuple[int, VideoFrame]]:
    """Yield frames from a key frame on; some that are not wanted are skipped.

    Raises:
        SeekingFailedError: if the first one is not the key frame, or they do not ascend.
    """
    context = video.stream.codec_context
    skippable = context.name in _SKIPPABLE
    last = key.number - 1
    try:
        for packet in _up_to(wanted, _packets_from(video, key), index):
            if skippable and packet:
                number = _number(packet, index)
                needed = number < 0 or number in wanted or number == key.number
                context.skip_frame = "DEFAULT" if needed else "NONREF"
            damaged: set[int] = set()
            decoded = video.decode(packet, damaged)
            if any(int(index.order[place]) >= key.number for place in damaged):
                raise SeekingFailedError("a frame is damaged")
            for frame in decoded:
                number = _number(frame, index)
                if number < key.number:
                    continue  # stored after the key frame, shown before it: may refer to skipped frames
                if last < key.number and not _is_first(frame, number, key):
                    raise SeekingFailedError("the first frame is not the key frame")
                if number <= last:
                    raise SeekingFailedError("frames do not ascend")
                last = number
                yield number, frame
    finally:
        context.skip_frame = "DEFAULT"


def _up_to(
    wanted: frozenset[int], packets: Iterator[Packet[VideoStream]], index: FrameIndex
) -> Iterator[Packet[VideoStream] | None]:
    """Yield packets up to the last wanted one, then ``None``, which flushes the decoder."""
    # If a frame consists of several packets, its last one is not known.
    one_each = bool((index.order >= 0).all())
    missing = set(wanted)
    for packet in packets:
        yield packet
        missing.discard(_number(packet, index))
        if one_each and not missing:
            break
    yield None


def _is_first(frame: VideoFrame, number: int, key: Key) -> bool:
    """Return whether the first frame after a jump is the one at which decoding may begin."""
    if number != key.number or frame.is_corrupt:
        return False
    if key.checksum >= 0:
        return checksum(frame) == key.checksum
    # For a key frame hidden by an edit list, only the frames after it appear.
    return bool(frame.key_frame) or place_of(frame) != key.packet


def _number(item: Packet[VideoStream] | VideoFrame, index: FrameIndex) -> int:
    """Return the number of a packet's frame, or of a frame; -1 if there is none."""
    place = place_of(item)
    return int(index.order[place]) if 0 <= place < len(index.order) else -1


def _packets_from(video: Video, key: Key) -> Iterator[Packet[VideoStream]]:
    """Return the packets from that of a key frame on.

    Raises:
        SeekingFailedError: if it cannot be found.
    """
    targets = [key.shown, key.decoded, key.before]
    if video.container.format.name in _SEARCHED_BY_DECODING:
        targets = [key.decoded, key.before]
    for target in dict.fromkeys(targets):
        if target == UNKNOWN:
            continue
        try:
            video.container.seek(target, stream=video.stream, backward=True)
        except OSError:
            continue
        packets = video.packets()
        for packet in islice(packets, _NEAR):
            if _is_of(packet, key):
                return video.numbered(chain((packet,), packets), key.packet)
            if packet.dts is not None and key.decoded != UNKNOWN and packet.dts > key.decoded:
                break
    raise SeekingFailedError("the key frame is not found")


def _is_of(packet: Packet[VideoStream], key: Key) -> bool:
    """Return whether a packet is that of a key frame; if pixels are compared as well, one time suffices."""
    same = packet.pts == key.shown or (key.checksum >= 0 and packet.dts == key.decoded)
    return same and packet.size == key.size
