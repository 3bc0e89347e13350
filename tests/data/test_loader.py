from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import torch

from autodas.data import Augmentation, Batch, ImageDataset, Images, Loader, Part, normalise, open_dataset
from autodas.errors import AutodasError
from autodas.loop import micro_batches

FULL = Augmentation(crop_padding=2, flip=True, cutout=4, color_jitter=0.4)


def arrays(count: int = 23, size: int = 8, channels: int = 3) -> Images:
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (count, size, size, channels), dtype=np.uint8)
    return Images.from_arrays(pixels, np.arange(count) % 3)


def loader(images: Images, indices: np.ndarray | None = None, **options: object) -> Loader:
    defaults: dict[str, object] = {
        "batch_size": 5,
        "mean": (0.5,) * images.channels,
        "std": (0.25,) * images.channels,
        "image_size": images.image_size,
        "seed": 3,
        "shuffle": True,
        "augmentation": FULL,
    }
    return Loader(images, indices, **(defaults | options))  # type: ignore[arg-type]


def assert_equal(first: Iterable[Batch], second: Iterable[Batch]) -> None:
    for a, b in zip(first, second, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a[:3], b[:3], strict=True))
        assert a.share == b.share


def by_sample(batches: Iterable[Batch]) -> dict[int, torch.Tensor]:
    return {int(i): image for b in batches for i, image in zip(b.indices, b.images, strict=True)}


@pytest.fixture
def streamed(make_folder: Callable[..., Path]) -> ImageDataset:
    folder = make_folder(count=9, width=30, height=24)
    return open_dataset(f"imagefolder:{folder}", storage="stream", image_size=16)


def test_batches_hold_the_labels_and_pixels_of_their_samples() -> None:
    images = arrays()
    batches = list(loader(images, augmentation=None).batches(0))
    assert [len(b.labels) for b in batches] == [5, 5, 5, 5, 3]
    assert images.pixels is not None
    for batch in batches:
        assert torch.equal(batch.labels, torch.from_numpy(images.labels)[batch.indices])
        expected = normalise(images.pixels[batch.indices], (0.5,) * 3, (0.25,) * 3)
        assert torch.equal(batch.images, expected)
        assert batch.images.dtype == torch.float32
        assert batch.images.is_contiguous(memory_format=torch.channels_last)
        assert batch.labels.dtype == batch.indices.dtype == torch.int64
    plain = next(iter(loader(images, channels_last=False).batches(0)))
    assert plain.images.is_contiguous()


def test_order_follows_from_seed_and_epoch() -> None:
    images = arrays()

    def order(seed: int, epoch: int) -> list[int]:
        return torch.cat([b.indices for b in loader(images, seed=seed).batches(epoch)]).tolist()

    orders = [order(seed, epoch) for seed in (0, 1) for epoch in (0, 1, 2)]
    assert all(sorted(o) == list(range(23)) for o in orders)
    assert len({tuple(o) for o in orders}) == 6
    assert order(1, 2) == orders[5]
    chosen = np.array([4, 20, 7, 1])
    fixed = loader(images, chosen, shuffle=False)
    assert torch.cat([b.indices for b in fixed.batches(5)]).tolist() == chosen.tolist()


def test_augmentation_follows_from_seed_epoch_and_sample() -> None:
    images = arrays()
    reference = by_sample(loader(images).batches(4))
    others = by_sample(loader(images, batch_size=7, shuffle=False).batches(4))
    for index, image in others.items():
        assert torch.equal(image, reference[index])
    part = by_sample(loader(images, np.array([2, 9, 11])).batches(4))
    assert all(torch.equal(image, reference[index]) for index, image in part.items())
    for changed in (loader(images).batches(5), loader(images, seed=4).batches(4)):
        different = [not torch.equal(image, reference[i]) for i, image in by_sample(changed).items()]
        assert np.mean(different) > 0.9


@pytest.mark.slow
def test_the_generator_of_the_program_is_neither_used_nor_changed(streamed: ImageDataset) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = [*loader(arrays()).batches(0), *loader(streamed.train, workers=1).batches(0)]
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert_equal(first, [*loader(arrays()).batches(0), *loader(streamed.train).batches(0)])


@pytest.mark.parametrize("start", [0, 2, 4, 5])
def test_start_in_the_middle(start: int) -> None:
    make = loader(arrays())
    assert_equal(list(make.batches(1))[start:], make.batches(1, start))


