"""Videos of many formats whose frames tell their own numbers."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition
from PIL import Image
from tests.data.bar_codes import bar_coded

X264 = {"preset": "veryfast", "crf": "18"}


@dataclass(frozen=True)
class Variant:
    """A way to store a video.

    Args:
        file: its name.
        codec: PyAV's name of the encoder.
        options: of the encoder.
        pixels: format of the pixels.
        rate: frames a second.
        milliseconds: when frames are shown, for variable rates; repeated with the last step.
        start: seconds that the first frame comes after the beginning.
        muxer: options of the container.
        form: FFmpeg's name of the container, where the file's ending does not tell it.
        sound: ``"first"`` or ``"last"``: the file has a stream of sound before or after that of the video.
        cover: whether the first stream is a picture on the cover.
        seek: where ``ffmpeg`` begins to read, in seconds.
        ffmpeg: arguments for the program ``ffmpeg`` that makes the file of a lossless one, or of what this
            variant's encoder has written as ``source``.
        source: ending of the file that ``ffmpeg`` gets.
        kept: part of the bytes that is kept, from where to where; 1 is the end.
    """

    file: str
    codec: str = "libx264"
    options: dict[str, str] = field(default_factory=dict)
    pixels: str = "yuv420p"
    rate: Fraction | int = 25
    milliseconds: tuple[int, ...] = ()
    start: float = 0
    muxer: dict[str, str] = field(default_factory=dict)
    form: str | None = None
    sound: str = ""
    cover: bool = False
    seek: str = ""
    ffmpeg: tuple[str, ...] = ()
    source: str = ""
    kept: tuple[float, float] = (0, 1)


def lacking(variant: Variant) -> str:
    """Return what this machine lacks to make a variant; empty if nothing."""
    try:
        av.codec.Codec(variant.codec, "w")
    except Exception:
        return f"no encoder for {variant.codec}"
    return "the program ffmpeg is not installed" if variant.ffmpeg and not shutil.which("ffmpeg") else ""


def write_variant(variant: Variant, path: Path, frames: np.ndarray) -> None:
    """Write frames, uint8 (F, H, W, 3), with bar codes.

    Raises:
        subprocess.CalledProcessError: if ``ffmpeg`` cannot make it.
    """
    coded = bar_coded(frames)
    if not variant.ffmpeg:
        _encode(variant, path, coded)
    else:
        source = path.with_name(f"source-{path.stem}{variant.source}")
        _encode(variant, source, coded)
        begin = ["-ss", variant.seek] if variant.seek else []
        cover = path.with_suffix(".jpg")
        Image.new("RGB", (800, 600), (90, 140, 60)).save(cover)
        arguments = [str(cover) if word == "COVER" else word for word in variant.ffmpeg]
        command = ["ffmpeg", "-v", "error", "-y", *begin, "-i", str(source), *arguments, str(path)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
        source.unlink()
        cover.unlink()
    if variant.kept != (0, 1):
        content = path.read_bytes()
        start, end = (round(len(content) * part) for part in variant.kept)
        path.write_bytes(content[start:end])


@contextmanager
def _usual_scheduling() -> Iterator[None]:
    """Give this thread its scheduling back: for the superuser SVT-AV1 makes it real-time."""
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    policy, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameter)


def _encode(variant: Variant, path: Path, frames: np.ndarray) -> None:
    with (
        _usual_scheduling(),
        av.open(str(path), "w", format=variant.form, options=variant.muxer) as container,
    ):
        if variant.cover:
            cover = container.add_stream("mjpeg", rate=1)
            cover.height, cover.width, cover.pix_fmt = 600, 800, "yuvj420p"
            cover.disposition = Disposition.attached_pic
        if variant.sound == "first":
            sound = _sound_stream(container, path)
        stream = container.add_stream(variant.codec, rate=variant.rate, options=variant.options)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = variant.pixels
        stream.codec_context.thread_count = 1  # more of them only wait for each other
        if "crf" not in variant.options and "qp" not in variant.options:
            stream.bit_rate = 3_000_000
        if variant.sound == "last":
            sound = _sound_stream(container, path)
        if variant.cover:
            picture = av.VideoFrame.from_ndarray(np.full((600, 800, 3), 90, np.uint8), format="rgb24")
            for packet in [*cover.encode(picture), *cover.encode()]:
                container.mux(packet)
        if variant.sound:
            _write_sound(container, sound, len(frames) / float(variant.rate))
        times = _times(variant, len(frames))
        for pixels, time in zip(frames, times, strict=True):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            if variant.milliseconds:
                frame.pts, frame.time_base = round(time * 1000), Fraction(1, 1000)
                stream.codec_context.time_base = Fraction(1, 1000)
            elif variant.start:
                frame.pts, frame.time_base = round(time * variant.rate), 1 / Fraction(variant.rate)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def _times(variant: Variant, count: int) -> list[float]:
    if not variant.milliseconds:
        return [variant.start + i / float(variant.rate) for i in range(count)]
    steps = [variant.milliseconds[i % len(variant.milliseconds)] for i in range(count)]
    return [float(time) / 1000 for time in np.cumsum([0, *steps[:-1]])]


def _sound_stream(container: av.container.OutputContainer, path: Path) -> av.AudioStream:
    name = {".webm": "libopus", ".mpg": "mp2", ".vob": "mp2", ".avi": "mp2"}.get(path.suffix, "aac")
    stream = container.add_stream(name, rate=48000, layout="mono")
    assert isinstance(stream, av.AudioStream)
    return stream


def _write_sound(container: av.container.OutputContainer, stream: av.AudioStream, seconds: float) -> None:
    (form, *_) = (each.name for each in stream.codec_context.codec.audio_formats or ())
    kind = np.int16 if form.startswith("s16") else np.float32
    for start in range(0, int(48000 * seconds), 960):
        samples = np.zeros((1, 960), dtype=kind)
        frame = av.AudioFrame.from_ndarray(samples, format=form, layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
        for packet in stream.encode(frame):
            container.mux(packet)
    for packet in stream.encode():
        container.mux(packet)


NTSC = Fraction(30000, 1001)


def _x264(**options: object) -> dict[str, str]:
    """Options of x264; those that only x264 itself knows are written with underscores for hyphens."""
    own = ":".join(f"{name.replace('_', '-')}={value}" for name, value in options.items())
    return {**X264, **({"x264-params": own} if own else {})}


VARIANTS: dict[str, Variant] = {
    "H.264 in MP4, long groups": Variant("a.mp4", options=_x264(keyint=250)),
    "H.264 in MP4, short closed groups": Variant("a.mp4", options=_x264(keyint=12, bframes=3)),
    "H.264 in MP4, open groups": Variant(
        "a.mp4", options=_x264(keyint=24, open_gop=1, bframes=3, b_pyramid="normal")
    ),
    "H.264 in MP4, intra refresh": Variant("a.mp4", options=_x264(keyint=30, intra_refresh=1)),
    "H.264 in MP4, no B-frames": Variant("a.mp4", options=_x264(keyint=24, bframes=0)),
    "H.264 in MP4, key frames only": Variant("a.mp4", options=_x264(keyint=1)),
    "H.264 in MP4, 16 B-frames": Variant("a.mp4", options=_x264(keyint=60, bframes=16, b_adapt=0)),
    "H.264 in MP4, 29.97": Variant("a.mp4", options=_x264(keyint=30), rate=NTSC),
    "H.264 in MP4, interlaced": Variant("a.mp4", options=_x264(keyint=24, tff=1), rate=NTSC),
    "H.264 in MP4, variable rate": Variant(
        "a.mp4", options=_x264(keyint=24), milliseconds=(17, 33, 50, 33, 400, 20)
    ),
    "H.264 in MP4, late start": Variant("a.mp4", options=_x264(keyint=24), start=2.0, sound="first"),
    "H.264 in MP4, negative times": Variant(
        "a.mp4", options=_x264(keyint=24, bframes=3), muxer={"movflags": "negative_cts_offsets"}
    ),
    "H.264 in MP4, no edit list": Variant(
        "a.mp4", options=_x264(keyint=24, bframes=3), muxer={"use_editlist": "0"}
    ),
    "H.264 in MP4, fragments": Variant(
        "a.mp4", options=_x264(keyint=24), muxer={"movflags": "frag_keyframe+empty_moov"}
    ),
    "H.264 in MP4, sound first": Variant("a.mp4", options=_x264(keyint=24), sound="first"),
    "H.264 in MP4, 10 bits": Variant("a.mp4", options=_x264(keyint=24), pixels="yuv420p10le"),
    "H.264 in MP4, 4:4:4": Variant("a.mp4", options=_x264(keyint=24), pixels="yuv444p"),
    "H.264 in MP4, lossless": Variant("a.mp4", options={"preset": "veryfast", "qp": "0"}),
    "H.264 in MOV": Variant("a.mov", options=_x264(keyint=24)),
    "H.264 in MKV": Variant("a.mkv", options=_x264(keyint=24, bframes=3)),
    "H.264 in MKV, open groups, 29.97": Variant(
        "a.mkv", options=_x264(keyint=24, open_gop=1, bframes=3), rate=NTSC
    ),
    "H.264 in MKV, intra refresh": Variant("a.mkv", options=_x264(keyint=30, intra_refresh=1)),
    "H.264 in MKV, variable rate": Variant(
        "a.mkv", options=_x264(keyint=24), milliseconds=(17, 33, 50, 33, 400, 20)
    ),
    "H.264 in MKV, picture in the first stream": Variant("a.mkv", options=_x264(keyint=24), cover=True),
    "H.264 in MKV, no cues": Variant("a.mkv", options=_x264(keyint=24), muxer={"live": "1"}),
    "H.264 in FLV": Variant("a.flv", options=_x264(keyint=24, bframes=3)),
    "H.264 in AVI, no B-frames": Variant("a.avi", options=_x264(keyint=24, bframes=0)),
    "H.264 in AVI, B-frames": Variant("a.avi", options=_x264(keyint=24, bframes=3)),
    "H.264 in AVI, long groups": Variant("a.avi", options=_x264(keyint=250, bframes=3)),
    "H.264 in TS, long groups": Variant("a.ts", options=_x264(keyint=250)),
    "H.264 in TS, short groups": Variant("a.ts", options=_x264(keyint=12, bframes=3)),
    "H.264 in TS, open groups": Variant("a.ts", options=_x264(keyint=24, open_gop=1, bframes=3)),
    "H.264 in TS, intra refresh": Variant("a.ts", options=_x264(keyint=30, intra_refresh=1)),
    "H.264 in TS, 29.97, sound": Variant("a.ts", options=_x264(keyint=24), rate=NTSC, sound="last"),
    "H.264 in M2TS": Variant("a.m2ts", options=_x264(keyint=24)),
    "H.264 in PS": Variant("a.mpg", options=_x264(keyint=24, bframes=3)),
    "H.264 in NUT": Variant("a.nut", options=_x264(keyint=24, bframes=3)),
    "H.264 bare": Variant("a.h264", options=_x264(keyint=24, bframes=3)),
    "HEVC in MP4": Variant(
        "a.mp4",
        "libx265",
        {"preset": "ultrafast", "crf": "18", "x265-params": "keyint=24:bframes=3:log-level=none"},
    ),
    "HEVC in MP4, open groups": Variant(
        "a.mp4",
        "libx265",
        {"preset": "medium", "crf": "18", "x265-params": "keyint=24:bframes=4:open-gop=1:log-level=none"},
    ),
    "HEVC in MP4, temporal layers": Variant(
        "a.mp4",
        "libx265",
        {
            "preset": "medium",
            "crf": "18",
            "x265-params": "keyint=48:bframes=7:temporal-layers=3:log-level=none",
        },
    ),
    "HEVC in MKV": Variant(
        "a.mkv",
        "libx265",
        {"preset": "ultrafast", "crf": "18", "x265-params": "keyint=24:bframes=3:log-level=none"},
    ),
    "HEVC in TS": Variant(
        "a.ts",
        "libx265",
        {"preset": "ultrafast", "crf": "18", "x265-params": "keyint=24:bframes=3:log-level=none"},
    ),
    "HEVC in MP4, 10 bits": Variant(
        "a.mp4",
        "libx265",
        {"preset": "ultrafast", "crf": "18", "x265-params": "keyint=24:log-level=none"},
        pixels="yuv420p10le",
    ),
    "AV1 in MP4": Variant("a.mp4", "libsvtav1", {"preset": "12", "crf": "25", "g": "24"}),
    "AV1 in MKV": Variant("a.mkv", "libsvtav1", {"preset": "12", "crf": "25", "g": "24"}),
    "VP8 in WebM": Variant("a.webm", "libvpx", {"g": "24", "deadline": "realtime", "cpu-used": "8"}),
    "VP8 in WebM, hidden frames": Variant(
        "a.webm", "libvpx", {"g": "48", "auto-alt-ref": "1", "lag-in-frames": "16", "cpu-used": "4"}
    ),
    "VP8 in WebM, sound first": Variant(
        "a.webm", "libvpx", {"g": "24", "deadline": "realtime", "cpu-used": "8"}, sound="first"
    ),
    "VP9 in WebM": Variant("a.webm", "libvpx-vp9", {"g": "24", "deadline": "realtime", "cpu-used": "8"}),
    "VP9 in WebM, hidden frames": Variant(
        "a.webm", "libvpx-vp9", {"g": "48", "auto-alt-ref": "1", "lag-in-frames": "16", "cpu-used": "5"}
    ),
    "VP9 in MP4": Variant("a.mp4", "libvpx-vp9", {"g": "24", "deadline": "realtime", "cpu-used": "8"}),
    "MPEG-4 in AVI, no B-frames": Variant("a.avi", "mpeg4", {"g": "24"}),
    "MPEG-4 in AVI, B-frames": Variant("a.avi", "mpeg4", {"g": "24", "bf": "2"}),
    "MPEG-4 in MP4, B-frames": Variant("a.mp4", "mpeg4", {"g": "24", "bf": "2"}),
    "MPEG-4 in MKV, B-frames": Variant("a.mkv", "mpeg4", {"g": "24", "bf": "2"}),
    "MPEG-4 bare": Variant("a.m4v", "mpeg4", {"g": "24", "bf": "2"}),
    "MS-MPEG-4 in AVI": Variant("a.avi", "msmpeg4", {"g": "24"}),
    "XviD in AVI, packed B-frames": Variant(
        "a.avi", "ffv1", ffmpeg=("-c:v", "libxvid", "-bf", "2", "-g", "100", "-b:v", "2M"), source=".mkv"
    ),
    "XviD in AVI, packed B-frames, short groups": Variant(
        "a.avi", "ffv1", ffmpeg=("-c:v", "libxvid", "-bf", "2", "-g", "24", "-b:v", "2M"), source=".mkv"
    ),
    "XviD in AVI, B-frames unpacked": Variant(
        "a.avi",
        "ffv1",
        ffmpeg=("-c:v", "libxvid", "-bf", "2", "-g", "24", "-b:v", "2M", "-bsf:v", "mpeg4_unpack_bframes"),
        source=".mkv",
    ),
    "XviD in AVI, no B-frames": Variant(
        "a.avi", "ffv1", ffmpeg=("-c:v", "libxvid", "-g", "24", "-b:v", "2M"), source=".mkv"
    ),
    "XviD in MP4, packed B-frames": Variant(
        "a.mp4", "ffv1", ffmpeg=("-c:v", "libxvid", "-bf", "2", "-g", "24", "-b:v", "2M"), source=".mkv"
    ),
    "MPEG-2 in PS": Variant("a.mpg", "mpeg2video", {"g": "12", "bf": "2"}),
    "MPEG-2 in PS, sound": Variant("a.mpg", "mpeg2video", {"g": "12", "bf": "2"}, sound="last"),
    "MPEG-2 in PS, no B-frames, 29.97": Variant("a.mpg", "mpeg2video", {"g": "15"}, rate=NTSC),
    "MPEG-2 in VOB": Variant("a.vob", "mpeg2video", {"g": "12", "bf": "2"}, sound="last"),
    "MPEG-2 in TS": Variant("a.ts", "mpeg2video", {"g": "12", "bf": "2"}),
    "MPEG-2 in TS, interlaced": Variant(
        "a.ts", "mpeg2video", {"g": "12", "bf": "2", "flags": "+ilme+ildct"}, rate=NTSC
    ),
    "MPEG-2 in MKV": Variant("a.mkv", "mpeg2video", {"g": "12", "bf": "2"}),
    "MPEG-2 in MXF": Variant("a.mxf", "mpeg2video", {"g": "12", "bf": "2"}),
    "MPEG-2 bare": Variant("a.m2v", "mpeg2video", {"g": "12", "bf": "2"}),
    "MPEG-1 in PS": Variant("a.mpg", "mpeg1video", {"g": "12", "bf": "2"}),
    "MPEG-1 in AVI": Variant("a.avi", "mpeg1video", {"g": "12", "bf": "2"}),
    "WMV1 in ASF": Variant("a.wmv", "wmv1", {"g": "24"}),
    "WMV2 in ASF": Variant("a.wmv", "wmv2", {"g": "24"}),
    "WMV2 in ASF, sound": Variant("a.asf", "wmv2", {"g": "24"}, rate=NTSC, sound="last"),
    "FLV1 in FLV": Variant("a.flv", "flv", {"g": "24"}),
    "MPEG-4 in 3GP": Variant("a.3gp", "mpeg4", {"g": "24", "bf": "2"}),
    "RV20 in RM": Variant("a.rm", "rv20", {"g": "24"}),
    "MJPEG in AVI": Variant("a.avi", "mjpeg", pixels="yuvj420p"),
    "MJPEG in MOV": Variant("a.mov", "mjpeg", pixels="yuvj420p"),
    "ProRes in MOV": Variant("a.mov", "prores", pixels="yuv422p10le"),
    "FFV1 in MKV": Variant("a.mkv", "ffv1"),
    "FFV1 in AVI": Variant("a.avi", "ffv1"),
    "HuffYUV in AVI": Variant("a.avi", "huffyuv", pixels="yuv422p"),
    "Raw in AVI": Variant("a.avi", "rawvideo"),
    "GIF": Variant("a.gif", "gif", pixels="rgb8"),
    "Animated PNG": Variant("a.apng", "apng", pixels="rgb24"),
    # Without trying out how many strips are best, which takes seconds.
    "Cinepak in AVI": Variant(
        "a.avi", "cinepak", {"g": "24", "max_strips": "1", "max_extra_cb_iterations": "0"}, pixels="rgb24"
    ),
    "Theora in Ogg": Variant(
        "a.ogv", "ffv1", ffmpeg=("-c:v", "libtheora", "-g", "24", "-q:v", "8"), source=".mkv"
    ),
    "UtVideo in AVI": Variant("a.avi", "utvideo"),
    "MagicYUV in AVI": Variant("a.avi", "magicyuv"),
    "ASV1 in AVI": Variant("a.avi", "asv1"),
    "Snow in AVI": Variant("a.avi", "snow", {"g": "24", "strict": "-2"}),
    "ZMBV in AVI": Variant("a.avi", "zmbv", {"g": "24"}, pixels="bgr0"),
    "SVQ1 in MOV": Variant("a.mov", "svq1", {"g": "24"}, pixels="yuv410p"),
    "Animation in MOV": Variant("a.mov", "qtrle", {"g": "24"}, pixels="rgb24"),
    "PNG in MOV": Variant("a.mov", "png", pixels="rgb24"),
    "JPEG 2000 in MOV": Variant("a.mov", "jpeg2000", pixels="rgb24"),
    "CineForm in MOV": Variant("a.mov", "cfhd", pixels="yuv422p10le"),
    "VP9 in IVF": Variant("a.ivf", "libvpx-vp9", {"g": "24", "deadline": "realtime", "cpu-used": "8"}),
    "AV1 bare": Variant("a.obu", "libsvtav1", {"preset": "12", "crf": "25", "g": "24"}),
    "HEVC bare": Variant(
        "a.hevc",
        "libx265",
        {"preset": "ultrafast", "crf": "18", "x265-params": "keyint=24:bframes=3:log-level=none"},
    ),
    "DNxHR in MXF": Variant(
        "a.mxf",
        "ffv1",
        ffmpeg=(
            "-c:v",
            "dnxhd",
            "-profile:v",
            "dnxhr_sq",
            "-vf",
            "scale=320:240:flags=neighbor,format=yuv422p",
        ),
        source=".mkv",
    ),
    "H.264 in MP4, cut between key frames (edit list)": Variant(
        "a.mp4", options=_x264(keyint=24, bframes=3), seek="1.4", ffmpeg=("-c", "copy"), source=".mp4"
    ),
    "H.264 in MP4, made by cutting and encoding": Variant(
        "a.mp4", "ffv1", seek="1.4", ffmpeg=("-c:v", "libx264", "-g", "24"), source=".mkv"
    ),
    "H.264 in TS, beginning lost": Variant("a.ts", options=_x264(keyint=24, bframes=3), kept=(0.37, 1)),
    "H.264 in TS, end lost": Variant("a.ts", options=_x264(keyint=24, bframes=3), kept=(0, 0.7)),
    "H.264 in MKV, end lost": Variant("a.mkv", options=_x264(keyint=24, bframes=3), kept=(0, 0.7)),
    "H.264 in FLV, end lost": Variant("a.flv", options=_x264(keyint=24, bframes=3), kept=(0, 0.7)),
    "MPEG-2 in PS, beginning lost": Variant("a.mpg", "mpeg2video", {"g": "12", "bf": "2"}, kept=(0.37, 1)),
    "MPEG-4 in AVI, end lost": Variant("a.avi", "mpeg4", {"g": "24", "bf": "2"}, kept=(0, 0.7)),
    "H.264 in MKV, attached cover": Variant(
        "a.mkv",
        options=_x264(keyint=24),
        ffmpeg=("-attach", "COVER", "-metadata:s:t", "mimetype=image/jpeg", "-c", "copy"),
        source=".mkv",
    ),
    "H.264 in MP4, attached cover first": Variant(
        "a.mp4",
        options=_x264(keyint=24),
        ffmpeg=("-i", "COVER", "-map", "1", "-map", "0", "-c", "copy", "-disposition:v:0", "attached_pic"),
        source=".mp4",
    ),
    "H.264 copied from MP4 to TS": Variant(
        "a.ts", options=_x264(keyint=100, bframes=3), ffmpeg=("-c", "copy"), source=".mp4"
    ),
    "H.264 copied from TS to MKV": Variant(
        "a.mkv", options=_x264(keyint=24, bframes=3), ffmpeg=("-c", "copy"), source=".ts"
    ),
    "H.264 copied from MP4 to AVI": Variant(
        "a.avi", options=_x264(keyint=24, bframes=3), ffmpeg=("-c", "copy"), source=".mp4"
    ),
    "H.264 in MP4, time base 1/1000": Variant(
        "a.mp4",
        options=_x264(keyint=24),
        rate=NTSC,
        ffmpeg=("-c", "copy", "-video_track_timescale", "1000"),
        source=".mkv",
    ),
}

# Their files mark frames as keys that are none, their decoders do not tell keys, or the palette comes once.
MISLEADING: dict[str, Variant] = {
    "Palette in AVI": Variant(
        "a.avi", "ffv1", ffmpeg=("-pix_fmt", "pal8", "-c:v", "rawvideo"), source=".mkv"
    ),
    "Palette in MOV": Variant(
        "a.mov", "ffv1", ffmpeg=("-pix_fmt", "pal8", "-c:v", "rawvideo"), source=".mkv"
    ),
    "Animation in MOV, grey palette": Variant(
        "a.mov", "ffv1", ffmpeg=("-pix_fmt", "gray", "-c:v", "qtrle", "-g", "10"), source=".mkv"
    ),
    "Graphics in MOV": Variant("a.mov", "ffv1", ffmpeg=("-c:v", "smc", "-g", "10"), source=".mkv"),
    "H.263 in MKV": Variant("a.mkv", "ffv1", ffmpeg=("-c:v", "h263p", "-g", "10"), source=".mkv"),
    "H.261 in AVI": Variant(
        "a.avi", "ffv1", ffmpeg=("-vf", "scale=176:144", "-c:v", "h261", "-b:v", "2M"), source=".mkv"
    ),
    "H.261 in MKV": Variant(
        "a.mkv", "ffv1", ffmpeg=("-vf", "scale=176:144", "-c:v", "h261", "-b:v", "2M"), source=".mkv"
    ),
    "H.261 bare": Variant(
        "a.h261", "ffv1", ffmpeg=("-vf", "scale=176:144", "-c:v", "h261", "-b:v", "2M"), source=".mkv"
    ),
    "Apple Video in MOV": Variant("a.mov", "rpza", {"g": "10"}, pixels="rgb555le"),
}
