"""Folders as people have them: spellings, links, rubbish, endings; nothing is left out without a word."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.data.videos import numbered_frames, write_video

from autodas.data import ImageDataset, image_endings, open_dataset, open_test_set
from autodas.data.files._endings import IMAGE_FORMATS
from autodas.data.sets._split_names import split_of, split_of_file
from autodas.errors import AutodasError

Maker = Callable[..., Path]


def names_in(data: ImageDataset) -> set[str]:
    return {os.path.basename(path) for split in (data.train, data.test) for path in split.paths or ()}


def save(path: Path, shade: int = 0, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (shade, 99, 7)).save(path, **options)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize(
    ("train", "test"),
    [("Train", "Test"), ("training", "testing"), ("TRAIN", "VAL"), ("training_set", "Validation Set")],
)
def test_names_of_splits_in_any_spelling(make_folder: Maker, train: str, test: str) -> None:
    root = make_folder(f"set/{train}").parent
    make_folder(f"set/{test}", count=3)
    data = open_dataset(f"imagefolder:{root}")
    assert (data.classes, len(data.train), len(data.test)) == (("cat", "dog"), 10, 6)


def test_spellings() -> None:
    expected = {
        "train": ("train", "Train", "TRAINING", "train_set", "train-images", "trainset", "image_train"),
        "test": ("test", "Testing", "test set", "TEST", "evaluation"),
        "val": ("val", "valid", "Validation", "validate", "dev"),
        None: ("trains", "contest", "value", "cat", "restrain", "", "validity"),
    }
    for split, names in expected.items():
        assert {name: split_of(name) for name in names} == dict.fromkeys(names, split)
    assert split_of_file("train-00000-of-00002.parquet") == "train"
    assert split_of_file("cifar_Test.parquet") == "test"
    assert split_of_file("all.parquet") is None


def test_folders_of_the_same_names_look_like_splits(make_folder: Maker) -> None:
    root = make_folder("set/fold1").parent
    make_folder("set/fold2")
    with pytest.raises(
        AutodasError, match=r"\(fold1, fold2\) contain folders of the same names \(cat, dog\)"
    ):
        open_dataset(f"imagefolder:{root}")
    # The user may say that they are classes.
    assert open_dataset(f"imagefolder:{root}", classes=("fold1", "fold2")).classes == ("fold1", "fold2")
    save(root / "fold1" / "one.png")
    assert open_dataset(f"imagefolder:{root}").classes == ("fold1", "fold2")


def test_one_folder_of_a_usual_name_in_each_class_is_no_split(tmp_path: Path) -> None:
    for label in ("a", "b"):
        for i in range(5):
            save(tmp_path / label / "images" / f"{i}.png", i)
    assert open_dataset(f"imagefolder:{tmp_path}").classes == ("a", "b")


def test_a_test_folder_beside_class_folders_is_the_test_split(make_folder: Maker) -> None:
    root = make_folder("set")
    make_folder("set/test", count=2)
    data = open_dataset(f"imagefolder:{root}")
    assert (data.classes, len(data.train), len(data.test)) == (("cat", "dog"), 10, 4)
    assert any("is the test split" in note for note in data.notes)


def test_two_folders_for_one_split_are_refused(make_folder: Maker) -> None:
    root = make_folder("set/train").parent
    make_folder("set/Training")
    with pytest.raises(AutodasError, match="both Training and train are train splits"):
        open_dataset(f"imagefolder:{root}")


def test_class_folders_that_begin_with_an_underscore_are_classes(make_folder: Maker) -> None:
    assert open_dataset(f"imagefolder:{make_folder(classes=('_other', 'a', 'b'))}").classes == (
        "_other",
        "a",
        "b",
    )


def test_rubbish_is_left_out_everywhere_and_counted(make_folder: Maker) -> None:
    root = make_folder("set/train").parent
    make_folder("set/test", count=2)
    for rubbish in (
        *("train/.git/x.png", "train/__MACOSX/x.png", "train/cat/.ipynb_checkpoints/x.png"),
        *("test/dog/@eaDir/x.png", "test/dog/deep/.ipynb_checkpoints/x.png", ".cache/a/x.png"),
    ):
        save(root / rubbish)
    save(root / "train/cat/._000.png")
    save(root / "train/cat/deep/deeper.png")
    data = open_dataset(f"imagefolder:{root}")
    assert data.classes == ("cat", "dog")
    assert names_in(data) == {*(f"00{i}.png" for i in range(5)), "deeper.png"}
    assert any(note.startswith("1 hidden file is skipped, such as") for note in data.notes)
    (note,) = (note for note in data.notes if "folders that are hidden" in note)
    assert note == (
        "6 folders that are hidden or made by a program are skipped "
        "(.ipynb_checkpoints 2, .cache 1, .git 1, @eaDir 1, __MACOSX 1)"
    )


def test_pipes_and_sockets_are_left_out_and_counted(make_folder: Maker) -> None:
    root = make_folder()
    os.mkfifo(root / "cat/pipe.png")
    os.symlink("pipe.png", root / "cat/link.png")
    os.symlink("000.png", root / "cat/again.png")
    os.mkfifo(root / "beside.png")
    data = open_dataset(f"imagefolder:{root}")
    assert (len(data.train) + len(data.test), data.bad) == (11, ())
    told = f"2 pipes, sockets or devices are skipped, such as {root / 'cat/link.png'}"
    assert told in data.notes


def test_links_are_followed_everywhere(make_folder: Maker, tmp_path: Path) -> None:
    root = make_folder("set")
    elsewhere = make_folder("elsewhere", classes=("inner", "bird"))
    for i in range(5):
        (elsewhere / "inner" / f"00{i}.png").rename(elsewhere / "inner" / f"inner{i}.png")
        (elsewhere / "bird" / f"00{i}.png").rename(elsewhere / "bird" / f"bird{i}.png")
    save(tmp_path / "file.png")
    (root / "bird").symlink_to(elsewhere / "bird")
    (root / "cat/more").symlink_to(elsewhere / "inner")
    (root / "cat/linked.png").symlink_to(tmp_path / "file.png")
    (root / "cat/loop").symlink_to(root)
    (root / "cat/itself").symlink_to(root / "cat/itself")
    data = open_dataset(f"imagefolder:{root}")
    assert data.classes == ("bird", "cat", "dog")
    assert len(data.train) + len(data.test) == 21
    assert names_in(data) >= {"linked.png", *(f"inner{i}.png" for i in range(5))}
    (note,) = (note for note in data.notes if note.startswith("1 link"))
    assert note == f"1 link to folders already read is not followed, such as {root / 'cat/loop'}"


def test_every_ending_that_pillow_reads(tmp_path: Path) -> None:
    writable = {
        "JPEG": (".jpg", ".jpe", ".jfif"),
        "PNG": (".png",),
        "BMP": (".bmp",),
        "GIF": (".gif",),
        "WEBP": (".webp",),
        "TIFF": (".tif", ".TIFF"),
        "PPM": (".ppm",),
        "JPEG2000": (".jp2", ".j2k"),
        "TGA": (".tga",),
        "PCX": (".pcx",),
        "ICO": (".ico",),
        "SGI": (".sgi",),
    }
    if ".avif" in image_endings():
        writable["AVIF"] = (".avif",)
    if "QOI" in Image.SAVE:  # older versions of Pillow read it only
        writable["QOI"] = (".qoi",)
    for kind, endings in writable.items():
        assert {ending.lower() for ending in endings} <= set(IMAGE_FORMATS[kind])
        # Of the sizes that ICO usually has, the smallest is 16.
        options = {"sizes": [(8, 8)]} if kind == "ICO" else {}
        for ending in endings:
            save(tmp_path / f"a/{kind}{ending}", 10, format=kind, **options)
            save(tmp_path / f"b/{kind}{ending}", 200, format=kind, **options)
    data = open_dataset(f"imagefolder:{tmp_path}", max_bad=0)
    count = 2 * sum(map(len, writable.values()))
    assert len(data.train) + len(data.test) == count
    for split in (data.train, data.test):
        for i in range(len(split)):
            red = split.read(i)[..., 0].mean()
            assert (red > 150) == (split.labels[i] == 1)


def test_files_of_unknown_kind_are_counted_by_ending(make_folder: Maker) -> None:
    root = make_folder()
    for i in range(12):
        (root / "cat" / f"{i}.heic").touch()
    for i in range(6):
        (root / "dog" / f"{i}.EPS").touch()
    save(root / "beside.png")
    notes = open_dataset(f"imagefolder:{root}").notes
    if ".heic" not in image_endings():
        assert any(
            note.startswith("18 files of unknown kind are ignored (.heic 12, .eps 6") for note in notes
        )
    assert any(note.startswith("1 image beside the class folders is not used") for note in notes)


def test_what_is_not_used_beside_splits_is_named(make_folder: Maker) -> None:
    root = make_folder("set/train").parent
    for other in ("val", "test", "extra"):
        make_folder(f"set/{other}")
    notes = open_dataset(f"imagefolder:{root}").notes
    assert any("val is not used" in note for note in notes)
    assert f"{root}: extra beside the splits is not used" in notes


def test_copies_of_training_images_in_the_test_folder_are_told(make_folder: Maker) -> None:
    root = make_folder("set/train", count=12, mode="L").parent
    make_folder("set/test", count=3, width=21)
    assert not any("byte for byte" in note for note in open_dataset(f"imagefolder:{root}").notes)
    shutil.copy(root / "train/cat/007.png", root / "test/dog/other.png")
    (note,) = (n for n in open_dataset(f"imagefolder:{root}").notes if "byte for byte" in n)
    assert note.startswith(
        f"1 of 7 test images are training images too, byte for byte, such as {root / 'test/dog/other.png'} = "
        f"{root / 'train/cat/007.png'}"
    )


def test_all_unreadable_files_are_named_at_once(make_folder: Maker) -> None:
    root = make_folder(classes=("a", "b"), count=20)
    for i in range(3):
        (root / "a" / f"00{i}.png").write_bytes(b"no image")
    for i in range(4, 8):
        content = (root / "b" / f"00{i}.png").read_bytes()
        (root / "b" / f"00{i}.png").write_bytes(content[: len(content) - 60])
    with pytest.raises(AutodasError, match="7 of 40 images cannot be read, 1 are allowed") as caught:
        open_dataset(f"imagefolder:{root}")
    message = str(caught.value)
    assert all(f"a/00{i}.png" in message for i in range(3))
    assert all(f"b/00{i}.png" in message for i in range(4, 8))
    assert "`data.max_bad=0.18`" in message
    assert len(open_dataset(f"imagefolder:{root}", max_bad=0.18).bad) == 7


class TestEvaluation:
    def test_everything_is_evaluated_where_there_are_no_splits(self, make_folder: Maker) -> None:
        root = make_folder(count=30)
        data = open_test_set(f"imagefolder:{root}", ("bird", "cat", "dog"))
        assert (len(data.test), len(data.train)) == (60, 0)
        assert np.bincount(data.test.labels).tolist() == [0, 30, 30]
        assert data.classes == ("bird", "cat", "dog")
        assert f"imagefolder:{root} has no test split: all 60 images are evaluated" in data.notes

    @pytest.mark.parametrize("test", ["test", "Validation"])
    def test_a_folder_with_only_a_test_split(self, make_folder: Maker, test: str) -> None:
        root = make_folder(f"set/{test}", count=3).parent
        assert len(open_test_set(f"imagefolder:{root}", ("cat", "dog")).test) == 6
        with pytest.raises(AutodasError, match="only test images, there is nothing to train with"):
            open_dataset(f"imagefolder:{root}")

    def test_training_images_are_not_read(self, make_folder: Maker) -> None:
        root = make_folder("set/train", classes=("cat", "zebra")).parent
        make_folder("set/test", classes=("cat",), count=2)
        for path in root.glob("train/*/*.png"):
            path.write_bytes(b"no image")
        data = open_test_set(f"imagefolder:{root}", ("cat", "dog"))
        assert (len(data.test), data.bad) == (2, ())

    def test_classes_that_the_network_does_not_know(self, make_folder: Maker) -> None:
        name = f"imagefolder:{make_folder(classes=('cat', 'dgo'))}"
        with pytest.raises(AutodasError, match=r"knows no class 'dgo': rename.*`; did you mean 'dog'.$"):
            open_test_set(name, ("cat", "dog"))
        assert len(open_test_set(name, ("cat", "dog"), classes=("cat",)).test) == 5

    def test_videos(self, tmp_path: Path) -> None:
        for label in ("a", "b"):
            for i in range(3):
                write_video(tmp_path / label / f"{i}.mp4", numbered_frames(6, 16, 16))
        data = open_test_set(f"videofolder:{tmp_path}", ("b", "a"), image_size=16, frames=4)
        assert data.test.labels.tolist() == [1, 1, 1, 0, 0, 0]


class TestVideos:
    def test_usual_endings_of_videos(self, tmp_path: Path) -> None:
        write_video(tmp_path / "a/0.mp4", numbered_frames(6, 16, 16))
        endings = (
            ".mts",
            ".m2ts",
            ".vob",
            ".mxf",
            ".asf",
            ".divx",
            ".f4v",
            ".ogm",
            ".rm",
            ".mpe",
            ".m2v",
            ".DV",
        )
        for label in ("a", "b"):
            (tmp_path / label).mkdir(exist_ok=True)
            for i, ending in enumerate(endings):
                shutil.copy(tmp_path / "a/0.mp4", tmp_path / label / f"x{i}{ending}")
        data = open_dataset(f"videofolder:{tmp_path}", frames=2)
        assert len(data.train) + len(data.test) == 2 * len(endings) + 1

    def test_frames_beside_files_and_rubbish_are_told(self, tmp_path: Path) -> None:
        for label in ("a", "b"):
            for i in range(3):
                write_video(tmp_path / label / f"{i}.mp4", numbered_frames(6, 16, 16))
        save(tmp_path / "a/frames/1.png")
        save(tmp_path / "b/thumb.png")
        write_video(tmp_path / "a/.ipynb_checkpoints/0.mp4", numbered_frames(6, 16, 16))
        data = open_dataset(f"videofolder:{tmp_path}", frames=2)
        assert names_in(data) == {"0.mp4", "1.mp4", "2.mp4"}
        text = "\n".join(data.notes)
        assert f"1 folder of images beside video files is not used, such as {tmp_path / 'a/frames'}" in text
        assert "1 file of unknown kind is ignored (.png 1)" in text
        assert ".ipynb_checkpoints 1" in text

    def test_pipes_are_no_videos_and_no_frames(self, tmp_path: Path) -> None:
        for label in ("a", "b"):
            for video in range(3):
                for i in range(4):
                    save(tmp_path / f"{label}/{video}/{i}.png", 9 * i)
            os.mkfifo(tmp_path / f"{label}/0/pipe.png")
            os.mkfifo(tmp_path / f"{label}/pipe.mp4")
        data = open_dataset(f"videofolder:{tmp_path}", image_size=8, frames=4)
        assert (len(data.train) + len(data.test), data.bad) == (6, ())
        assert any(note.startswith("4 pipes, sockets or devices are skipped") for note in data.notes)

    def test_splits_without_class_folders(self, tmp_path: Path) -> None:
        for split in ("train", "test"):
            write_video(tmp_path / split / "one.mp4", numbered_frames(6, 16, 16))
        with pytest.raises(AutodasError, match="no class folders in test and train: move the videos of"):
            open_dataset(f"videofolder:{tmp_path}")

    def test_a_class_without_test_videos_is_told(self, tmp_path: Path) -> None:
        for split, label in (("train", "a"), ("train", "b"), ("test", "a")):
            write_video(tmp_path / split / label / "1.mp4", numbered_frames(6, 16, 16))
        (tmp_path / "test/b").mkdir()
        notes = open_dataset(f"videofolder:{tmp_path}", frames=2).notes
        assert "no test videos in 1 of 2 classes: b" in notes
