"""Forms of compressed frames: their size, their error, and the time of a clip.

    python benchmarks/video_storage.py FOLDER --output benchmarks/results/video_storage.json

Every video is decoded once, with a short side of 128 pixels, and stored in memory in every form. Then clips
of 16 frames are read from all forms in turn, each time in another order, so that a machine that slows down
slows all of them down: dense clips from random starts, and sparse ones, with one frame from each sixteenth of
the video. All libraries use one thread. Forms are to be compared at equal error, or at equal size.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import statistics
import sys
import time
from abc import ABC, abstractmethod
from fractions import Fraction
from pathlib import Path
from random import Random

import av
import cv2
import imagecodecs
import numpy as np
import PIL.Image
from av.video.reformatter import VideoReformatter

from autodas.data.frames._sources import VideoFiles
from autodas.loop._environment import environment

FRAMES, SIDE = 16, 128


class Form(ABC):
    """Way of storing the frames of a video."""

    @abstractmethod
    def encode(self, frames: np.ndarray) -> list[bytes]:
        """Return the stored frames, one by one."""

    @abstractmethod
    def decode(self, stored: list[bytes], numbers: list[int]) -> np.ndarray:
        """Return the frames of a clip, given by their numbers, ascending."""


class Jpeg(Form):
    """Frames as JPEG images, written by Pillow.

    Args:
        quality: quality of Pillow.
        full_colour: whether colours have the resolution of brightness (4:4:4) instead of half of it (4:2:0).
        reader: what decodes: ``pillow`` as the library uses it, ``opened`` (Pillow, with every frame opened
            as an image of its own), ``opencv``, ``imagecodecs`` or ``pyav``.
    """

    def __init__(self, quality: int, full_colour: bool = False, reader: str = "pillow") -> None:
        self._quality, self._subsampling = quality, 0 if full_colour else 2
        self._decode = getattr(self, f"_{reader}")
        self._context, self._scaler = av.CodecContext.create("mjpeg", "r"), VideoReformatter()
        self._context.thread_count = 1

    def encode(self, frames: np.ndarray) -> list[bytes]:
        """Return the stored frames, without the header that all of them share."""
        encoded = []
        self._size = frames.shape[2], frames.shape[1]
        for frame in frames:
            file = io.BytesIO()
            PIL.Image.fromarray(frame).save(
                file, "JPEG", quality=self._quality, subsampling=self._subsampling
            )
            encoded.append(file.getvalue())
        scan = encoded[0].index(b"\xff\xda")
        self._head = encoded[0][:scan]
        assert all(data.startswith(self._head) for data in encoded)
        return [data[scan:] for data in encoded]

    def decode(self, stored: list[bytes], numbers: list[int]) -> np.ndarray:
        """Return the frames of a clip, given by their numbers, ascending."""
        return np.stack([self._decode(self._head + stored[n]) for n in numbers])

    def _pillow(self, data: bytes) -> np.ndarray:
        image = PIL.Image.frombytes("RGB", self._size, data, "jpeg", "RGB", "")
        return np.frombuffer(image.tobytes(), np.uint8).reshape(*self._size[::-1], 3)

    @staticmethod
    def _opened(data: bytes) -> np.ndarray:
        with PIL.Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            return np.asarray(image)

    @staticmethod
    def _opencv(data: bytes) -> np.ndarray:
        return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB))

    @staticmethod
    def _imagecodecs(data: bytes) -> np.ndarray:
        return np.asarray(imagecodecs.jpeg8_decode(data))

    def _pyav(self, data: bytes) -> np.ndarray:
        (frame,) = self._context.decode(av.Packet(data))
        return self._scaler.reformat(frame, format="rgb24", threads=1).to_ndarray()


class H264(Form):
    """Short groups of pictures, from x264 with the fastest tools for decoding; packets without a container.

    Args:
        group: frames of a group.
        crf: constant rate factor.
    """

    def __init__(self, group: int, crf: int) -> None:
        self._group, self._crf = group, crf

    def encode(self, frames: np.ndarray) -> list[bytes]:
        """Return the packets."""
        context = av.CodecContext.create("libx264", "w")
        # Colours of half the resolution need even sides.
        context.height, context.width = (side - side % 2 for side in frames.shape[1:3])
        context.pix_fmt, context.time_base, context.thread_count = "yuv420p", Fraction(1, 25), 1
        context.options = {
            "crf": str(self._crf),
            "g": str(self._group),
            "keyint_min": str(self._group),
            "bf": "0",
            "tune": "fastdecode",
            "x264-params": "scenecut=0",
        }
        packets = []
        for frame in frames[:, : context.height, : context.width]:
            packets += context.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgb24"))
        packets += context.encode(None)
        assert len(packets) == len(frames)
        assert all(packet.is_keyframe for packet in packets[:: self._group])
        return [bytes(packet) for packet in packets]

    def decode(self, stored: list[bytes], numbers: list[int]) -> np.ndarray:
        """Return the frames of a clip; groups are decoded up to the last frame that is needed."""
        context, scaler = av.CodecContext.create("h264", "r"), VideoReformatter()
        context.thread_count, context.thread_type = 1, "NONE"
        last = {number // self._group: number for number in numbers}
        needed = [n for group, end in last.items() for n in range(group * self._group, end + 1)]
        frames = [f for n in needed for f in context.decode(av.Packet(stored[n]))] + context.decode(None)
        found = dict(zip(needed, frames, strict=True))
        return np.stack([scaler.reformat(found[n], format="rgb24", threads=1).to_ndarray() for n in numbers])


class Raw(Form):
    """Frames byte for byte."""

    def encode(self, frames: np.ndarray) -> list[bytes]:
        """Return the bytes of each frame."""
        self._shape = frames.shape[1:]
        return [frame.tobytes() for frame in frames]

    def decode(self, stored: list[bytes], numbers: list[int]) -> np.ndarray:
        """Return the frames of a clip, given by their numbers, ascending."""
        return np.stack([np.frombuffer(stored[n], np.uint8).reshape(self._shape) for n in numbers])


FORMS: dict[str, Form] = {
    "raw": Raw(),
    "JPEG, quality 90": Jpeg(90),
    "JPEG, quality 80": Jpeg(80),
    "JPEG, quality 95": Jpeg(95),
    "JPEG, quality 90, full colour": Jpeg(90, full_colour=True),
    "JPEG, quality 90, every frame opened": Jpeg(90, reader="opened"),
    "JPEG, quality 90, read by OpenCV": Jpeg(90, reader="opencv"),
    "JPEG, quality 90, read by imagecodecs": Jpeg(90, reader="imagecodecs"),
    "JPEG, quality 90, read by PyAV": Jpeg(90, reader="pyav"),
    **{f"H.264, groups of {g}, CRF {crf}": H264(g, crf) for g in (16, 4) for crf in (4, 12, 14, 18)},
    "H.264, groups of 1, CRF 12": H264(1, 12),
}


class Measured:
    """Sums of the measurements of a form."""

    def __init__(self) -> None:
        self.bytes, self.encoding, self.frames = 0, 0.0, 0
        self.error, self.values = 0.0, 0
        self.cpu: dict[str, list[float]] = {"dense": [], "sparse": []}
        self.wall: list[float] = []

    def facts(self, raw: Measured) -> dict[str, float | None]:
        """Return the results, beside those of raw frames."""
        error = self.error / self.values
        return {
            "smaller_by": raw.bytes / self.bytes,
            "psnr": 10 * math.log10(255**2 / error) if error else None,
            "cpu_milliseconds_a_clip": 1000 * statistics.mean(self.cpu["dense"]),
            "clips_a_second": 1 / statistics.mean(self.wall),
            "cpu_milliseconds_a_sparse_clip": 1000 * statistics.mean(self.cpu["sparse"]),
            "cpu_milliseconds_a_stored_frame": 1000 * self.encoding / self.frames,
        }


def read(
    form: Form, stored: list[bytes], video: np.ndarray, numbers: list[int], kind: str, sums: Measured
) -> None:
    """Read a clip, and add what it took and how far it is from the video."""
    cpu, wall = time.process_time(), time.perf_counter()
    clip = form.decode(stored, numbers)
    sums.cpu[kind].append(time.process_time() - cpu)
    if kind == "dense":
        sums.wall.append(time.perf_counter() - wall)
    same = video[numbers, : clip.shape[1], : clip.shape[2]].astype(np.float32)
    sums.error += float(np.square(clip - same).sum(dtype=np.float64))
    sums.values += clip.size


def main() -> None:
    """Measure all forms."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--every", type=int, default=6, help="use every n-th video")
    parser.add_argument("--clips", type=int, default=6, help="clips of each video")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    paths = sorted(str(path) for path in options.folder.rglob("*.mp4"))[:: options.every]
    source, random = VideoFiles(paths), Random(0)
    measured = {name: Measured() for name in FORMS}
    decoding = 0.0
    for index in range(len(paths)):
        before = time.process_time()
        video = source.read(index, range(source.count(index)), SIDE)
        decoding += time.process_time() - before
        stored = {}
        for name, form in FORMS.items():
            before = time.process_time()
            stored[name] = form.encode(video)
            measured[name].encoding += time.process_time() - before
            measured[name].bytes += sum(map(len, stored[name]))
            measured[name].frames += len(video)
        for _ in range(options.clips):
            start = random.randint(0, len(video) - FRAMES)
            edges = [len(video) * i // FRAMES for i in range(FRAMES + 1)]
            clips = {
                "dense": list(range(start, start + FRAMES)),
                "sparse": [random.randrange(*edges[i : i + 2]) for i in range(FRAMES)],
            }
            for name in random.sample(list(FORMS), len(FORMS)):
                for kind, numbers in clips.items():
                    read(FORMS[name], stored[name], video, numbers, kind, measured[name])
        print(f"{index + 1} of {len(paths)} videos", file=sys.stderr)
    raw, machine = measured["raw"], environment()
    facts = {
        "command": [options.folder.name if w == str(options.folder) else w for w in machine.pop("command")],
        "machine": machine,
        "libraries": {module.__name__: module.__version__ for module in (PIL, av, cv2, imagecodecs)},
        "videos": len(paths),
        "frames": raw.frames,
        "side": SIDE,
        "clips": len(raw.wall),
        "cpu_milliseconds_a_decoded_frame": 1000 * decoding / raw.frames,
        "forms": {name: one.facts(raw) for name, one in measured.items()},
    }
    options.output.write_text(json.dumps(facts, indent=1) + "\n")
    for name, one in measured.items():
        print(f"{name:40}", *(f"{what} {value:.3g}" for what, value in one.facts(raw).items() if value))


if __name__ == "__main__":
    main()
