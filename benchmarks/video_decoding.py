"""CPU time of a clip that is streamed from its file, beside another version, taking turns; the same bytes.

    git worktree add ../before dc354b3
    python benchmarks/video_decoding.py FOLDER --before ../before/src --output results.json

One clip of 16 frames of every video below FOLDER, at a place that follows from its name, is read with a short
side of 128 pixels, in turns of one video each: first one version, then the other, then the other way round.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, cast

from autodas.loop import environment

# Runs in a process of its own: a line with a path comes in, a line with what reading cost goes out.
READER = """
import json, sys, time, zlib
try:
    from autodas.data.frames._sources import VideoFiles
except ModuleNotFoundError:  # version 0.1.0
    from autodas.data._frames import VideoFiles

for line in sys.stdin:
    source, start = VideoFiles([line.rstrip("\\n")]), time.process_time()
    count = source.count(0)
    first = zlib.crc32(line.encode()) % max(1, count - 15)
    indexed = time.process_time()
    pixels = source.read(0, [min(first + i, count - 1) for i in range(16)], 128)
    done = time.process_time()
    print(json.dumps([indexed - start, done - indexed, zlib.crc32(pixels.tobytes()), count]), flush=True)
"""


def start(source: Path, cache: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": cache}
    return subprocess.Popen(
        [sys.executable, "-c", READER],
        text=True,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def ask(process: subprocess.Popen[str], path: Path) -> tuple[float, float, int, int]:
    questions, answers = cast("tuple[IO[str], IO[str]]", (process.stdin, process.stdout))
    questions.write(f"{path}\n")
    questions.flush()
    index, clip, checksum, count = json.loads(answers.readline())
    return index, clip, checksum, count


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--before", type=Path, required=True, help="the folder src of the other version")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    paths = sorted(
        path for path in options.folder.resolve().rglob("*") if path.suffix in (".mp4", ".avi", ".mkv")
    )
    cache = Path(tempfile.mkdtemp())
    sources = {"before": options.before.resolve(), "now": Path(__file__).resolve().parents[1] / "src"}
    processes = {name: start(source, str(cache)) for name, source in sources.items()}
    seconds: dict[str, list[float]] = {
        f"{name}, {part}": [] for name in sources for part in ("clip", "first index", "index")
    }
    different = []
    for process in processes.values():
        ask(process, paths[0])  # loads everything
    for turn in range(options.turns):
        for number, path in enumerate(paths):
            found = {}
            for name in sorted(sources, reverse=(turn + number) % 2 == 1):
                index, clip, *rest = ask(processes[name], path)
                seconds[f"{name}, clip"].append(clip)
                seconds[f"{name}, {'index' if turn else 'first index'}"].append(index)
                found[name] = rest
            if found["before"] != found["now"]:
                different.append(str(path.relative_to(options.folder.resolve())))
    for process in processes.values():
        process.communicate()
    shutil.rmtree(cache)
    milliseconds = {name: 1000 * statistics.mean(values) for name, values in seconds.items() if values}
    machine = environment()
    names = {str(options.folder): options.folder.name, str(options.before): "before/src"}
    facts = {
        "command": [names.get(word, word) for word in machine.pop("command")],
        "machine": machine,
        "videos": len(paths),
        "turns": options.turns,
        "cpu_milliseconds": milliseconds,
        "ratio": milliseconds["now, clip"] / milliseconds["before, clip"],
        "other_bytes": sorted(set(different)),
    }
    options.output.write_text(json.dumps(facts, indent=1) + "\n")
    for name, value in milliseconds.items():
        print(f"{value:8.2f} ms  {name}")
    print(f"{facts['ratio']:8.2f}     now / before; other bytes: {len(set(different))} of {len(paths)} clips")


if __name__ == "__main__":
    main()
