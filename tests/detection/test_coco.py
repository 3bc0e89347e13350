"""Images with boxes in the layout of COCO."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.detection.conftest import TEST, TRAIN, coco_document, write_coco, write_voc

from autodas.detection import open_boxes
from autodas.detection_options import BoxDataOptions
from autodas.errors import AutodasError


def test_boxes_classes_and_splits(coco: Path) -> None:
    data = open_boxes(f"coco:{coco}")
    assert data.classes == ("spot", "cell"), "in the order of their numbers in the file"
    assert [len(data.train), len(data.test)] == [5, 2]
    assert data.train[0].boxes.tolist() == [[10, 20, 30, 40], [50, 5, 60, 15]]
    assert data.train[0].labels.tolist() == [1, 0]
    assert data.train[2].boxes.shape == (0, 4)


def test_both_layouts_hold_the_same(coco: Path, tmp_path: Path) -> None:
    voc = write_voc(tmp_path / "voc", {"train": TRAIN, "val": TEST})
    one, other = open_boxes(f"coco:{coco}"), open_boxes(f"voc:{voc}")
    for left, right in zip(one.train + one.test, other.train + other.test, strict=True):
        assert left.boxes.tolist() == right.boxes.tolist()
        assert [one.classes[i] for i in left.labels] == [other.classes[i] for i in right.labels]


@pytest.mark.parametrize(
    ("annotations", "images"),
    [
        ("annotations/train.json", "images/train"),
        ("instances_train.json", "images"),
        ("train/_annotations.coco.json", "train"),
        ("train.json", "."),
    ],
)
def test_places(tmp_path: Path, annotations: str, images: str) -> None:
    source = write_coco(tmp_path / "source", {"train": TRAIN, "val": TEST})
    folder = tmp_path / "other"
    for split in ("train", "val"):
        file, place = (folder / name.replace("train", split) for name in (annotations, images))
        file.parent.mkdir(parents=True, exist_ok=True)
        place.mkdir(parents=True, exist_ok=True)
        (source / f"annotations/instances_{split}.json").rename(file)
        for image in (source / split).iterdir():
            image.rename(place / image.name)
    data = open_boxes(f"coco:{folder}")
    assert [len(data.train), len(data.test)] == [5, 2]
    assert all(Path(image.path).is_file() for image in data.train)


def test_groups_of_objects_are_ignored(coco: Path) -> None:
    change(coco, lambda document: document["annotations"][1].update(iscrowd=True))
    assert open_boxes(f"coco:{coco}").train[0].ignored.tolist() == [False, True]


def test_names_of_splits_may_be_begun(tmp_path: Path) -> None:
    splits = {"train2014": TRAIN, "train2017": TRAIN, "val2017": TEST}
    folder = write_coco(tmp_path / "coco", splits)
    with pytest.raises(AutodasError, match="'train' may be any of train2014, train2017"):
        open_boxes(f"coco:{folder}")
    data = open_boxes(f"coco:{folder}", BoxDataOptions(train_split="train2014"))
    assert data.splits == {"train": "train2014", "test": "val2017"}


def change(coco: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    path = coco / "annotations/instances_train2017.json"
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda d: d.pop("images"), "'images' is missing"),
        (lambda d: d.update(categories=[]), "categories: a list of 1"),
        (lambda d: d["categories"].append({"id": 7, "name": "x"}), "two categories have the same id or name"),
        (
            lambda d: d["categories"].append({"id": 9, "name": "cell"}),
            "two categories have the same id or na",
        ),
        (lambda d: d["images"][0].pop("width"), r"images\[0\]: 'width' is missing"),
        (lambda d: d["images"][1].update(id=100), r"images\[1\]: there are two images with id 100"),
        (
            lambda d: d["annotations"][0].update(image_id=9),
            r"annotations\[0\]: image_id 9 is that of no image",
        ),
        (
            lambda d: d["annotations"][0].pop("image_id"),
            r"annotations\[0\]: 'image_id' is missing",
        ),
        (lambda d: d["annotations"][0].update(image_id=[1]), r"annotations\[0\]: image_id: a whole number"),
        (lambda d: [i.update(file_name="x.png") for i in d["images"]], "its images were not found"),
    ],
)
def test_wrong_documents(coco: Path, edit: Callable[[Any], Any], expected: str) -> None:
    change(coco, edit)
    with pytest.raises(AutodasError, match=expected) as caught:
        open_boxes(f"coco:{coco}", BoxDataOptions(max_bad=1.0))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (
            lambda d: d["annotations"][2].update(category_id=1),
            r"annotations\[2\]: category_id 1 is that of no",
        ),
        (lambda d: d["annotations"][2].update(bbox=[0, 0, 40]), r"annotations\[2\]: bbox: a list of 4"),
        (lambda d: d["annotations"][2].update(bbox=[0, 0, "4", 5]), r"annotations\[2\]: bbox\[2\]: a number"),
        (lambda d: d["annotations"][2].update(bbox=[0, 0, 0, 5]), "has no area"),
        (lambda d: d["annotations"][2].update(bbox=[10, 0, -5, 5]), "has no area"),
        (lambda d: d["annotations"][2].update(bbox=[80, 0, 5, 5]), "lies outside the image"),
        (lambda d: d["annotations"][2].update(iscrowd=3), r"annotations\[2\]: iscrowd"),
        (lambda d: d["images"][1].update(file_name="no.png"), r"image 'no\.png': is missing"),
        (lambda d: d["images"][1].update(file_name="../val2017/t.png"), "outside the folder of the images"),
    ],
)
def test_wrong_images(coco: Path, edit: Callable[[Any], Any], expected: str) -> None:
    change(coco, edit)
    with pytest.raises(AutodasError, match=expected):
        open_boxes(f"coco:{coco}")
    data = open_boxes(f"coco:{coco}", BoxDataOptions(max_bad=0.2))
    assert [image.key for image in data.train] == ["a.png", "c.png", "d.png", "e.png"]


@pytest.mark.parametrize(("text", "expected"), [("", "is empty"), ("{", "not JSON"), ("[]", "a mapping is")])
def test_files_that_are_no_annotations(coco: Path, text: str, expected: str) -> None:
    (coco / "annotations/instances_train2017.json").write_text(text)
    with pytest.raises(AutodasError, match=f"instances_train2017.json: {expected}"):
        open_boxes(f"coco:{coco}")


def test_no_annotations(tmp_path: Path) -> None:
    with pytest.raises(AutodasError, match="has no annotations in the layout of COCO"):
        open_boxes(f"coco:{tmp_path}")
    (tmp_path / "train.json").write_text(json.dumps(coco_document(TRAIN)))
    with pytest.raises(AutodasError, match="has no split 'test' or 'val'; there are: train"):
        open_boxes(f"coco:{tmp_path}")
