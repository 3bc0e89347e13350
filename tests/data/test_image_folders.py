from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from autodas.data import Augmentation, check_dataset, open_dataset, open_test_set, read_image
from autodas.data.pixels._views import evaluation_view, stored_size
from autodas.errors import AutodasError

Maker = Callable[..., Path]
Picture = Callable[..., Image.Image]


def test_one_folder_is_split(make_folder: Maker) -> None:
    data = open_dataset(f"imagefolder:{make_folder(count=10)}")
    assert data.classes == ("cat", "dog")
    assert (len(data.train) + len(data.test), data.image_size, data.channels) == (20, 20, 3)
    assert (np.bincount(data.train.labels) >= 2).all()
    assert (np.bincount(data.test.labels) >= 1).all()
    assert data.default_augmentation == Augmentation(crop_padding=2, flip=True)
    assert data.train.paths is not None
    assert data.test.paths is not None
    assert not set(data.train.paths) & set(data.test.paths)
    for split in (data.train, data.test):
        for i, path in enumerate(split.paths):  # type: ignore[arg-type]
            assert Path(path).parent.name == data.classes[split.labels[i]]
            pixels = np.asarray(Image.open(path))
            np.testing.assert_array_equal(split.read(i), pixels)
            np.testing.assert_array_equal(split.pixels[i].permute(1, 2, 0).numpy(), pixels)  # type: ignore[index]


@pytest.mark.parametrize("test", ["test", "val"])
def test_folders_of_splits(make_folder: Maker, test: str) -> None:
    root = make_folder("set/train").parent
    make_folder(f"set/{test}", count=3, width=21)
    data = open_dataset(f"imagefolder:{root}")
    assert (len(data.train), len(data.test)) == (10, 6)
    assert data.notes == ("fewer than 10 training images in 2 of 2 classes: cat, dog",)


def test_a_class_that_is_called_train(make_folder: Maker) -> None:
    data = open_dataset(f"imagefolder:{make_folder(classes=('plane', 'train'))}")
    assert data.classes == ("plane", "train")


@pytest.mark.parametrize(
    ("splits", "bare"),
    [
        (("test", "train"), "test and train"),
        (("Training", "val", "extra"), "Training and val"),
        (("test", "val"), "test and val"),
    ],
)
def test_splits_without_class_folders(make_folder: Maker, splits: tuple[str, ...], bare: str) -> None:
    root = make_folder(classes=splits)
    message = (
        f"{bare} are splits by their names, but there are no class folders in {bare}: move the images of"
    )
    for opened in (lambda name: open_dataset(name), lambda name: open_test_set(name, ("a", "b"))):
        with pytest.raises(AutodasError, match=message):
            opened(f"imagefolder:{root}")


def test_one_split_without_class_folders(make_folder: Maker, tmp_path: Path) -> None:
    make_folder("images/test")
    make_folder(classes=("train",))
    with pytest.raises(AutodasError, match=r"no class folders in train: .*images/train/CLASS"):
        open_dataset(f"imagefolder:{tmp_path / 'images'}")


def test_notes(make_folder: Maker) -> None:
    root = make_folder("set/train").parent
    assert "it is split about 80/20" in open_dataset(f"imagefolder:{root}").notes[0]
    make_folder("set/test")
    make_folder("set/val")
    assert "val is not used" in open_dataset(f"imagefolder:{root}").notes[0]


@pytest.mark.slow
def test_image_size(make_folder: Maker) -> None:
    mixed = make_folder("mixed", width=150, height=103)
    assert open_dataset(f"imagefolder:{mixed}").image_size == 96
    assert open_dataset(f"imagefolder:{make_folder('square', width=64, height=64)}").image_size == 64
    large = open_dataset(f"imagefolder:{make_folder('large', width=260, height=300)}")
    assert large.image_size == 224
    assert large.default_augmentation == Augmentation(random_resized_crop=True, flip=True)
    assert open_dataset(f"imagefolder:{mixed}", image_size=32).image_size == 32


