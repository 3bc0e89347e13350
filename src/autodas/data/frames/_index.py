"""Where the frames of a video lie, without decoding all of it where its time stamps can be believed."""

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

# Two days of 25 frames a second; a longer one is a file that lies.
_MOST_PACKETS = 1 << 22
# So many frames are decoded to see whether they come in the order that the packets' time stamps say.
_HEAD = 12
# No coding standard lets a frame be shown so many frames before or after its turn in the file.
_MOST_REORDERED = 32
# Containers without presentation times: those that FFmpeg makes up are wrong where frames are reordered.
_WITHOUT_TIMES = frozenset({"avi"})
# Recordings of these are cut and joined as they are, with the time stamps of each.
_JOINED = frozenset({"mpeg", "mpegts"})
_JUMP = 10.0  # seconds from one frame to the next
_ROUNDING = 0.005  # by which a rate that is claimed may be that of the time stamps
UNKNOWN = int(np.iinfo(np.int64).min)


class Key(NamedTuple):
    """A packet from which decoding can begin.

    Args:
        packet: its place in the file.
        number: of the first frame that is right from here on.
        shown: presentation time of the packet, in the stream's units, or ``UNKNOWN``.
        decoded: decoding time of the packet, or ``UNKNOWN``.
        before: decoding time of the packet before it, or ``UNKNOWN``.
        size: bytes of the packet.
        checksum: of that frame's pixels, -1 where it is not known: then the decoder must call it a key frame.
    """

    packet: int
    number: int
    shown: int
    decoded: int
    before: int
    size: int
    checksum: int


class FrameIndex(NamedTuple):
    """Where the frames of a video lie.

    Args:
        frames: how many there are.
        height, width: of a frame as it is shown.
        orientation: how frames as stored are turned to be shown.
        order: int64 (P,), for each packet of the file the number of the frame that comes of it, -1 if none
            does; empty where packets and frames do not belong together: then the video can only be decoded
            from its start, and frames are counted.
        keys: int64 (K, 7), the fields of a :class:`Key` each, by ascending number.
        clock: when frames are shown, ``None`` where the file does not tell.
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
        """Return whether a frame that is stored after a key frame is shown before it."""
        shown = np.where(self.order < 0, self.frames, self.order)
        first_from_here = np.minimum.accumulate(shown[::-1])[::-1]
        return bool((first_from_here[self.keys[:, 0]] < self.keys[:, 1]).any())


class _Packets:
    """What a walk through the packets of a video notes."""

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
        # What a container hands over once, a decoder that begins after this packet lacks.
        if packet.has_sidedata("palette") or packet.has_sidedata("new_extradata"):
            self.can_begin_anywhere = False

    def order(self) -> np.ndarray | None:
        """Return the order of frames by time stamps, ``None`` if those cannot be right."""
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
            # Decoding may begin with a frame that an edit list hides: the first one after it is shown.
            times = np.sort(shown[order >= 0])
            hidden = np.searchsorted(times, shown[places])
            numbers = np.where(numbers < 0, np.where(shown[places] == UNKNOWN, len(times), hidden), numbers)
        size = np.array(self.size, dtype=np.int64)
        nothing = np.full(len(places), -1)
        found = np.stack(
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
        found = found[found[:, 1] <= order.max(initial=-1)]
        first: np.ndarray = np.unique(found[:, 1], return_index=True)[1]
        return np.asarray(found[first])

    def clock(
        self, order: np.ndarray | None, frames: int, unit: float, claimed: float, jumps: bool
    ) -> Clock | None:
        """Return when frames are shown, by their time stamps; of a single frame by what the container claims.

        The usual rate is that of the steps near the usual one, since time stamps are rounded, and gaps are no
        rate.

        Args:
            order: by time stamps, if those can be believed: otherwise the rate is taken for constant.
            frames: how many there are.
            unit: seconds of one unit of time.
            claimed: frames a second by the container, 0 where it claims nothing.
            jumps: whether time may begin anew within the file.
        """
        if order is None:
            # Decoding times ascend also where presentation times do not; fields of a frame have one each.
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
            rates.insert(0, claimed)  # The same without the rounding.
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
        """Return whether the frames came in an order, all of them but for those of damaged packets."""
        lost = {int(order[place]) for place in self._damaged}
        due = list(islice((number for number in range(int(order.max()) + 1) if number not in lost), _HEAD))
        come = [int(order[place]) if place >= 0 else -1 for place in self._places]
        return come[:_HEAD] == due

    def has_keys(self, packets: _Packets) -> bool:
        """Return whether the decoder calls each frame a key frame whose packet is marked as one."""
        return all(place in self._keys for place in self._places if place >= 0 and packets.is_key[place])


def read_index(path: str) -> FrameIndex:
    """Read where the frames of a video lie.

    The packets are read and the first frames decoded. Where what comes out is not what the packets say, or
    cannot be told from them, the whole video is decoded once.

    Raises:
        UnreadableError: if there is no video in the file, or no frame.
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
    """Return whether a packet holds a frame that is only referred to (VP8's alternate reference frames)."""
    return video.stream.codec_context.name == "vp8" and not memoryview(packet)[0] & 0x10


def _invents_times(video: Video) -> bool:
    return video.container.format.name in _WITHOUT_TIMES and bool(video.stream.codec_context.codec.reorder)


def _by_decoding(path: str, packets: _Packets, told: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, int]:
    """Decode a whole video; return the order of its frames, the keys, and the number of frames.

    Args:
        path: the file.
        packets: of it.
        told: the order by time stamps where those are right, and only the keys have to be found.
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
    # Packets are marked as keys that are none. Some decoders never tell: then the pixels show it, later.
    keys = keys[np.isin(keys[:, 0], list(called or checksums))]
    keys[:, 6] = [checksums[packet] for packet in keys[:, 0].tolist()]
    return order, keys, int(order.max()) + 1


def _order_of(places: np.ndarray, packets: _Packets) -> np.ndarray:
    """Return the order of frames that came of packets in these places; empty where that cannot be told."""
    if places.min() < 0 or len(np.unique(places)) < len(places):
        return np.zeros(0, dtype=np.int64)
    order = np.full(len(packets), -1)
    order[places] = np.arange(len(places))
    return order


def checksum(frame: VideoFrame) -> int:
    """Return what tells a frame from others: a checksum of its grey values."""
    grey = frame.reformat(format="gray", threads=1)
    return zlib.crc32(grey.to_ndarray().tobytes())
