"""Images and videos that are named by lists: what is there, and what is refused or told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autodas.data import open_dataset, open_test_set
from autodas.data._lists import read_lists
from autodas.errors import AutodasError


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Twelve images, the shade of which is their number."""
    for i in range(12):
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.new("L", (8, 8), i).save(tmp_path / f"images/{i}.png")
    return tmp_path


def shades(split: object) -> list[int]:
    return [int(split.read(i)[0, 0, 0]) for i in range(len(split))]  # type: ignore[attr-defined, arg-type]


def test_table_with_splits(images: Path) -> None:
    rows = [f"images/{i}.png,{'cat' if i % 2 else 'dog'},{'Train' if i < 8 else 'TEST'},x" for i in range(12)]
    (images / "list.csv").write_text("\n".join(["image_path,class,split,site", *rows]))
    data = open_dataset(f"imagelist:{images / 'list.csv'}")
    assert data.classes == ("cat", "dog")
    assert (shades(data.train), shades(data.test)) == (list(range(8)), list(range(8, 12)))
    assert data.train.labels.tolist() == [1, 0] * 4


def test_plain_lines_and_another_root(images: Path) -> None:
    (images / "lists").mkdir()
    (images / "lists/train.txt").write_text("".join(f"{i}.png {i % 3}\n" for i in range(9)))
    (images / "lists/Val.txt").write_text("9.png 0\n10.png 1\n")
    data = open_dataset(f"imagelist:{images / 'lists'}#{images / 'images'}")
    assert (shades(data.train), shades(data.test)) == (list(range(9)), [9, 10])
    (images / "lists/Val.txt").unlink()
    with pytest.raises(AutodasError, match=r"9 of 9 images are not in .*imagelist:.*#FOLDER"):
        open_dataset(f"imagelist:{images / 'lists'}")


def test_a_list_without_splits_is_split_by_the_paths(images: Path) -> None:
    lines = [f"images/{i}.png {i % 2}" for i in range(12)]
    (images / "list.txt").write_text("\n".join(lines))
    data = open_dataset(f"imagelist:{images / 'list.txt'}")
    (images / "list.txt").write_text("\n".join(reversed(lines)))
    turned = open_dataset(f"imagelist:{images / 'list.txt'}")
    assert sorted(shades(data.test)) == sorted(shades(turned.test))


def test_only_test_images(images: Path) -> None:
    (images / "list.csv").write_text("path,label,split\nimages/1.png,b,test\n")
    assert open_test_set(f"imagelist:{images / 'list.csv'}", ("a", "b")).test.labels.tolist() == [1]
    with pytest.raises(AutodasError, match="only test images"):
        open_dataset(f"imagelist:{images / 'list.csv'}")


def test_a_sample_that_is_listed_twice_is_used_once(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        (tmp_path / name).touch()
    (tmp_path / "list.txt").write_text("a.mp4 x\nb.mp4 y\n./a.mp4 x\nc.mp4 y\n")
    found = read_lists(str(tmp_path / "list.txt"), "videolist", "videos")
    assert found.train is not None
    assert found.train.keys == ["a.mp4", "b.mp4", "c.mp4"]
    assert found.notes[0].endswith("videos that train lists more than once are used once (1 lines left out)")
    (tmp_path / "list.txt").write_text("a.mp4 x\nb.mp4 y\n./a.mp4 y\n")
    with pytest.raises(AutodasError, match=r"line 3: ./a.mp4 has the label 'y', but 'x' in .*line 1"):
        read_lists(str(tmp_path / "list.txt"), "videolist", "videos")


def test_labels_from_one_with_a_list_of_names_are_told(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).touch()
    (tmp_path / "classes.txt").write_text("background\nrun\nwalk\n")
    (tmp_path / "list.txt").write_text("a.mp4 1\nb.mp4 2\n")
    (note,) = read_lists(str(tmp_path / "list.txt"), "videolist", "videos").notes
    assert "no label is 0: label 1 is 'run', and 'background' has no videos" in note
    (tmp_path / "list.txt").write_text("a.mp4 0\nb.mp4 1\n")
    assert read_lists(str(tmp_path / "list.txt"), "videolist", "videos").notes == ()


def test_classes_without_training_samples_are_told(images: Path) -> None:
    (images / "classes.txt").write_text("a\nb\nc\n")
    (images / "list.txt").write_text("\n".join(f"images/{i}.png {'ac'[i % 2]}" for i in range(12)))
    data = open_dataset(f"imagelist:{images / 'list.txt'}")
    assert np.bincount(data.train.labels, minlength=3)[1] == 0
    assert "no training images in 1 of 3 classes: b" in data.notes
