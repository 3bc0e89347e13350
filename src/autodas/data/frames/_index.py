"""Positions of a video's frames, found without decoding all of it if its time stamps are reliable."""

from __future__ import annotations

import zlib
from array import array
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from autodas.data.frames._clock import Clock
from autodas.data.frames._open import Video, opened, place_of
from autodas.data.frames._pixels import Orientation, orientation_of
from autodas.data.pixels._decode import UnreadableError

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# Two days of 25 frames per second; a file that claims more is not credible.
_MOST_PACKETS = 1 << 22
# Number of frames decoded to check the order given by the packets' time stamps.
_HEAD = 12
# No coding standard allows a frame to be shown this many frames before or after its turn in the file.
_MOST_REORDERED = 32
# Containers without presentation times: those made up by FFmpeg are wrong if frames are reordered.
_WITHOUT_TIMES = frozenset({"avi"})
# Recordings in these are cut and joined as they are, each with its own time stamps.
_JOINED = frozenset({"mpeg", "mpegts"})
_JUMP = 10.0  # seconds from one frame to the next
_ROUNDING = 0.005  # relative tolerance between a claimed rate and that of the time stamps
UNKNOWN = int(np.iinfo(np.int64).min)


class Key(NamedTuple):
    """Packet at which decoding can begin.

    Args:
        packet: its index in the file.
        number: number of the first correct frame when decoding from here.
        shown: presentation time of the packet, in the stream's units, or ``UNKNOWN``.
        decoded: decoding time of the packet, or ``UNKNOWN``.
        before: decoding time of the packet before it, or ``UNKNOWN``.
        size: bytes of the packet.
        checksum: checksum of that frame's pixels, -1 if unknown: then the decoder must report a key frame.
    """

    packet: int
    number: int
    shown: int
    decoded: int
    before: int
    size: int
    checksum: int


class FrameIndex(NamedTuple):
    """Positions of a video's frames.

    Args:
        frames: number of frames.
        height, width: of a frame as displayed.
        orientation: rotation and mirroring of stored frames for display.
        order: int64 (P,), for each packet of the file the number of the frame that it produces, -1 if none;
            empty if packets do not correspond to frames: then the video can only be decoded from its start,
            and frames are counted.
        keys: int64 (K, 7), the fields of a :class:`Key` each, by ascending number.
        clock: display times of the frames; ``None`` if the file does not specify them.
    """

    frames: int
    height: int
    width: int
    orientation: Orientation
    order: np.ndarray
    keys: np.ndarray
    clock: Clock | None

    def key_before(self, number: int) -> Key | None:
        """Return the last key at or before a frame, if there is one."""
        place = int(np.searchsorted(self.keys[:, 1], number, side="right")) - 1
        return Key(*self.keys[place].tolist()) if place >= 0 else None

    def has_open_groups(self) -> bool:
        """Return whether a frame stored after a key frame is shown before it."""
        shown = np.where(self.order < 0, self.frames, self.order)
        first_from_here = np.minimum.accumulate(shown[::-1])[::-1]
        return bool((first_from_here[self.keys[:, 0]] < self.keys[:, 1]).any())


