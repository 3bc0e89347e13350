from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autodas.data import Augmentation, dataset_names, open_dataset
from autodas.errors import AutodasError

TRAIN_SHA256 = "47af8b02cfcfb6cdf3dbbd1969ad7f1b70f4413f6f80f437b020ee4e5bc8304a"
TEST_SHA256 = "f9b1e2130bab680db56eb06d886f7f1ad0f1183907ceff4659d1735c890f5b04"


@pytest.mark.slow
def test_import_is_light() -> None:
    code = (
        "import sys, autodas.data; "
        "print([m for m in ('sklearn', 'pyarrow', 'PIL', 'datasets') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_digits() -> None:
    from sklearn.datasets import load_digits

    data = open_dataset("digits")
    assert (len(data.train), len(data.test)) == (1437, 360)
    assert (data.channels, data.image_size, data.classes) == (1, 8, tuple("0123456789"))
    assert data.default_augmentation == Augmentation(crop_padding=1)
    assert data.train.pixels is not None
    assert data.test.pixels is not None
    assert tuple(data.train.pixels.shape) == (1437, 1, 8, 8)
    # Together the splits are the original, scaled to 0..255.
    digits = load_digits()
    original = {
        (np.rint(i * 255 / 16).astype(np.uint8).tobytes(), int(t))
        for i, t in zip(digits.images, digits.target, strict=True)
    }
    found = {
        (pixels.numpy().tobytes(), int(label))
        for split in (data.train, data.test)
        for pixels, label in zip(split.pixels, split.labels, strict=True)  # type: ignore[arg-type]
    }
    assert found == original
    counts = np.bincount(data.test.labels)
    assert counts.min() >= 34
    assert counts.max() <= 37
    values = data.train.pixels.double() / 255
    assert data.mean == pytest.approx((float(values.mean()),))
    assert data.std == pytest.approx((float(values.std(correction=0)),))
    # The split does not move with the seed.
    assert np.array_equal(open_dataset("digits", seed=7).test.labels, data.test.labels)
    assert data.train.read(3).shape == (8, 8, 1)
    assert data.train.paths is None


def test_subset_and_image_size() -> None:
    data = open_dataset("digits", subset=50, image_size=32)
    assert np.bincount(data.train.labels).tolist() == [5] * 10
    assert len(data.test) == 360
    assert data.train.pixels is not None
    assert tuple(data.train.pixels.shape) == (50, 1, 32, 32)
    other = open_dataset("digits", subset=50, seed=1)
    same = open_dataset("digits", subset=50, seed=1)
    assert np.array_equal(other.train.pixels, same.train.pixels)  # type: ignore[arg-type]
    with pytest.raises(
        AutodasError, match=r"a subset of 19 images is too small: 10 classes need at least 20"
    ):
        open_dataset("digits", subset=19)


@pytest.mark.slow
def test_cifar10_parquet(shared: Path) -> None:
    data = open_dataset(f"cifar10:{shared / 'cifar10'}")
    for split, expected in ((data.train, TRAIN_SHA256), (data.test, TEST_SHA256)):
        assert split.pixels is not None
        rows = split.pixels.permute(0, 2, 3, 1).contiguous().numpy()
        assert hashlib.sha256(rows.tobytes()).hexdigest() == expected
    assert np.bincount(data.train.labels).tolist() == [5000] * 10
    assert data.mean == pytest.approx((0.49140, 0.48216, 0.44653), abs=5e-6)
    assert data.std == pytest.approx((0.24703, 0.24349, 0.26159), abs=5e-6)


@pytest.mark.slow
def test_cifar10_subset(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTODAS_DATA", str(shared))
    data = open_dataset("cifar10", subset=100, storage="stream")
    assert data.classes[0] == "airplane"
    assert data.classes[9] == "truck"
    assert (data.channels, data.image_size, len(data.train), len(data.test)) == (3, 32, 100, 10_000)
    assert data.default_augmentation == Augmentation(crop_padding=4, flip=True)
    assert data.train.read(0).shape == (32, 32, 3)
    assert data.test.describe(3).endswith(".webp)")
    with pytest.raises(AutodasError, match="not cifar100: it has 10 classes, 100 are expected"):
        open_dataset(f"cifar100:{shared / 'cifar10'}")


def write_batches(folder: Path, protocol: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Write CIFAR-10 in the official format, 4 images a file; return pixels (N, 32, 32, 3) and labels."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (24, 3072), dtype=np.uint8)
    labels = np.arange(24) % 10
    for i, name in enumerate([*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]):
        rows = slice(4 * i, 4 * i + 4)
        batch = {b"data": pixels[rows], b"labels": labels[rows].tolist(), b"batch_label": b"of six"}
        (folder / name).write_bytes(pickle.dumps(batch, protocol))
    meta = {b"label_names": [f"class{k}".encode() for k in range(10)], b"num_vis": 3072}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol))
    return pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels


@pytest.mark.parametrize("inner", [True, False])
def test_cifar10_official_batches(tmp_path: Path, inner: bool) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    pixels, labels = write_batches(folder)
    data = open_dataset(f"cifar10:{tmp_path if inner else folder}")
    assert data.classes[3] == "class3"
    for split, rows in ((data.train, slice(0, 20)), (data.test, slice(20, 24))):
        assert split.pixels is not None
        np.testing.assert_array_equal(split.pixels.permute(0, 2, 3, 1).numpy(), pixels[rows])
        np.testing.assert_array_equal(split.labels, labels[rows])


def test_cifar100_official_files(tmp_path: Path) -> None:
    for name in ("train", "test"):
        batch = {b"data": np.zeros((200, 3072), np.uint8), b"fine_labels": list(range(100)) * 2}
        (tmp_path / name).write_bytes(pickle.dumps(batch, 2))
    meta = {b"fine_label_names": [f"f{k}".encode() for k in range(100)]}
    (tmp_path / "meta").write_bytes(pickle.dumps(meta, 2))
    data = open_dataset(f"cifar100:{tmp_path}")
    assert len(data.classes) == 100
    # A constant channel is left as it is.
    assert data.std == (1.0, 1.0, 1.0)


def test_malformed_batches(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    write_batches(folder)
    (folder / "data_batch_2").write_bytes(pickle.dumps({b"data": b"", b"labels": [1]}, 2))
    with pytest.raises(AutodasError, match=r"data_batch_2: not a batch of cifar10: uint8 'data' \(N, 3072\)"):
        open_dataset(f"cifar10:{folder}")
    (folder / "data_batch_2").unlink()
    with pytest.raises(AutodasError, match=r"neither \*.parquet files nor .* \(missing: data_batch_2\)"):
        open_dataset(f"cifar10:{folder}")
    archive = tmp_path / "cifar-10-python.tar.gz"
    archive.write_bytes(b"")
    with pytest.raises(AutodasError, match="is a file: unpack it"):
        open_dataset(f"cifar10:{archive}")


def test_a_batch_with_a_label_out_of_range(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    write_batches(folder)
    batch = {b"data": np.zeros((4, 3072), np.uint8), b"labels": [0, 1, 2, 10]}
    (folder / "test_batch").write_bytes(pickle.dumps(batch, 2))
    with pytest.raises(AutodasError, match=r"labels out of range: 10 in the test images, .* 0\.\.9"):
        open_dataset(f"cifar10:{folder}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("digit", "unknown data set 'digit'; did you mean 'digits'"),
        ("imagefoldr:x", "unknown data set 'imagefoldr'; did you mean 'imagefolder'"),
        ("digits:here", "data set 'digits' takes no path"),
        ("imagefolder:", "data set 'imagefolder' needs a path: write imagefolder:PATH"),
        ("imagefolder:/no/such/folder", "/no/such/folder: no such file or folder"),
        ("parquet:/no/such/folder", "/no/such/folder: no such file or folder"),
        ("cifar10:/no/such/folder", "/no/such/folder: no such file or folder"),
        ("hf:", "data set 'hf' needs a name"),
        ("python:module", "write package.module:name"),
    ],
)
def test_names(name: str, message: str) -> None:
    with pytest.raises(AutodasError, match=message) as caught:
        open_dataset(name)
    assert "\n" not in str(caught.value)


def test_cifar_in_no_usual_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUTODAS_DATA", str(tmp_path / "sets"))
    with pytest.raises(
        AutodasError, match=r"'cifar10' is not in .*sets/cifar10 and data/cifar10: write cifar10:PATH"
    ):
        open_dataset("cifar10")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"storage": "memry"}, "unknown storage 'memry'; did you mean 'memory'"),
        ({"image_size": 2}, "image_size must be between 4 and 2048 pixels, found 2"),
        ({"max_bad": 2.0}, "max_bad must be between 0 and 1"),
    ],
)
def test_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(AutodasError, match=message):
        open_dataset("digits", **options)  # type: ignore[arg-type]


def test_list() -> None:
    names = dataset_names()
    assert [entry["name"] for entry in names] == [
        "digits",
        "cifar10",
        "cifar100",
        "imagefolder",
        "imagelist",
        "parquet",
        "python",
        "market1501",
        "moving-digits",
        "videofolder",
        "videolist",
        "ucf101",
        "hmdb51",
        "kinetics400",
        "kinetics10",
        "hf",
    ]
    assert all(set(entry) == {"name", "what", "how"} for entry in names)


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(AutodasError, match=r"'datasets' is not installed: install autodas\[hf\]"):
        open_dataset("hf:ylecun/mnist")
