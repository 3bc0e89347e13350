"""Images and videos that are named by lists: what is there, and what is refused or told."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autodas.data import open_dataset, open_test_set
from autodas.data.sets._lists import read_lists
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
    assert found.notes[0].endswith("videos that train lists more than once are used once (1 lines skipped)")
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


def test_cells_in_quotation_marks_hold_any_sign(images: Path) -> None:
    (images / "images/0.png").rename(images / "images/new\nline.png")
    (images / "images/1.png").rename(images / "#1.png")
    rows = ['"images/new\nline.png",a,x', '"#1.png",b,"two\n#lines\n"']
    rows += [f"images/{i}.png,{'ab'[i % 2]},form\x0cfeed\x85\u2028" for i in range(2, 12)]
    text = "# mine\n" + "\n".join(["path,label,note", *rows])
    for ends in ("\n", "\r\n", "\r"):
        head, *rest = text.split("\n")
        (images / "list.csv").write_bytes((head + "\n" + "\n".join(rest)).encode())
        found = read_lists(str(images / "list.csv"), "imagelist", "images")
        assert found.train is not None
        assert found.train.keys == [
            *("images/new\nline.png", "#1.png"),
            *(f"images/{i}.png" for i in range(2, 12)),
        ]
        assert found.classes == ("a", "b")
        assert found.notes == ()
        (images / "list.csv").write_bytes(
            ends.join(["path,label", *["images/2.png,a", "images/3.png,b"]]).encode()
        )
        found = read_lists(str(images / "list.csv"), "imagelist", "images")
        assert found.train is not None
        assert len(found.train.paths) == 2


def test_lines_are_counted_in_cells_of_several(images: Path) -> None:
    (images / "list.csv").write_text('path,label,note\nimages/1.png,a,"one\ntwo"\n\nimages/2.png,a\n')
    with pytest.raises(AutodasError, match=r"list.csv, line 5: 2 columns, but the header has 3"):
        read_lists(str(images / "list.csv"), "imagelist", "images")


def test_other_signs_than_ends_of_lines_are_part_of_names(tmp_path: Path) -> None:
    names = ["a\x0cb.mp4", "a\x85b.mp4", "a\u2028b.mp4"]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "list.txt").write_text("".join(f"{name} x\n" for name in names), encoding="utf-8")
    found = read_lists(str(tmp_path / "list.txt"), "videolist", "videos")
    assert found.train is not None
    assert found.train.keys == names


@pytest.mark.parametrize("kind", ["txt", "csv"])
def test_names_that_begin_with_a_hash(images: Path, kind: str) -> None:
    (images / "images/1.png").rename(images / "#1.png")
    between = " " if kind == "txt" else ","
    rows = [("#1.png", "b"), ("images/2.png", "a"), ("#images/3.png", "b"), ("#4.png", "a"), ("# then", "b")]
    head = "# of today\n" + ("path,label\n" if kind == "csv" else "")
    path = images / f"list.{kind}"
    path.write_text(head + "".join(f"{name}{between}{label}\n" for name, label in rows))
    found = read_lists(str(path), "imagelist", "images")
    assert found.train is not None
    assert found.train.keys == ["#1.png", "images/2.png"]
    assert found.notes == (
        f"{path}: lines that begin with # and name no file in {images} are taken for comments "
        f"(2, such as line {4 + (kind == 'csv')})",
    )


def test_classes_that_begin_with_a_hash(images: Path) -> None:
    (images / "classes.txt").write_text("# of today\n#hash\n#\ndog\n")
    (images / "list.txt").write_text("\n".join(f"images/{i}.png {i % 3}" for i in range(12)))
    found = read_lists(str(images / "list.txt"), "imagelist", "images")
    assert found.classes == ("#hash", "#", "dog")
    assert found.notes == (
        f"{images / 'classes.txt'}: comments, which begin with '# ', are no classes (1)",
        f"{images / 'classes.txt'}: '#hash' is a class: comments begin with '# '",
    )


@pytest.mark.parametrize("place", ["first", "last"])
def test_columns_without_a_name_are_left_aside(images: Path, place: str) -> None:
    rows = ["path,label", *(f"images/{i}.png,{'ab'[i % 2]}" for i in range(12))]
    rows = [f",{row}" if i == 0 else f"{i},{row}" for i, row in enumerate(rows)] if place == "first" else rows
    rows = [f"{row}," for row in rows] if place == "last" else rows
    (images / "list.csv").write_text("\n".join(rows))
    found = read_lists(str(images / "list.csv"), "imagelist", "images")
    assert found.train is not None
    assert len(found.train.paths) == 12
    assert sorted(found.train.columns) == ["label", "path"]


def test_columns_of_one_name(images: Path) -> None:
    """A column that is asked for must be the only one of its name; others are left aside."""
    path = images / "list.csv"
    rows = [f"images/{i}.png,{'ab'[i % 2]},{'ba'[i % 2]}" for i in range(12)]
    path.write_text("\n".join(["path,label,Label", *rows]))
    with pytest.raises(AutodasError, match=r"list\.csv, line 1: several columns are called 'label'"):
        read_lists(str(path), "imagelist", "images")
    rows = [f"images/{i}.png,{'ab'[i % 2]},{i},{-i}" for i in range(12)]
    path.write_text("\n".join(["path,label,note,note", *rows]))
    found = read_lists(str(path), "imagelist", "images")
    assert found.train is not None
    assert sorted(found.train.columns) == ["label", "path"]


def test_classes_that_the_network_knows_and_the_training_part_lacks(images: Path) -> None:
    rows = [f"images/{i}.png,{'ab'[i % 2]},train" for i in range(8)]
    (images / "list.csv").write_text("\n".join(["path,label,split", *rows, "images/9.png,c,test"]))
    name = f"imagelist:{images / 'list.csv'}"
    assert open_test_set(name, ("c", "b", "a")).test.labels.tolist() == [0]
    with pytest.raises(AutodasError, match="the network knows no class 'c'"):
        open_test_set(name, ("a", "b"))
    with pytest.raises(AutodasError, match="line 10: label 'c' is not one of the 2 classes of the training"):
        open_dataset(name)


def test_pipes_in_lists_are_no_images(images: Path) -> None:
    os.mkfifo(images / "images/pipe.png")
    (images / "list.txt").write_text("images/1.png a\nimages/pipe.png b\n")
    with pytest.raises(AutodasError, match=r"1 of 2 images are not in .*: images/pipe.png"):
        open_dataset(f"imagelist:{images / 'list.txt'}")