@pytest.mark.parametrize("step", [0, 3, 5, 12])
def test_stream_is_the_epochs_one_after_the_other(step: int) -> None:
    make = loader(arrays())
    epochs = [b for epoch in range(5) for b in make.batches(epoch)]
    assert_equal(epochs[step : step + 7], itertools.islice(make.stream(step), 7))


def test_sizes() -> None:
    images = arrays(21)
    assert len(loader(images)) == len(list(loader(images).batches(0))) == 4
    evaluation = loader(images, shuffle=False)
    assert len(evaluation) == 5
    assert torch.cat([b.indices for b in evaluation.batches(0)]).tolist() == list(range(21))
    small = loader(images, np.arange(3), batch_size=256)
    assert small.batch_size == 3
    assert len(small) == 1
    single = loader(images, np.array([7]), batch_size=256)
    assert [b.indices.tolist() for b in single.batches(0)] == [[7]]
    assert [b.indices.tolist() for b in itertools.islice(single.stream(), 2)] == [[7], [7]]


@pytest.mark.slow
@pytest.mark.parametrize(
    "augmentation",
    [None, FULL, Augmentation(random_resized_crop=True, flip=True)],
    ids=["none", "crop", "resized"],
)
def test_workers_make_no_difference(streamed: ImageDataset, augmentation: Augmentation | None) -> None:
    options = {"augmentation": augmentation, "batch_size": 4}
    alone = loader(streamed.train, **options)
    for workers in (1, 2):
        several = loader(streamed.train, workers=workers, **options)
        for start in (0, 1):
            assert_equal(alone.batches(2, start), several.batches(2, start))
        # Left early, begun again, and two at once.
        for batch in several.batches(0):
            assert len(batch.labels) == 4
            break
        outer = several.batches(1)
        first = next(outer)
        assert_equal(alone.batches(0), several.batches(0))
        assert_equal(alone.batches(1), [first, *outer])
        assert_equal(itertools.islice(alone.stream(1), 9), itertools.islice(several.stream(1), 9))


@pytest.mark.slow
def test_workers_stop_at_once(streamed: ImageDataset) -> None:
    make = loader(streamed.train, workers=2, batch_size=2)
    stream = make.stream()
    next(stream)
    started = time.monotonic()
    del stream, make
    gc.collect()
    assert time.monotonic() - started < 10


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("augmentation", [None, Augmentation(crop_padding=2, flip=True, cutout=4)])
def test_cuda_gives_the_same_batches(streamed: ImageDataset, augmentation: Augmentation | None) -> None:
    for images in (arrays(), streamed.train):
        expected = loader(images, augmentation=augmentation).batches(3)
        found = list(loader(images, augmentation=augmentation, device="cuda", workers=1).batches(3))
        assert all(b.images.is_cuda and b.labels.is_cuda and b.indices.is_cuda for b in found)
        for a, b in zip(expected, found, strict=True):
            torch.testing.assert_close(a.images, b.images.cpu(), atol=1e-6, rtol=1e-6)
            assert torch.equal(a.labels, b.labels.cpu())
            assert torch.equal(a.indices, b.indices.cpu())


@pytest.mark.slow
def test_one_pool_for_all_loaders_and_epochs(streamed: ImageDataset) -> None:
    makes = [loader(streamed.train, workers=2, batch_size=4), loader(streamed.test, workers=2, shuffle=False)]
    assert len(list(itertools.islice(makes[0].stream(), 3 * len(makes[0])))) == 3 * len(makes[0])
    for epoch in range(2):
        for make in makes:
            assert len(list(make.batches(epoch))) == len(make)
    assert makes[0]._workers is makes[1]._workers is not None


@pytest.mark.parametrize("augmentation", [None, FULL], ids=["none", "crop"])
def test_memory_and_files_give_the_same(
    make_folder: Callable[..., Path], augmentation: Augmentation | None
) -> None:
    name = f"imagefolder:{make_folder(count=9, width=30, height=24)}"
    batches = [
        loader(open_dataset(name, storage=storage, image_size=16).train, augmentation=augmentation).batches(1)
        for storage in ("memory", "stream")
    ]
    assert_equal(*batches)