class _Packets:
    """Facts about the packets of a video."""

    def __init__(self) -> None:
        self.shown, self.decoded, self.size = array("q"), array("q"), array("q")
        self.is_key, self.is_shown = array("b"), array("b")
        self.can_begin_anywhere = True

    def __len__(self) -> int:
        return len(self.size)

    def add(self, packet: Packet[VideoStream], hidden: bool) -> None:
        if len(self) >= _MOST_PACKETS:
            raise UnreadableError(f"it claims more than {_MOST_PACKETS:,} frames")
        self.shown.append(UNKNOWN if packet.pts is None else packet.pts)
        self.decoded.append(UNKNOWN if packet.dts is None else packet.dts)
        self.size.append(packet.size)
        self.is_key.append(packet.is_keyframe)
        self.is_shown.append(not hidden and not packet.is_discard)
        # The container passes these data once; a decoder that starts after this packet would lack them.
        if packet.has_sidedata("palette") or packet.has_sidedata("new_extradata"):
            self.can_begin_anywhere = False

    def order(self) -> np.ndarray | None:
        """Return the order of frames by time stamps; ``None`` if those cannot be correct."""
        places = np.flatnonzero(np.array(self.is_shown))
        times = np.array(self.shown, dtype=np.int64)[places]
        ranks = np.empty(len(times), dtype=np.int64)
        ranks[np.argsort(times, kind="stable")] = np.arange(len(times))
        ascending = np.sort(times)
        if (
            not len(times)
            or ascending[0] == UNKNOWN
            or (np.diff(ascending) <= 0).any()
            or np.abs(ranks - np.arange(len(ranks))).max() > _MOST_REORDERED
        ):
            return None
        order = np.full(len(self), -1)
        order[places] = ranks
        return order

    def keys(self, order: np.ndarray) -> np.ndarray:
        """Return the keys, (K, 7), by ascending number, without checksums."""
        places = np.flatnonzero(np.array(self.is_key) & self.can_begin_anywhere)
        shown = np.array(self.shown, dtype=np.int64)
        decoded = np.array([UNKNOWN, *self.decoded], dtype=np.int64)
        numbers = order[places]
        if (numbers < 0).any():
            # Decoding may begin with a frame hidden by an edit list: the first frame after it is shown.
            times = np.sort(shown[order >= 0])
            hidden = np.searchsorted(times, shown[places])
            numbers = np.where(numbers < 0, np.where(shown[places] == UNKNOWN, len(times), hidden), numbers)
        size = np.array(self.size, dtype=np.int64)
        nothing = np.full(len(places), -1)
        keys = np.stack(
            [
                places,
                numbers,
                shown[places],
                decoded[1:][places],
                decoded[:-1][places],
                size[places],
                nothing,
            ],
            1,
        )
        keys = keys[keys[:, 1] <= order.max(initial=-1)]
        first: np.ndarray = np.unique(keys[:, 1], return_index=True)[1]
        return np.asarray(keys[first])

    def clock(
        self, order: np.ndarray | None, frames: int, unit: float, claimed: float, jumps: bool
    ) -> Clock | None:
        """Return the frames' clock by their time stamps; for a single frame by the container's claim.

        The usual rate is the mean of the steps near the median, since time stamps are rounded, and gaps must
        not count.

        Args:
            order: order by time stamps if those are reliable; otherwise the rate is assumed to be constant.
            frames: number of frames.
            unit: seconds of one unit of time.
            claimed: frames per second claimed by the container, 0 if none.
            jumps: whether time may restart within the file.
        """
        if order is None:
            # Decoding times ascend even if presentation times do not; each field of a frame has its own.
            times, fields = np.array(self.decoded, dtype=np.int64), max(1, round(len(self) / max(1, frames)))
        else:
            times, fields = np.sort(np.array(self.shown, dtype=np.int64)[order >= 0]), 1
        steps = np.diff(times)
        if not len(times) or times.min() == UNKNOWN or unit <= 0:
            return None
        if not len(steps):
            return Clock(claimed) if claimed else None
        usual = np.median(steps)
        near = steps[(steps > usual / 2) & (steps < usual * 2)]
        if usual <= 0 or not len(near):
            return None
        step = float(near.mean())
        rates = [1 / (step * unit * fields)]
        if claimed and abs(claimed / rates[0] - 1) < _ROUNDING:
            rates.insert(0, claimed)  # the same without rounding
        if order is None:
            return Clock(rates[0])
        seconds = np.cumsum([0, *np.where(jumps & (steps * unit > _JUMP), step, steps)]) * unit
        return Clock.of(seconds, rates, unit)


class _Head:
    """The first frames of a video, decoded."""

    def __init__(self) -> None:
        self.first: VideoFrame | None = None
        self._places: list[int] = []
        self._keys: set[int] = set()
        self._damaged: set[int] = set()

    def decode(self, video: Video, packet: Packet[VideoStream] | None) -> None:
        """Decode a packet if more frames are needed."""
        if len(self._places) < _HEAD:
            for frame in video.decode(packet, self._damaged):
                self.first = self.first or frame
                self._places.append(place_of(frame))
                if frame.key_frame:
                    self._keys.add(place_of(frame))

    def agrees(self, order: np.ndarray) -> bool:
        """Return whether the frames appeared in the given order, except those of damaged packets."""
        lost = {int(order[place]) for place in self._damaged}
        due = list(islice((number for number in range(int(order.max()) + 1) if number not in lost), _HEAD))
        come = [int(order[place]) if place >= 0 else -1 for place in self._places]
        return come[:_HEAD] == due

    def has_keys(self, packets: _Packets) -> bool:
        """Return whether the decoder reports a key frame for each packet marked as one."""
        return all(place in self._keys for place in self._places if place >= 0 and packets.is_key[place])


