"""Orders of samples in an epoch: balanced classes, and repetitions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import binom

from autodas.data import Augmentation, Images, Loader, Part, balanced, open_dataset
from autodas.data.batches._samplers import each_once, repeats

LABELS = np.repeat([4, 0, 7], [90, 9, 1])


def loader(split: Images, **options: object) -> Loader:
    defaults: dict[str, object] = {
        "batch_size": 8,
        "mean": (0.5,) * split.channels,
        "std": (0.25,) * split.channels,
        "image_size": split.image_size,
        "seed": 3,
        "shuffle": True,
        "augmentation": Augmentation(crop_padding=2),
        "sampler": balanced,
    }
    return Loader(split, None, **(defaults | options))  # type: ignore[arg-type]


def images() -> Images:
    pixels = np.random.default_rng(0).integers(0, 256, (100, 8, 8, 1), dtype=np.uint8)
    return Images.from_arrays(pixels, LABELS)


def test_classes_are_drawn_equally_often() -> None:
    drawn = np.concatenate([balanced(LABELS, 0, epoch).numpy() for epoch in range(60)])
    assert len(drawn) == 60 * len(LABELS)
    for label in (0, 4, 7):
        count = int((LABELS[drawn] == label).sum())
        low, high = binom.interval(1 - 1e-6, len(drawn), 1 / 3)
        assert low <= count <= high
    # Within a class, each sample equally often: nine of them share a third.
    counts = np.bincount(drawn, minlength=100)[90:99]
    low, high = binom.interval(1 - 1e-6, len(drawn), 1 / 27)
    assert ((low <= counts) & (counts <= high)).all()


def test_the_order_follows_from_seed_and_epoch() -> None:
    first = balanced(LABELS, 5, 2)
    assert torch.equal(first, balanced(LABELS, 5, 2))
    assert not torch.equal(first, balanced(LABELS, 5, 3))
    assert not torch.equal(first, balanced(LABELS, 6, 2))
    assert sorted(each_once(LABELS, 5, 2).tolist()) == list(range(100))


def test_repetitions_are_counted() -> None:
    assert repeats(torch.tensor([3, 1, 3, 3, 0, 1])).tolist() == [0, 0, 1, 2, 0, 1]
    assert repeats(each_once(LABELS, 0, 0)).sum() == 0


def test_a_repeated_sample_is_augmented_anew() -> None:
    split = images()
    batches = list(loader(split, batch_size=100).batches(0))
    (of_rare,) = [batch.images[batch.indices == 99] for batch in batches]
    assert len(of_rare) > 20
    assert len({image.numpy().tobytes() for image in of_rare}) > 15
    assert all((split.labels[b.indices.numpy()] == b.labels.numpy()).all() for b in batches)


def test_any_start_and_the_parts_of_processes() -> None:
    split = images()
    whole = [batch for epoch in range(2) for batch in loader(split).batches(epoch)]
    resumed = loader(split).stream(5)
    for batch in whole[5:]:
        again = next(resumed)
        assert torch.equal(batch.images, again.images)
        assert torch.equal(batch.indices, again.indices)
    parts = [loader(split, part=Part(number, 2)).batches(0) for number in range(2)]
    for batch, *own in zip(whole, *parts, strict=False):
        assert torch.equal(batch.images, torch.cat([part.images for part in own]))


@pytest.mark.parametrize("workers", [0, 2])
def test_files_are_read_as_samples_in_memory(make_folder: Callable[..., Path], workers: int) -> None:
    folder = make_folder(count=9, width=16, height=16)
    wanted, found = (
        open_dataset(f"imagefolder:{folder}", storage=storage, image_size=16)
        for storage in ("memory", "stream")
    )
    for a, b in zip(
        loader(wanted.train).batches(1), loader(found.train, workers=workers).batches(1), strict=True
    ):
        assert torch.equal(a.images, b.images)
        assert torch.equal(a.labels, b.labels)
        assert torch.equal(a.indices, b.indices)