@pytest.mark.slow
def test_large_images_are_evaluated_equally_from_memory_and_files(make_folder: Callable[..., Path]) -> None:
    name = f"imagefolder:{make_folder(count=5, width=151, height=180)}"
    in_memory, from_files = (open_dataset(name, storage=s, image_size=128) for s in ("memory", "stream"))
    for split in ("train", "test"):
        assert_equal(
            *(
                loader(getattr(data, split), augmentation=None, shuffle=False).batches(0)
                for data in (in_memory, from_files)
            )
        )
    crops = loader(in_memory.train, augmentation=in_memory.default_augmentation)
    assert next(iter(crops.batches(0))).images.shape == (5, 3, 128, 128)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.slow
def test_files_that_break_later(streamed: ImageDataset, workers: int) -> None:
    paths = streamed.train.paths
    assert paths is not None
    good = by_sample(loader(streamed.train, augmentation=None).batches(0))
    Path(paths[3]).write_bytes(b"broken")
    training = loader(streamed.train, augmentation=None, workers=workers)
    seen = list(training.batches(0))
    samples = torch.cat([b.indices for b in seen]).tolist()
    assert sorted(samples) == sorted([i for i in range(len(paths)) if i != 3] + [4])
    for batch in seen:
        assert torch.equal(batch.labels, torch.from_numpy(streamed.train.labels)[batch.indices])
        assert all(torch.equal(x, good[int(i)]) for x, i in zip(batch.images, batch.indices, strict=True))
    assert training.bad == (f"{paths[3]}: not an image file",)
    # A substitute is one of the loader's own samples, never one that is held out.
    half = loader(streamed.train, np.array([0, 3]), augmentation=None, workers=workers)
    assert [sorted(b.indices.tolist()) for b in half.batches(0)] == [[0, 0]]
    evaluation = loader(streamed.train, augmentation=None, shuffle=False, batch_size=1, workers=workers)
    assert torch.cat([b.indices for b in evaluation.batches(0)]).tolist() == [
        i for i in range(len(paths)) if i != 3
    ]
    Path(paths[5]).write_bytes(b"broken")
    message = "2 more images cannot be read, 1 are allowed .*max_bad"
    with pytest.raises(AutodasError, match=message) as caught:
        list(loader(streamed.train, workers=workers).batches(0))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"indices": np.array([], dtype=int)}, "there are no images to load"),
        ({"indices": np.array([99])}, "sample numbers out of range: the split has 23 images"),
        ({"batch_size": 0}, "batch_size, views and crops must be at least 1"),
        ({"image_size": 16}, "opened for images of 8 pixels, 16 are requested: open it with image_size=16"),
    ],
)
def test_errors(options: dict[str, object], message: str) -> None:
    with pytest.raises(AutodasError, match=message):
        loader(arrays(), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("of", [2, 3, 4])
@pytest.mark.parametrize("streaming", [False, True])
def test_parts_together_are_the_batches(of: int, streaming: bool, streamed: ImageDataset) -> None:
    """Order and augmentation do not depend on the number of processes; nor does where a run begins."""
    images = streamed.train if streaming else arrays()
    whole = list(itertools.islice(loader(images).stream(1), 7))
    parts = [itertools.islice(loader(images, part=Part(number, of)).stream(1), 7) for number in range(of)]
    for batch, *own in zip(whole, *parts, strict=True):
        held = [part for part in own if part.share > 0]
        # Two samples for each at least, as for micro-batches.
        assert [len(part.labels) for part in held] == [
            len(part.labels) for part in micro_batches(batch.images, batch.labels, of)
        ]
        assert [part.share for part in held] == [len(part.labels) / len(batch.labels) for part in held]
        for name in ("images", "labels", "indices"):
            assert torch.equal(torch.cat([getattr(part, name) for part in held]), getattr(batch, name))
        for idle in own[len(held) :]:
            assert torch.equal(idle.images, held[0].images)
    assert streaming or {len(batch.labels) for batch in whole} == {5, 3}, "of three, two have no part"


@pytest.mark.parametrize("streaming", [False, True])
def test_processes_evaluate_in_turn(streaming: bool, streamed: ImageDataset) -> None:
    images = streamed.train if streaming else arrays(size=16)
    options: dict[str, object] = {"shuffle": False, "augmentation": None, "batch_size": 3}
    whole = loader(images, **options)
    own = [loader(images, part=Part(number, 2), **options) for number in range(2)]
    assert [each.shared for each in (whole, *own)] == [False, True, True]
    assert [len(each) for each in own] == [len(whole)] * 2
    shared = [list(each.batches(0)) for each in own]
    assert_equal(whole.batches(0), (shared[i % 2][i // 2] for i in range(len(whole))))
