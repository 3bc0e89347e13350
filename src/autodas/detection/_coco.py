"""Images with boxes in the layout of COCO."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from autodas.detection._images import RawBox, RawImage
from autodas.errors import AutodasError
from autodas.limits import MOST_CLASSES
from autodas.reading import (
    MEBIBYTE,
    TEXT,
    Fields,
    Is,
    Items,
    Number,
    Row,
    Whole,
    parse_json,
    read_bytes,
    shown,
)

_LARGEST = 2048 * MEBIBYTE
_MANY = 100_000_000
_ANY = Is((dict,), "an object")
_FILE = Fields(
    {
        "images": Items(_ANY, high=_MANY),
        "annotations": Items(_ANY, high=_MANY),
        "categories": Items(Fields({"id": Whole(), "name": TEXT}), 1, MOST_CLASSES),
    }
)
_IMAGE = Fields({"id": Whole(), "file_name": TEXT, "width": Whole(), "height": Whole()})
_PLACE = Fields({"image_id": Whole()})
_BOX = Fields({"category_id": Whole(), "bbox": Row((Number(),) * 4)})
_PREFIX, _WITHIN = "instances_", "_annotations.coco"


class CocoAnnotations:
    """Images with boxes in the layout of COCO (Lin and others 2014).

    A split is a file ``annotations/instances_SPLIT.json`` (also without the folder or ``instances_``, or
    ``SPLIT/_annotations.coco.json``). Its images are in ``SPLIT``, ``images/SPLIT``, ``images``, beside the
    file or in the folder itself. Groups of objects (``iscrowd``) are ignored, as by the metric of COCO.

    Args:
        folder: folder of the data.

    Raises:
        AutodasError: if there is no such file.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        found = [*self.folder.glob("annotations/*.json"), *self.folder.glob("*.json")]
        self._files = {path.stem.removeprefix(_PREFIX): path for path in sorted(found)}
        for path in sorted(self.folder.glob(f"*/{_WITHIN}.json")):
            self._files[path.parent.name] = path
        if not self._files:
            raise AutodasError(
                f"{folder}: has no annotations in the layout of COCO; files annotations/instances_SPLIT.json "
                "are expected"
            )
        self.splits = tuple(self._files)
        self._read = cache(self._document)

    def classes(self, split: str) -> tuple[str, ...]:
        """Return the names of the categories, in the order of their numbers."""
        return tuple(self._categories(split).values())

    def images(self, split: str) -> Sequence[Callable[[], RawImage]]:
        """Return a function for each image, which raises AutodasError if its annotation is wrong."""
        where, document = self._files[split], self._read(split)
        known = set()
        for number, image in enumerate(document["images"]):
            _IMAGE.check(image, f"{where}: images[{number}]")
            if image["id"] in known:
                raise AutodasError(f"{where}: images[{number}]: there are two images with id {image['id']}")
            known.add(image["id"])
        boxes: dict[int, list[tuple[int, Mapping[str, Any]]]] = defaultdict(list)
        for number, box in enumerate(document["annotations"]):
            place = f"{where}: annotations[{number}]"
            _PLACE.check(box, place)
            if box["image_id"] not in known:
                raise AutodasError(f"{place}: image_id {box['image_id']} is that of no image")
            boxes[box["image_id"]].append((number, box))
        root = self._root(split, [image["file_name"] for image in document["images"]])
        names = self._categories(split)
        return [
            partial(_image, where, root, image, boxes[image["id"]], names) for image in document["images"]
        ]

    def _document(self, split: str) -> dict[str, Any]:
        path = self._files[split]
        content = read_bytes(path, _LARGEST)
        if not content.strip():
            raise AutodasError(f"{path}: is empty")
        document: dict[str, Any] = parse_json(content, str(path))
        _FILE.check(document, str(path))
        return document

    def _categories(self, split: str) -> dict[int, str]:
        categories = self._read(split)["categories"]
        names = {each["id"]: each["name"] for each in sorted(categories, key=lambda each: each["id"])}
        if len(names) < len(categories) or len(set(names.values())) < len(names):
            raise AutodasError(f"{self._files[split]}: two categories have the same id or name")
        return names

    def _root(self, split: str, names: Sequence[str]) -> Path:
        """Return the folder with the images: the first place that has one of the first few of them."""
        beside = self._files[split].parent
        places = [self.folder / split, self.folder / "images" / split, self.folder / "images", beside]
        for place in (*places, self.folder):
            if any(os.path.isfile(place / name) for name in names[:10]):
                return place
        shown = ", ".join(map(str, places[:3]))
        raise AutodasError(f"{self._files[split]}: its images were not found; they are expected in {shown}")


def _image(
    where: Path,
    root: Path,
    image: Mapping[str, Any],
    boxes: Sequence[tuple[int, Mapping[str, Any]]],
    names: Mapping[int, str],
) -> RawImage:
    label = f"{where}, image '{image['file_name']}'"
    path = os.path.normpath(root / image["file_name"])
    if not path.startswith(os.path.normpath(root) + os.sep):
        raise AutodasError(f"{label}: lies outside the folder of the images")
    if not os.path.isfile(path):
        raise AutodasError(f"{label}: is missing: {path}")
    found = []
    for number, box in boxes:
        place = f"{where}: annotations[{number}]"
        _BOX.check(box, place)
        if box["category_id"] not in names:
            raise AutodasError(f"{place}: category_id {box['category_id']} is that of no category")
        crowd = box.get("iscrowd", 0)
        if crowd not in (0, 1):
            raise AutodasError(f"{place}: iscrowd: 0 or 1 is expected, found {shown(crowd)}")
        left, top, width, height = map(float, box["bbox"])
        corners = (left, top, left + width, top + height)
        found.append(RawBox(names[box["category_id"]], corners, bool(crowd)))
    size = image["width"], image["height"]
    return RawImage(image["file_name"], path, label, *size, tuple(found))
