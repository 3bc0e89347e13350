"""Clips a second that the loader delivers, and that a search and a training of a small network use.

    python benchmarks/video_loading.py videofolder:PATH --output benchmarks/results/video_loading.json

Turns of everything follow each other, so that a machine that slows down slows all of them down; medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import torch

import autodas
from autodas.data import Loader
from autodas.networks import build
from autodas.spaces import get_space, random_cell
from autodas.supernet import CellMixture, Supernet


def clips_a_second(loader: Loader, batches: int) -> float:
    stream = loader.stream()
    next(stream)  # starts the workers
    start = time.monotonic()
    for _ in range(batches):
        next(stream)
    seconds = time.monotonic() - start
    stream.close()  # type: ignore[attr-defined]
    return batches * loader.batch_size / seconds


def compute(step: Callable[[], None], batch_size: int, repeats: int = 3) -> float:
    step()
    start = time.monotonic()
    for _ in range(repeats):
        step()
    return repeats * batch_size / (time.monotonic() - start)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--image_size", type=int, default=32)
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--batches", type=int, default=6)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    size, batch_size = options.image_size, options.batch_size
    with tempfile.TemporaryDirectory() as cache:
        stored = autodas.open_dataset(options.data, image_size=size, storage="cache", cache=cache)
        small = autodas.open_dataset(options.data, image_size=size, storage="compressed", cache=cache)
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
            "stream, in the process": loader(streamed, 0),
            "stream, 1 worker": loader(streamed, 1),
            "stream, 2 workers": loader(streamed, 2),
            "cache, in the process": loader(stored, 0),
            "cache, 1 worker": loader(stored, 1),
            "compressed, in the process": loader(small, 0),
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
        for _ in range(options.turns):
            for name, one in loaders.items():
                found.setdefault(name, []).append(clips_a_second(one, options.batches))
            found.setdefault("used by a training", []).append(compute(train, batch_size))
            found.setdefault("used by the first steps of a search", []).append(compute(search, batch_size))
    medians = {name: statistics.median(values) for name, values in found.items()}
    facts = {
        "image_size": size,
        "frames": 16,
        "batch_size": batch_size,
        "threads": options.threads,
        "clips_a_second": medians,
        "turns": found,
    }
    options.output.write_text(json.dumps(facts, indent=1) + "\n")
    for name, value in medians.items():
        print(f"{value:8.1f}  {name}")


if __name__ == "__main__":
    main()
