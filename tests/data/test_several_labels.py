"""Samples with several labels: every form in which users have them, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from autodas.data import contact_sheet, describe_dataset, open_dataset, open_test_set
from autodas.errors import AutodasError

NAMES = ("beach", "city", "dog")
LABELS = [["beach"], ["beach", "dog"], [], ["city"], ["city", "dog"], ["dog"]] * 4
TABLE = np.array([[name in own for name in NAMES] for own in LABELS], dtype=np.uint8)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Images whose shade is their number."""
    for i in range(len(LABELS)):
        Image.new("L", (8, 8), i).save(tmp_path / f"{i}.png")
    return tmp_path


def labels_of(split: Any) -> dict[int, list[int]]:
    """Return the labels of each image by its number."""
    return {int(split.read(i)[0, 0, 0]): split.labels[i].tolist() for i in range(len(split))}


def assert_read(data: Any) -> None:
    assert data.task == "multilabel"
    assert data.classes == NAMES
    found = labels_of(data.train) | labels_of(data.test)
    assert found == {i: row.tolist() for i, row in enumerate(TABLE)}
    assert data.train.labels.dtype == data.test.labels.dtype == np.uint8


def test_csv_with_separated_labels(images: Path) -> None:
    rows = [f"{i}.png,{(' | ' if i % 2 else ';').join(own)},7" for i, own in enumerate(LABELS)]
    path = images / "list.csv"
    path.write_text("\n".join(["path,label,site", *rows]))
    data = open_dataset(f"imagelist:{path}")
    assert_read(data)
    (note,) = [note for note in data.notes if "task" in note]
    assert note == f"{path}: task multilabel: labels separated by | or ;, 3 classes (`task` sets another)"
    assert_read(open_dataset(f"imagelist:{path}", task="multilabel"))
    # The same text as one label each.
    single = [f"{i}.png,{'a|b' if i % 2 else 'c'}" for i in range(24)]
    path.write_text("\n".join(["path,label", *single]))
    data = open_dataset(f"imagelist:{path}", task="classification")
    assert (data.task, data.classes) == ("classification", ("a|b", "c"))
    (images / "classes.txt").write_text("c\na|b\n")
    assert open_dataset(f"imagelist:{path}").task == "classification", "the user's own classes"


def test_csv_with_a_column_for_each_class(images: Path) -> None:
    rows = [f"{i}.png,P{i // 2},{','.join(map(str, row))}" for i, row in enumerate(TABLE)]
    path = images / "list.csv"
    path.write_text("\n".join(["path,Patient,beach,city,dog", *rows]))
    data = open_dataset(f"imagelist:{path}", task="multilabel", groups="patient")
    assert_read(data)
    assert any("a column of 0 and 1 for each class, 3 classes" in note for note in data.notes)
    assert not {*(data.train.groups or ())} & {*(data.test.groups or ())}
    chosen = open_dataset(f"imagelist:{path}", targets=("dog", "Beach"))
    assert (chosen.task, chosen.classes) == ("multilabel", ("dog", "beach"))
    assert labels_of(chosen.train)[int(chosen.train.read(0)[0, 0, 0])] == chosen.train.labels[0].tolist()
    with pytest.raises(AutodasError, match=r"line 2: 0 or 1 is expected for the class 'Patient', found 'P0'"):
        open_dataset(f"imagelist:{path}", task="multilabel")
    with pytest.raises(
        AutodasError, match=r"a column label or class or class_name is expected.*`task=multilabel`"
    ):
        open_dataset(f"imagelist:{path}")


def test_text_lists_and_repeated_lines(images: Path) -> None:
    lines = [f"{i}.png {'|'.join(own) or '|'}" for i, own in enumerate(LABELS)]
    path = images / "list.txt"
    path.write_text("\n".join(lines))
    assert_read(open_dataset(f"imagelist:{path}"))
    lines = [f"{i}.png {name}" for i, own in enumerate(LABELS) for name in own or ["|"]]
    path.write_text("\n".join(lines))
    data = open_dataset(f"imagelist:{path}", task="multilabel")
    assert_read(data)
    assert any("have the labels of all their lines (8 lines joined)" in note for note in data.notes)
    path.write_text("\n".join(line for line in lines if "|" not in line))
    with pytest.raises(
        AutodasError, match=r"has the label 'dog', but 'beach' .*`task=multilabel` for several"
    ):
        open_dataset(f"imagelist:{path}")


