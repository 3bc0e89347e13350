"""Images with boxes in the layouts that users have, a few of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Box = tuple[str, float, float, float, float]
"""Class, left, top, right and bottom edge in pixels from 0, as in tests; files have their own conventions."""

COLOURS = {"cell": (200, 40, 40), "spot": (40, 40, 200)}


def paint(width: int, height: int, boxes: Sequence[Box], seed: int = 0) -> Image.Image:
    """Return noise with a coloured rectangle for each box."""
    pixels = np.random.default_rng(seed).integers(90, 160, (height, width, 3), dtype=np.uint8)
    for name, left, top, right, bottom in boxes:
        pixels[int(top) : int(bottom), int(left) : int(right)] = COLOURS.get(name, (0, 160, 0))
    return Image.fromarray(pixels)


def xml(width: int, height: int, boxes: Sequence[Box], difficult: Sequence[int] = ()) -> str:
    """Return the annotation of an image as in Pascal VOC, which counts pixels from 1."""
    objects = "".join(
        f"<object><name>{name}</name><difficult>{int(number in difficult)}</difficult><bndbox>"
        f"<xmin>{left + 1}</xmin><ymin>{top + 1}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax>"
        "</bndbox></object>"
        for number, (name, left, top, right, bottom) in enumerate(boxes)
    )
    return f"<annotation><size><width>{width}</width><height>{height}</height></size>{objects}</annotation>"


def write_voc(
    folder: Path, splits: Mapping[str, Mapping[str, Sequence[Box]]], width: int = 80, height: int = 60
) -> Path:
    """Write images in the layout of Pascal VOC: split, name of the image, boxes."""
    for name in ("ImageSets/Main", "Annotations", "JPEGImages"):
        (folder / name).mkdir(parents=True)
    for split, images in splits.items():
        (folder / f"ImageSets/Main/{split}.txt").write_text("".join(f"{name}\n" for name in images))
        for seed, (name, boxes) in enumerate(images.items()):
            (folder / f"Annotations/{name}.xml").write_text(xml(width, height, boxes))
            paint(width, height, boxes, seed).save(folder / f"JPEGImages/{name}.png")
    return folder


def coco_document(images: Mapping[str, Sequence[Box]], width: int = 80, height: int = 60) -> dict[str, Any]:
    """Return annotations as in COCO; the numbers of classes and images do not begin at 0."""
    classes = {"cell": 7, "spot": 3}
    boxes = [(number, *box) for number, own in enumerate(images.values(), start=100) for box in own]
    return {
        "images": [
            {"id": number, "file_name": f"{name}.png", "width": width, "height": height}
            for number, name in enumerate(images, start=100)
        ],
        "annotations": [
            {
                "id": number,
                "image_id": image,
                "category_id": classes[name],
                "bbox": [left, top, right - left, bottom - top],
                "area": (right - left) * (bottom - top),
                "iscrowd": 0,
            }
            for number, (image, name, left, top, right, bottom) in enumerate(boxes)
        ],
        "categories": [{"id": number, "name": name} for name, number in classes.items()],
    }


def write_coco(folder: Path, splits: Mapping[str, Mapping[str, Sequence[Box]]]) -> Path:
    """Write images in the layout of COCO: split, name of the image, boxes."""
    (folder / "annotations").mkdir(parents=True)
    for split, images in splits.items():
        (folder / split).mkdir()
        document = coco_document(images)
        (folder / f"annotations/instances_{split}.json").write_text(json.dumps(document))
        for seed, (name, boxes) in enumerate(images.items()):
            paint(80, 60, boxes, seed).save(folder / split / f"{name}.png")
    return folder


TRAIN: dict[str, list[Box]] = {
    "a": [("cell", 10, 20, 30, 40), ("spot", 50, 5, 60, 15)],
    "b": [("cell", 0, 0, 40, 30)],
    "c": [],
    "d": [("spot", 70, 50, 80, 60), ("spot", 20, 20, 30, 30)],
    "e": [("cell", 30, 10, 70, 50)],
}
TEST: dict[str, list[Box]] = {
    "t": [("cell", 20, 10, 50, 40)],
    "u": [("spot", 5, 5, 20, 20), ("cell", 40, 20, 75, 55)],
}


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    """Five images to train and two to test on, in the layout of Pascal VOC."""
    return write_voc(tmp_path / "voc", {"trainval": TRAIN, "test": TEST})


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """The same in the layout of COCO."""
    return write_coco(tmp_path / "coco", {"train2017": TRAIN, "val2017": TEST})
