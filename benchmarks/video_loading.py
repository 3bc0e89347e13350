"""Clips a second that the loader delivers, and that a search and a training of a small network use.

    python benchmarks/video_loading.py videofolder:PATH --output benchmarks/results/video_loading.json

Turns of everything follow each other, so that a machine that slows down slows all of them down; medians.
Ratios to streaming in the process are taken within a turn.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from random import Random

import torch

import autodas
from autodas.data import Loader, store_folders
from autodas.data.frames import _decode as decode
from autodas.data.frames._open import Video, opened
from autodas.loop import environment
from autodas.networks import build
from autodas.spaces import get_space, random_cell
from autodas.supernet import CellMixture, Supernet

BASE = "stream, in the process"


def speed_of(loader: Loader, batches: int, seconds: float) -> tuple[float, float]:
    """Return clips a second, and CPU milliseconds of this process a clip.

    Args:
        loader: loader to measure.
        batches, seconds: batches and seconds of the measurement, at least.
    """
    stream = loader.stream()
    next(stream)  # starts the workers
    start, cpu, count = time.monotonic(), time.process_time(), 0
    while count < batches or time.monotonic() - start < seconds:
        next(stream)
        count += 1
    spent, cpu = time.monotonic() - start, time.process_time() - cpu
    stream.close()  # type: ignore[attr-defined]
    clips = count * loader.batch_size
    return clips / spent, 1000 * cpu / clips


@contextmanager
def decoder_threads(kind: str) -> Iterator[None]:
    """Let FFmpeg decode with two threads: each its own frames, or its own slices of every frame."""

    @contextmanager
    def with_threads(path: str, strict: bool = False) -> Iterator[Video]:
        with opened(path, strict) as video:
            video.stream.codec_context.thread_count = 2
            video.stream.codec_context.thread_type = kind
            yield video

    decode.opened = with_threads
    try:
        yield
    finally:
        decode.opened = opened


def compute(step: Callable[[], None], batch_size: int, repeats: int = 2) -> float:
    """Return the clips a second that a step uses."""
    step()
    start = time.monotonic()
    for _ in range(repeats):
        step()
    return repeats * batch_size / (time.monotonic() - start)


def main() -> None:
    """Measure all loaders and both steps."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--image_size", type=int, default=32)
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--batches", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=1.0, help="least seconds of each measurement")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    size, batch_size = options.image_size, options.batch_size
    with tempfile.TemporaryDirectory() as cache:
        stored = autodas.open_dataset(options.data, image_size=size, storage="cache", cache=cache)
        small = autodas.open_dataset(options.data, image_size=size, storage="compressed", cache=cache)
        raw, jpeg = sorted((store.bytes for store in store_folders(Path(cache))), reverse=True)
        streamed = autodas.open_dataset(options.data, image_size=size, storage="stream")

        def loader(data: autodas.ImageDataset, workers: int) -> Loader:
            return Loader(
                data.train,
                None,
                batch_size=batch_size,
                mean=data.mean,
                std=data.std,
                image_size=size,
                seed=0,
                shuffle=True,
                augmentation=data.default_augmentation,
                workers=workers,
            )

        loaders = {
            BASE: loader(streamed, 0),
            **{f"stream, {kind.lower()} threads": loader(streamed, 0) for kind in ("FRAME", "SLICE")},
            "stream, 1 worker": loader(streamed, 1),
            "stream, 2 workers": loader(streamed, 2),
            "compressed, in the process": loader(small, 0),
            "compressed, 1 worker": loader(small, 1),
            "compressed, 2 workers": loader(small, 2),
            "cache, in the process": loader(stored, 0),
            "cache, 1 worker": loader(stored, 1),
        }
        batch = next(loader(stored, 0).batches(0))
        space = get_space("video-oadv").with_size(1, 8, 32)
        cells = {kind: random_cell(space.cell, Random(0)) for kind in space.kinds}
        genotype = autodas.Genotype(cells, space=space.cell.name)
        network = build(genotype, space.skeleton, classes=len(stored.classes)).train()
        network.use_compiled_kernels()
        supernet = Supernet(space, classes=len(stored.classes), engine="fused").train()
        shape = (len(space.cell.edges), len(space.cell.operations))
        mixture = {
            kind: CellMixture(torch.full(shape, 1 / shape[1]), torch.ones(shape, dtype=torch.bool))
            for kind in space.kinds
        }

        def train() -> None:
            torch.nn.functional.cross_entropy(network(batch.images), batch.labels).backward()

        def search() -> None:
            torch.nn.functional.cross_entropy(supernet(batch.images, mixture), batch.labels).backward()

        found: dict[str, list[float]] = {}
        cpu: dict[str, list[float]] = {}
        for _ in range(options.turns):
            for name, one in loaders.items():
                kind = name.removeprefix("stream, ").removesuffix(" threads").upper()
                with decoder_threads(kind) if "threads" in name else nullcontext():
                    speed, milliseconds = speed_of(one, options.batches, options.seconds)
                found.setdefault(name, []).append(speed)
                if "worker" not in name:
                    cpu.setdefault(name, []).append(milliseconds)
            found.setdefault("used by a training", []).append(compute(train, batch_size))
            found.setdefault("used by the first steps of a search", []).append(compute(search, batch_size))
    medians = {name: statistics.median(values) for name, values in found.items()}
    ratios = {
        name: statistics.median(value / base for value, base in zip(values, found[BASE], strict=True))
        for name, values in found.items()
    }
    kind, _, path = options.data.partition(":")
    machine = environment()
    facts = {
        "command": [f"{kind}:{Path(path).name}" if w == options.data else w for w in machine.pop("command")],
        "machine": machine,
        "image_size": size,
        "frames": 16,
        "batch_size": batch_size,
        "threads": options.threads,
        "bytes": {"cache": raw, "compressed": jpeg},
        "clips_a_second": medians,
        "of_streaming": ratios,
        "cpu_milliseconds_a_clip": {name: statistics.median(values) for name, values in cpu.items()},
        "turns": found,
    }
    options.output.write_text(json.dumps(facts, indent=1) + "\n")
    for name, value in medians.items():
        print(f"{value:8.1f} {ratios[name]:8.2f}  {name}")


if __name__ == "__main__":
    main()