def test_numbers_of_classes_are_checked(images: Path) -> None:
    (images / "classes.txt").write_text("\n".join(NAMES))
    numbers = [[NAMES.index(name) for name in own] for own in LABELS]
    path = images / "list.csv"
    path.write_text(
        "\n".join(["path,labels", *(f"{i}.png,{'|'.join(map(str, own))}" for i, own in enumerate(numbers))])
    )
    assert_read(open_dataset(f"imagelist:{path}"))
    path.write_text("path,labels\n0.png,0|1\n1.png,3\n")
    with pytest.raises(AutodasError, match="line 3: label '3' is not one of the 3 classes in"):
        open_dataset(f"imagelist:{path}")
    (images / "classes.txt").unlink()
    path.write_text("path,labels\n0.png,0|-1\n1.png,3\n")
    with pytest.raises(AutodasError, match="line 2: labels out of range: -1"):
        open_dataset(f"imagelist:{path}")
    path.write_text("path,labels\n0.png,\n1.png,|\n")
    with pytest.raises(AutodasError, match="line 2: none of the images has a label"):
        open_dataset(f"imagelist:{path}", task="multilabel")


def test_empty_labels_are_no_labels_only_where_there_may_be_several(images: Path) -> None:
    path = images / "list.csv"
    path.write_text("path,label\n0.png,a\n1.png,\n2.png,b\n")
    with pytest.raises(AutodasError, match="line 3: the label is empty"):
        open_dataset(f"imagelist:{path}")


def folders(images: Path) -> Path:
    """Copy each image into the folders of its labels; those without labels are left out."""
    root = images / "folders"
    for i, own in enumerate(LABELS):
        for name in own:
            (root / name / "inner").mkdir(parents=True, exist_ok=True)
            shutil.copy(images / f"{i}.png", root / name / "inner" / f"{i}.png")
    return root


def test_images_in_several_folders(images: Path) -> None:
    root = folders(images)
    data = open_dataset(f"imagefolder:{root}", task="multilabel")
    assert data.classes == NAMES
    found = labels_of(data.train) | labels_of(data.test)
    assert found == {i: row.tolist() for i, row in enumerate(TABLE) if row.any()}
    assert open_dataset(f"imagefolder:{root}").task == "classification"
    # Another picture of the same name is another sample.
    Image.new("L", (8, 8), 200).save(root / "city/inner/1.png")
    found = labels_of((data := open_dataset(f"imagefolder:{root}", task="multilabel")).train) | labels_of(
        data.test
    )
    assert (found[1], found[200]) == ([1, 0, 1], [0, 1, 0])
    with pytest.raises(AutodasError, match="class folders have neither targets nor columns"):
        open_dataset(f"imagefolder:{root}", task="regression")


