"""Images with boxes in the layout of Pascal VOC."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from xml.etree.ElementTree import Element

from autodas.data import image_endings
from autodas.detection._images import RawBox, RawImage
from autodas.detection._xml import read_xml
from autodas.errors import AutodasError
from autodas.reading import MEBIBYTE, read_text

_LISTS, _BOXES, _IMAGES = "ImageSets/Main", "Annotations", "JPEGImages"


class VocAnnotations:
    """Images with boxes in the layout of Pascal VOC (Everingham and others 2010).

    Splits are the lists ``ImageSets/Main/SPLIT.txt``, boxes are in ``Annotations/NAME.xml``, images in
    ``JPEGImages``. Pixels are counted from 1, and the last ones belong to the box, so that a box of
    ``xmin == xmax`` is one pixel wide. Objects marked ``difficult`` are ignored, as by the metric of VOC.

    Args:
        folder: folder of the data.

    Raises:
        AutodasError: if it does not have that layout.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        for name in (_LISTS, _BOXES, _IMAGES):
            if not os.path.isdir(self.folder / name):
                raise AutodasError(
                    f"{folder}: has no folder {name}; data in the layout of Pascal VOC have {_LISTS}, "
                    f"{_BOXES} and {_IMAGES}"
                )
        names = sorted(os.listdir(self.folder / _LISTS))
        # Lists such as cat_train.txt say which images show a class.
        self.splits = tuple(
            name.removesuffix(".txt") for name in names if name.endswith(".txt") and "_" not in name
        )
        self._endings = ("", *image_endings())

    def classes(self, split: str) -> None:
        """Return ``None``: VOC declares no classes."""

    def images(self, split: str) -> Sequence[Callable[[], RawImage]]:
        """Return a function for each image, which raises AutodasError if its annotation is wrong."""
        path = self.folder / _LISTS / f"{split}.txt"
        lines = read_text(path, 64 * MEBIBYTE).splitlines()
        names = [line.split()[0] for line in lines if line.strip()]
        for name in names:
            if Path(name).name != name:
                raise AutodasError(f"{path}: '{name}' is not the name of an image")
        return [partial(self._image, name) for name in dict.fromkeys(names)]

    def _image(self, name: str) -> RawImage:
        where = str(self.folder / _BOXES / f"{name}.xml")
        root = read_xml(where)
        if root.tag != "annotation":
            raise AutodasError(f"{where}: <annotation> is expected, found <{root.tag}>")
        width, height = (_whole(root, f"size/{side}", where) for side in ("width", "height"))
        boxes = tuple(_box(each, f"{where}, object {i}") for i, each in enumerate(root.findall("object"), 1))
        return RawImage(name, self._path(name, root, where), where, width, height, boxes)

    def _path(self, name: str, root: Element, where: str) -> str:
        """Return the image file: that with the name of the annotation, else the one that it names."""
        folder = self.folder / _IMAGES
        stated = Path(root.findtext("filename", "").strip()).name
        names = [f"{name}{ending}" for ending in self._endings] + [stated] * bool(stated)
        found = next((str(folder / each) for each in names if os.path.isfile(folder / each)), None)
        if found is None:
            raise AutodasError(f"{where}: its image is missing: {folder / (stated or name)}")
        return found


def _box(element: Element, where: str) -> RawBox:
    name = element.findtext("name", "").strip()
    if not name:
        raise AutodasError(f"{where}: <name> is missing")
    left, top, right, bottom = (
        _number(element, f"bndbox/{edge}", where) for edge in ("xmin", "ymin", "xmax", "ymax")
    )
    return RawBox(name, (left - 1, top - 1, right, bottom), element.findtext("difficult", "0").strip() == "1")


def _number(element: Element, place: str, where: str) -> float:
    text = element.findtext(place)
    if text is None:
        raise AutodasError(f"{where}: <{place}> is missing")
    try:
        return float(text)
    except ValueError:
        raise AutodasError(f"{where}: <{place}>: a number is expected, found '{text.strip()[:60]}'") from None


def _whole(element: Element, place: str, where: str) -> int:
    number = _number(element, place, where)
    if not number.is_integer():  # also infinite, or not a number
        raise AutodasError(f"{where}: <{place}>: a whole number is expected, found {number:g}")
    return int(number)