def read_index(path: str) -> FrameIndex:
    """Read the positions of a video's frames.

    The packets are read and the first frames decoded. If these do not match the packets, or the packets do
    not determine the order, the whole video is decoded once.

    Raises:
        UnreadableError: if the file contains no video, or no frame.
    """
    packets, head = _Packets(), _Head()
    with opened(path) as video:
        for packet in video.numbered(video.packets()):
            packets.add(packet, _is_hidden(video, packet))
            head.decode(video, packet)
        head.decode(video, None)
        order = None if _invents_times(video) else packets.order()
        unit = float(video.stream.time_base or 0)
        claimed = float(video.stream.average_rate or 0)
        jumps = video.container.format.name in _JOINED
    if not len(packets):
        raise UnreadableError("it has no frames")
    if head.first is None:
        raise UnreadableError("no frame can be decoded")
    told = order if order is not None and head.agrees(order) else None
    if told is not None and (head.has_keys(packets) or not packets.can_begin_anywhere):
        order, keys, frames = told, packets.keys(told), int(told.max()) + 1
    else:
        order, keys, frames = _by_decoding(path, packets, told)
    clock = packets.clock(told, frames, unit, claimed, jumps)
    orientation = orientation_of(head.first)
    size = orientation.size(head.first.height, head.first.width)
    return FrameIndex(frames, *size, orientation, order, keys, clock)


def _is_hidden(video: Video, packet: Packet[VideoStream]) -> bool:
    """Return whether a packet's frame is only used for reference (VP8's alternate reference frames)."""
    return video.stream.codec_context.name == "vp8" and not memoryview(packet)[0] & 0x10


def _invents_times(video: Video) -> bool:
    return video.container.format.name in _WITHOUT_TIMES and bool(video.stream.codec_context.codec.reorder)


def _by_decoding(path: str, packets: _Packets, told: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, int]:
    """Decode a whole video; return the order of its frames, the keys, and the number of frames.

    Args:
        path: the file.
        packets: its packets.
        told: order by time stamps if that is correct, so that only the keys must be found.
    """
    places: array[int] = array("q")
    checksums: dict[int, int] = {}
    called: set[int] = set()
    with opened(path) as video:
        for frame in video.frames():
            place = place_of(frame)
            places.append(place)
            if place >= 0 and packets.is_key[place]:
                checksums[place] = checksum(frame)
                if frame.key_frame:
                    called.add(place)
            if len(places) > _MOST_PACKETS:
                raise UnreadableError(f"it claims more than {_MOST_PACKETS:,} frames")
    order = _order_of(np.array(places, dtype=np.int64), packets) if told is None else told
    if not len(order):
        return order, np.zeros((0, len(Key._fields)), dtype=np.int64), len(places)
    keys = packets.keys(order)
    # Packets may be wrongly marked as keys. Some decoders never report it: then the pixels show it, later.
    keys = keys[np.isin(keys[:, 0], list(called or checksums))]
    keys[:, 6] = [checksums[packet] for packet in keys[:, 0].tolist()]
    return order, keys, int(order.max()) + 1


def _order_of(places: np.ndarray, packets: _Packets) -> np.ndarray:
    """Return the order of frames from their packets' indices; empty if it cannot be determined."""
    if places.min() < 0 or len(np.unique(places)) < len(places):
        return np.zeros(0, dtype=np.int64)
    order = np.full(len(packets), -1)
    order[places] = np.arange(len(places))
    return order


def checksum(frame: VideoFrame) -> int:
    """Return a checksum of a frame's grey values, which identifies it."""
    grey = frame.reformat(format="gray", threads=1)
    return zlib.crc32(grey.to_ndarray().tobytes())
