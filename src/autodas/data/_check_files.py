"""Facts about the files of a split: formats, depths, sizes, rotation; codecs, rates, durations; damage."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from autodas.data.files._progress import evenly_spaced, read_all
from autodas.data.files._unreadable import UnreadableError
from autodas.data.frames._open import open_container
from autodas.data.pixels._formats import Header
from autodas.data.splits._images import Images
from autodas.data.splits._split import Split

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

_LOOKED_AT = 20_000


def picture_facts(images: Images) -> dict[str, Any]:
    """Return facts from the headers of images; for very many from 20,000, evenly spaced.

    ``kinds`` of files, ``values`` (their types), ``channels``, each with counts; ``sizes`` (the ``smallest``
    and the ``largest`` by their short side, the ``median`` short side) and the number of files that declare
    that they are to be ``turned``.
    """

    def look(number: int) -> Header | None:
        try:
            return images.header(places[number])
        except UnreadableError:
            return None

    places = evenly_spaced(len(images), _LOOKED_AT)
    headers = [h for h in read_all(look, len(places), "reading the headers of images", threads=False) if h]
    return {
        "kinds": dict(Counter(h.kind for h in headers)),
        "values": dict(Counter(h.dtype for h in headers)),
        "channels": dict(Counter(h.channels for h in headers)),
        "sizes": _sizes([(h.width, h.height) for h in headers]),
        "turned": sum(h.turned for h in headers),
    }


def video_facts(videos: Split) -> dict[str, Any]:
    """Return facts from video files: ``codecs``, ``sizes``, ``rates`` and ``seconds`` (shortest and longest).

    For very many 20,000 are examined, evenly spaced; folders of frames have no such facts.
    """
    paths = [path for path in videos.paths or () if os.path.isfile(path)]
    places = evenly_spaced(len(paths), _LOOKED_AT) if paths else []

    def look(number: int) -> _VideoFacts | None:
        return _video_facts(paths[places[number]])

    facts = [v for v in read_all(look, len(places), "looking at videos", threads=True) if v is not None]
    if not facts:
        return {}
    rates, seconds = [v.rate for v in facts if v.rate], [v.seconds for v in facts if v.seconds]
    return {
        "codecs": dict(Counter(v.codec for v in facts)),
        "sizes": _sizes([(v.width, v.height) for v in facts]),
        **({"rates": {"lowest": min(rates), "highest": max(rates)}} if rates else {}),
        **({"seconds": {"shortest": min(seconds), "longest": max(seconds)}} if seconds else {}),
        "turned": sum(v.turned for v in facts),
    }


def damage(split: Split) -> list[str]:
    """Decode every file of a split to its end; return errors, one line per file."""
    paths = split.paths
    videos = not isinstance(split, Images)

    def look(place: int) -> str | None:
        if videos and paths is not None and os.path.isfile(paths[place]):
            reason = damage_in_video(paths[place])
        else:
            reason = _damage_in_view(split, place)
        return None if reason is None else f"{split.describe(place)}: {reason}"

    # Sources other than files need not be thread-safe.
    lines = read_all(look, len(split), "decoding", threads=paths is not None)
    return [line for line in lines if line is not None]


def damage_in_video(path: str) -> str | None:
    """Decode all of a video file and return a description of its damage, ``None`` if there is none."""
    from av.error import EOFError as EndOfFileError
    from av.error import FFmpegError

    total, bad, first = 0, 0, None
    try:
        with open_container(path) as container:
            stream = _best(container)
            # Otherwise decoders conceal damage, as players do.
            stream.codec_context.options = {"err_detect": "explode"}
            packets = container.demux(stream)
            while True:
                packet = None
                try:
                    packet = next(packets, None)
                    if packet is None:
                        break
                    frames = packet.decode()
                    total += len(frames)
                    damaged = sum(bool(frame.is_corrupt) for frame in frames)
                except EndOfFileError:
                    break
                except FFmpegError:
                    damaged = 1
                    total += 1
                    if packet is None:  # the file cannot be read any further
                        bad += 1
                        break
                if damaged and first is None and packet.pts is not None and packet.time_base is not None:
                    first = float(packet.pts * packet.time_base)
                bad += damaged
    except (FFmpegError, OSError, ValueError) as error:
        return str(error).split("\n")[0]
    where = "" if first is None else f", the first at {first:.1f} s"
    if not bad:
        return None if total else "it has no frames"
    return f"{bad} of {total} frames are damaged{where}"


class _VideoFacts(NamedTuple):
    """Facts about a video file."""

    codec: str
    width: int
    height: int
    rate: float | None
    seconds: float | None
    turned: bool


def _video_facts(path: str) -> _VideoFacts | None:
    import av
    from av.error import FFmpegError

    try:
        with open_container(path) as container:
            stream = _best(container)
            rate = stream.average_rate or stream.guessed_rate
            seconds: float | None
            if stream.duration is not None and stream.time_base is not None:
                seconds = float(stream.duration * stream.time_base)
            else:
                seconds = container.duration / av.time_base if container.duration else None
            first = next(container.decode(stream), None)
            return _VideoFacts(
                stream.codec_context.name,
                stream.codec_context.width,
                stream.codec_context.height,
                None if rate is None else float(rate),
                seconds,
                first is not None and bool(first.rotation),
            )
    except (FFmpegError, OSError, ValueError):
        return None  # reported when it is read


def _best(container: InputContainer) -> VideoStream:
    stream = container.streams.best("video")
    if stream is None:
        raise ValueError("there is no video in it")
    return stream  # type: ignore[return-value]


def _damage_in_view(split: Split, place: int) -> str | None:
    try:
        split.evaluation_views(place, [0], 1)
    except UnreadableError as error:
        return str(error)
    return None


def _sizes(sizes: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Return the smallest and largest of sizes (width, height), by their short sides."""
    if not sizes:
        return {}
    ordered = sorted(sizes, key=lambda size: (min(size), max(size)))
    smallest, largest = ("{}x{}".format(*ordered[i]) for i in (0, -1))
    return {"smallest": smallest, "median": min(ordered[len(ordered) // 2]), "largest": largest}