def write_parquet(images: Path, column: str, values: Any, names: Any = None, **more: Any) -> Path:
    encoded = [(images / f"{i}.png").read_bytes() for i in range(len(LABELS))]
    table = pa.table({"image": encoded, column: values, **more})
    if names is not None:
        feature = {"_type": "Sequence", "feature": {"_type": "ClassLabel", "names": names}}
        notes = {"info": {"features": {column: feature, "image": {"_type": "Image"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(notes)})
    pq.write_table(table, images / "data.parquet")
    return images / "data.parquet"


def test_parquet_with_lists(images: Path) -> None:
    assert_read(open_dataset(f"parquet:{write_parquet(images, 'labels', LABELS)}"))
    numbers = [[NAMES.index(name) for name in own] for own in LABELS]
    assert_read(open_dataset(f"parquet:{write_parquet(images, 'labels', numbers, NAMES)}"))
    data = open_dataset(f"parquet:{write_parquet(images, 'labels', numbers)}")
    assert data.classes == ("0", "1", "2")
    wrong = [*numbers[:-1], [0, 3]]
    with pytest.raises(
        AutodasError, match=r"labels out of range: 3, but there are 3 classes, numbered 0\.\.2"
    ):
        open_dataset(f"parquet:{write_parquet(images, 'labels', wrong, NAMES)}")
    with pytest.raises(AutodasError, match=r"sample 3: a label is twice in its list \(0, 0, 1\)"):
        open_dataset(f"parquet:{write_parquet(images, 'labels', [*numbers[:3], [0, 0, 1], *numbers[4:]])}")
    missing = [*numbers[:-1], None]
    with pytest.raises(AutodasError, match="1 rows have no label in column 'labels'"):
        open_dataset(f"parquet:{write_parquet(images, 'labels', missing)}")


def test_parquet_with_a_column_for_each_class(images: Path) -> None:
    columns = {name: TABLE[:, k] for k, name in enumerate(NAMES)}
    path = write_parquet(images, "place", ["x"] * len(LABELS), **columns)
    assert_read(open_dataset(f"parquet:{path}", task="multilabel"))
    assert_read(open_dataset(f"parquet:{path}", targets=NAMES))
    with pytest.raises(AutodasError, match="no column 'cat'"):
        open_dataset(f"parquet:{path}", targets=("cat",))
    with pytest.raises(AutodasError, match="column 'place' holds no numbers: choose others"):
        open_dataset(f"parquet:{path}", targets=("place", "dog"))
    columns["dog"] = columns["dog"] * 2
    path = write_parquet(images, "place", ["x"] * len(LABELS), **columns)
    with pytest.raises(AutodasError, match="sample 1: 0 or 1 is expected for the class 'dog', found 2"):
        open_dataset(f"parquet:{path}", task="multilabel")


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    import sys
    import types

    def make(*returned: Any, split: str = "train") -> str:
        own = types.ModuleType("my_labels")
        own.load = lambda wanted: returned if wanted == split else None  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "my_labels", own)
        return "python:my_labels:load"

    return make


PIXELS = np.broadcast_to(np.arange(len(LABELS), dtype=np.uint8)[:, None, None], (len(LABELS), 8, 8))


@pytest.mark.parametrize(
    "form", [TABLE, TABLE.astype(bool), TABLE.astype(np.float32), [np.array(row) for row in TABLE]]
)
def test_functions_that_return_zeros_and_ones(module: Any, form: Any) -> None:
    assert_read(open_dataset(module(PIXELS, form, NAMES)))
    assert open_dataset(module(PIXELS, form)).classes == ("0", "1", "2")


def test_functions_that_return_lists(module: Any) -> None:
    numbers = [[NAMES.index(name) for name in own] for own in LABELS]
    assert_read(open_dataset(module(PIXELS, LABELS)))
    assert_read(open_dataset(module(PIXELS, numbers, NAMES)))
    assert_read(open_dataset(module(PIXELS, [set(own) for own in LABELS])))
    with pytest.raises(AutodasError, match="sample 2: a list is expected as of others, found 1"):
        open_dataset(module(PIXELS, [*numbers[:2], 1, *numbers[3:]]))
    with pytest.raises(AutodasError, match="expected for classification, found lists of labels"):
        open_dataset(module(PIXELS, LABELS), task="classification")
    with pytest.raises(AutodasError, match="found lists of labels"):
        open_dataset(module(PIXELS, LABELS), task="regression")


def test_arrays_that_are_no_labels(module: Any) -> None:
    wrong = TABLE.astype(np.int64)
    wrong[4, 1] = 2
    with pytest.raises(
        AutodasError, match=r"whole numbers of shape \(24, 3\) are neither one label a sample nor"
    ):
        open_dataset(module(PIXELS, wrong))
    with pytest.raises(AutodasError, match="sample 4: 0 or 1 is expected for the class 'city', found 2"):
        open_dataset(module(PIXELS, wrong, NAMES), task="multilabel")
    with pytest.raises(AutodasError, match="3 columns, but 2 classes"):
        open_dataset(module(PIXELS, TABLE, ["a", "b"]))
    with pytest.raises(AutodasError, match="none of the 19 training images has a label"):
        open_dataset(module(PIXELS, 0 * TABLE))


def test_sets_with_one_class_a_sample(module: Any) -> None:
    with pytest.raises(AutodasError, match="digits: its samples have one class each: omit `task=multilabel`"):
        open_dataset("digits", task="multilabel")
    with pytest.raises(AutodasError, match="digits: it has no columns"):
        open_dataset("digits", targets=("x",))
    # One label each, where there may be several.
    data = open_dataset(module(PIXELS, np.arange(24) % 3, NAMES), task="multilabel")
    assert (data.train.labels.sum(1) == 1).all()
    assert any("lists of labels, 3 classes" in note for note in data.notes)


def test_some_of_the_labels(module: Any) -> None:
    name = module(PIXELS, TABLE, NAMES)
    data = open_dataset(name, classes=("dog", "beach"))
    assert data.classes == ("beach", "dog")
    assert labels_of(data.train) | labels_of(data.test) == {
        i: r[[0, 2]].tolist() for i, r in enumerate(TABLE)
    }
    with pytest.raises(AutodasError, match="unknown class 'dogs'; did you mean 'dog'"):
        open_dataset(name, classes=("dogs",))


def test_the_classes_of_a_network(module: Any) -> None:
    name = module(PIXELS, TABLE, NAMES)
    known = ("dog", "zebra", "city", "beach")
    data = open_test_set(name, known, task="multilabel")
    assert (data.task, data.classes, len(data.test)) == ("multilabel", known, 24)
    assert np.array_equal(
        data.test.labels, np.stack([TABLE[:, 2], 0 * TABLE[:, 0], TABLE[:, 1], TABLE[:, 0]], 1)
    )
    with pytest.raises(AutodasError, match="the network knows no class 'beach'"):
        open_test_set(name, ("dog", "city"), task="multilabel")
    data = open_test_set(name, ("dog", "city"), task="multilabel", classes=("dog",))
    assert np.array_equal(data.test.labels, np.stack([TABLE[:, 2], 0 * TABLE[:, 0]], 1))


def test_what_is_told_about_the_data(module: Any) -> None:
    table = TABLE.copy()
    table[:, 1] = 0
    data = open_dataset(module(PIXELS, table, NAMES))
    assert "no positive training images in 1 of 3 classes: city" in data.notes
    facts = describe_dataset(data)
    assert facts["task"] == "multilabel"
    counts = [facts[part]["images_per_class"]["dog"] for part in ("train", "test")]
    assert sum(counts) == table[:, 2].sum()
    empty = [facts[part]["images_without_label"] for part in ("train", "test")]
    assert sum(empty) == (table.sum(1) == 0).sum()
    assert contact_sheet(data).size[0] > 100
    prints = [data.fingerprint, open_dataset(module(PIXELS, TABLE, NAMES)).fingerprint]
    assert prints[0]["train"]["hash"] != prints[1]["train"]["hash"]


def test_videos(tmp_path: Path) -> None:
    lines = []
    for i, own in enumerate(LABELS):
        (tmp_path / f"v{i}").mkdir()
        for frame in range(4):
            Image.new("L", (12, 12), i).save(tmp_path / f"v{i}/{frame}.png")
        lines.append(f"v{i} {'|'.join(own) or '|'}")
    (tmp_path / "list.txt").write_text("\n".join(lines))
    data = open_dataset(f"videolist:{tmp_path / 'list.txt'}", frames=4)
    assert (data.task, data.classes, data.frames) == ("multilabel", NAMES, 4)
    for split in (data.train, data.test):
        shades = [int(split.read(i)[0, 0, 0]) for i in range(len(split))]
        assert np.array_equal(split.labels, TABLE[shades])
    (tmp_path / "list.txt").write_text("\n".join(f"v{i} {i / 4}" for i in range(len(LABELS))))
    data = open_dataset(f"videolist:{tmp_path / 'list.txt'}", frames=4)
    assert (data.task, data.default_augmentation.flip) == ("regression", False)