def test_evaluation_view(picture: Picture) -> None:
    # Short side to 256, centre 224.
    image = picture(0, 512, 300)
    view = evaluation_view(image, 224).astype(int)
    width = round(512 * 256 / 300)
    resized = image.resize((width, 256), Image.Resampling.BILINEAR)
    left, top = (width - 224) // 2, 16
    expected = np.asarray(resized.crop((left, top, left + 224, top + 224))).astype(int)
    assert abs(view - expected).mean() < 1.5
    assert [stored_size(s) for s in (32, 127, 128, 160, 224)] == [32, 127, 146, 182, 256]
    banner = Image.new("RGB", (200_000, 4))
    assert evaluation_view(banner, 32).shape == (32, 32, 3)


def test_kinds_of_images(tmp_path: Path, make_folder: Maker, picture: Picture) -> None:
    root = make_folder(count=4)
    picture(1, mode="L").save(root / "cat" / "grey.png")
    transparent = picture(2).convert("RGBA")
    transparent.putpixel((0, 0), (10, 20, 30, 0))
    transparent.putpixel((1, 0), (100, 0, 0, 128))
    transparent.save(root / "cat" / "rgba.png")
    picture(3).convert("P").save(root / "cat" / "palette.png")
    wide = np.full((20, 20), 0xAB00, np.uint16)
    Image.fromarray(wide).save(root / "cat" / "sixteen.png")
    turned = picture(4)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(root / "cat" / "turned.png", exif=exif)
    (root / "cat" / "notes.txt").write_text("not an image")
    data = open_dataset(f"imagefolder:{root}", value_range=(0, 65535))
    assert data.channels == 3
    assert data.bad == ()
    view = {
        name: read_image(root / "cat" / f"{name}.png", channels=3, image_size=20, value_range=(0, 65535))
        .permute(1, 2, 0)
        .numpy()
        for name in ("grey", "rgba", "sixteen", "turned")
    }
    assert (view["grey"] == view["grey"][:, :, :1]).all()
    assert view["rgba"][0, 0].tolist() == [255, 255, 255]
    np.testing.assert_allclose(view["rgba"][0, 1], [177, 127, 127], atol=1)
    np.testing.assert_allclose(view["sixteen"], 0xAB00 / 0xFFFF * 255, rtol=1e-6)
    np.testing.assert_array_equal(view["turned"], np.rot90(np.asarray(picture(4)), -1))


def test_grey_images_have_one_channel(make_folder: Maker) -> None:
    data = open_dataset(f"imagefolder:{make_folder(mode='L')}")
    assert data.channels == 1
    assert len(data.mean) == 1
    assert data.train.pixels is not None
    assert tuple(data.train.pixels.shape) == (8, 1, 20, 20)


def break_file(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["memory", "stream"])
def test_bad_files(make_folder: Maker, storage: str) -> None:
    root = make_folder(count=40)
    (root / "cat" / "003.png").write_bytes(b"nonsense")
    data = open_dataset(f"imagefolder:{root}", storage=storage)
    assert data.bad == (f"{root / 'cat' / '003.png'}: not an image file",)
    assert len(data.train) + len(data.test) == 79
    (root / "dog" / "001.png").write_bytes(b"")
    with pytest.raises(
        AutodasError, match=r"2 of 80 images cannot be read, 1 are allowed .*max_bad=0\.03"
    ) as caught:
        open_dataset(f"imagefolder:{root}", storage=storage)
    assert "003.png" in str(caught.value)
    assert "001.png" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(open_dataset(f"imagefolder:{root}", storage=storage, max_bad=0.03).bad) == 2
    with pytest.raises(AutodasError, match="0 are allowed"):
        open_dataset(f"imagefolder:{root}", storage=storage, max_bad=0)


def test_truncated_files_are_found_when_decoded(make_folder: Maker) -> None:
    root = make_folder(count=6)
    break_file(root / "cat" / "002.png")
    data = open_dataset(f"imagefolder:{root}")
    assert len(data.bad) == 1
    assert "002.png" in data.bad[0]
    assert data.train.paths is not None
    assert data.train.pixels is not None
    assert len(data.train) == len(data.train.paths) == len(data.train.pixels) == 12 - len(data.test) - 1
    for i, path in enumerate(data.train.paths):
        expected = torch.from_numpy(np.asarray(Image.open(path)).copy()).permute(2, 0, 1)
        assert torch.equal(data.train.pixels[i], expected)


