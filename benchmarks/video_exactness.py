"""Which frames come when frames are asked for, in many formats, with autodas and other libraries.

    python -m benchmarks.video_exactness --output results.json [--libraries FOLDER]

Every frame has its number in its pixels as a bar code, so that which frame has come is read from the picture.
Files that no encoder here can make are left out; so are libraries that are not installed (``pip install
--no-deps --target FOLDER torchcodec decord`` keeps them apart). Each library runs in a process of its own,
which may crash.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import IO, cast

import av
import numpy as np
from tests.data.bar_codes import HEIGHT, WIDTH, numbers_of, texture
from tests.data.video_variants import VARIANTS, has_encoder, write_variant

ROOT = Path(__file__).resolve().parents[1]
COUNT, SECONDS = 60, 60
READERS = {
    "autodas": """
from autodas.data.frames._sources import VideoFiles
def read(path, numbers):
    return VideoFiles([path]).read(0, numbers, 120)
""",
    "torchcodec": """
from torchcodec.decoders import VideoDecoder
def read(path, numbers):
    decoder = VideoDecoder(path, seek_mode="exact")
    return decoder.get_frames_at(numbers).data.permute(0, 2, 3, 1).numpy()
""",
    "decord": """
from decord import VideoReader
def read(path, numbers):
    return VideoReader(path, num_threads=1).get_batch(numbers).asnumpy()
""",
    "PyAV, by time": """
import av, numpy
def read(path, numbers):
    found = []
    with av.open(path) as container:
        stream = container.streams.video[0]
        rate, unit, start = stream.average_rate, stream.time_base, stream.start_time or 0
        for number in numbers:
            time = start + round(number / rate / unit)
            container.seek(time, stream=stream)
            for frame in container.decode(stream):
                if frame.pts is not None and frame.pts >= time - round(0.5 / rate / unit):
                    break
            found.append(frame.to_ndarray(format="rgb24"))
    return numpy.stack(found)
""",
}
# Lines of JSON come in and go out; what libraries print goes to the other stream.
LOOP = """
import json, os, sys
out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
sys.path[:0] = json.loads(sys.argv[1])
exec(sys.argv[2])
from tests.data.bar_codes import numbers_of
print(json.dumps("ready"), file=out, flush=True)
for line in sys.stdin:
    path, numbers = json.loads(line)
    try:
        frames = read(path, numbers)
        step = frames.shape[1] // 120
        answer = numbers_of(frames[:, ::step, ::step][:, :120, :160])
    except BaseException as error:
        answer = (type(error).__name__ + ": " + str(error)).splitlines()[0][:80]
    print(json.dumps(answer), file=out, flush=True)
"""


class Reader:
    """A process that reads frames with one library, started anew when it has died or hangs."""

    def __init__(self, code: str, folders: list[str]) -> None:
        self.command = [sys.executable, "-c", LOOP, json.dumps(folders), code]
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> bool:
        """Return whether the library is there."""
        self.process = subprocess.Popen(
            self.command,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        return self._answer() == "ready"

    def ask(self, path: str, numbers: list[int]) -> list[int] | str:
        """Return the numbers of the frames that came, or what went wrong."""
        if self.process is None or self.process.poll() is not None:
            self.start()
        questions = cast("IO[str]", cast("subprocess.Popen[str]", self.process).stdin)
        print(json.dumps([path, numbers]), file=questions, flush=True)
        return self._answer()

    def _answer(self) -> list[int] | str:
        process = cast("subprocess.Popen[str]", self.process)
        answers = cast("IO[str]", process.stdout)
        if not select.select([answers], [], [], SECONDS)[0]:
            process.kill()
            process.wait()
            return "hangs"
        line = answers.readline()
        if not line:
            process.wait()
            return "crashes"
        return cast("list[int] | str", json.loads(line))


def held_by(path: Path) -> list[int]:
    """Return the numbers of the frames in a file, by decoding it from its start."""
    numbers: list[int] = []
    with av.open(str(path)) as container:
        stream = container.streams.best("video")
        assert stream is not None
        stream.thread_type = "NONE"
        try:
            for frame in container.decode(stream):
                numbers += numbers_of(frame.reformat(WIDTH, HEIGHT, "rgb24").to_ndarray()[None])
        except av.error.InvalidDataError:
            pass
    return numbers


def questions(count: int) -> list[list[int]]:
    """Return frames to ask for: all, the ends, stretches, single ones in any order."""
    rng = np.random.default_rng(0)
    asked = [list(range(count)), [count - 1], [0], [count // 2]]
    asked += [list(range(start, min(start + 8, count))) for start in rng.integers(0, count - 1, 3).tolist()]
    return asked + [sorted(rng.integers(0, count, 5).tolist()) for _ in range(2)]


def judge(reader: Reader, path: Path, held: list[int]) -> str:
    """Return "right", "wrong: ..." or "error: ..."."""
    wrong = total = 0
    for numbers in questions(len(held)):
        answer = reader.ask(str(path), numbers)
        if isinstance(answer, str):
            return f"error: {answer}"
        total += len(numbers)
        wrong += sum(came != held[number] for came, number in zip(answer, numbers, strict=True))
    return f"wrong: {wrong} of {total}" if wrong else "right"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--libraries", type=Path, nargs="*", default=[], help="folders of further packages")
    parser.add_argument("--only", default="", help="variants with this in their names")
    options = parser.parse_args()
    own = [str(ROOT), str(ROOT / "src")]
    readers = {}
    for name, code in READERS.items():
        reader = Reader(
            code, [*own, *map(str, options.libraries)] if name in ("torchcodec", "decord") else own
        )
        if reader.start():
            readers[name] = reader
        else:
            print(f"{name} does not work here")
    table: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, variant in VARIANTS.items():
            path = Path(folder) / variant.file
            if options.only not in name or not has_encoder(variant):
                continue
            try:
                write_variant(variant, path, texture(COUNT))
            except (subprocess.CalledProcessError, av.error.FFmpegError):
                continue  # This build of FFmpeg has an encoder or a container less.
            held = held_by(path)
            if variant.kept[1] < 1:
                del held[-1]  # cut in two with the file
            table[name] = {library: judge(reader, path, held) for library, reader in readers.items()}
            path.unlink()
            print(name, table[name], flush=True)
    totals = {library: Counter(row[library].split(":")[0] for row in table.values()) for library in readers}
    options.output.write_text(json.dumps({"totals": totals, "variants": table}, indent=1) + "\n")
    for library, counts in totals.items():
        print(f"{library:14} right {counts['right']}, some wrong {counts['wrong']}, errors {counts['error']}")


if __name__ == "__main__":
    main()