def test_read_image_errors(tmp_path: Path) -> None:
    with pytest.raises(AutodasError, match=r"missing.png: no such file"):
        read_image(tmp_path / "missing.png", channels=3, image_size=8)
    (tmp_path / "text.png").write_text("text")
    with pytest.raises(AutodasError, match=r"text.png: cannot be read as an image \(not an image file\)"):
        read_image(tmp_path / "text.png", channels=3, image_size=8)


@pytest.mark.slow
def test_folder_errors(make_folder: Maker, tmp_path: Path, picture: Picture) -> None:
    def fails(path: Path, message: str) -> None:
        with pytest.raises(AutodasError, match=message) as caught:
            open_dataset(f"imagefolder:{path}")
        assert "\n" not in str(caught.value)

    (tmp_path / "empty").mkdir()
    fails(tmp_path / "empty", "empty: the folder is empty: it must contain one folder of images per class")
    (tmp_path / "flat").mkdir()
    picture(0).save(tmp_path / "flat" / "a.png")
    fails(tmp_path / "flat", "images lie here, but no class folders")
    fails(tmp_path / "flat" / "a.png", "is a file, but imagefolder needs a folder")
    fails(make_folder("one", classes=("cat",)), "at least two classes are needed, found 1")
    lonely = make_folder("lonely")
    for i in range(1, 5):
        (lonely / "dog" / f"00{i}.png").unlink()
    fails(lonely, "class 'dog' has one image, but a split needs at least 2")
    (lonely / "dog" / "000.png").unlink()
    fails(lonely, "dog: no images in this class folder")
    root = make_folder("set/train").parent
    make_folder("set/test", classes=("cat", "dgo"))
    fails(root, r"different classes: 'dog' only in .*train: make the class folders equal")
    lost = make_folder("lost/train", count=2).parent
    make_folder("lost/test", count=120)
    for file in (lost / "train" / "cat").iterdir():
        break_file(file)
    fails(lost, "class 'cat' has no readable training image")
    with pytest.raises(AutodasError, match="is a path, not a data set: write imagefolder:"):
        open_dataset(str(lonely))


@pytest.mark.slow
def test_check(make_folder: Maker) -> None:
    root = make_folder(classes=("a", "b"), count=70)
    for i in range(5, 70):
        (root / "b" / f"{i:03d}.png").unlink()
    facts = check_dataset(f"imagefolder:{root}")
    assert facts["classes"] == ["a", "b"]
    count = facts["train"]["images"]
    of_a, of_b = facts["train"]["images_per_class"].values()
    assert facts["train"] == {
        "images": of_a + of_b,
        "images_per_class": {"a": of_a, "b": of_b},
        "storage": "memory",
        "bytes_in_memory": count * 20 * 20 * 3,
        "kinds": {"PNG": count},
        "values": {"uint8": count},
        "channels": {3: count},
        "sizes": {"smallest": "20x20", "median": 20, "largest": "20x20"},
        "turned": 0,
    }
    assert facts["test"]["images"] == 75 - count
    assert facts["augmentation"] == "crop_padding=2, flip=True"
    assert facts["bad"] == []
    assert facts["warnings"] == [
        f"imagefolder:{root} has no test split: it is split about 80/20, by hashes of names ({count} images "
        f"to train with, {75 - count} to test, {100 * (75 - count) / 75:.1f} %)",
        f"unbalanced: class 'a' has {of_a} training images, 'b' has {of_b}",
        "fewer than 10 training images in 1 of 2 classes: b",
    ]
    streamed = check_dataset(f"imagefolder:{root}", storage="stream")
    assert streamed["train"]["storage"] == "stream"
    assert streamed["train"]["bytes_in_memory"] == 0
    assert streamed["mean"] == facts["mean"]


@pytest.mark.slow
def test_imagenette(shared: Path) -> None:
    data = open_dataset(f"imagefolder:{shared / 'imagenette_mini'}", storage="stream", subset=20)
    assert (len(data.train), len(data.test), data.channels, data.image_size) == (20, 300, 3, 224)
    assert len(data.classes) == 10
    assert data.bad == ()
