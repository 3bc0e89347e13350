"""From a name to a data set of images with boxes."""

from __future__ import annotations

import hashlib
import math
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from autodas.data.files._content import MOST, content_of_file
from autodas.detection._coco import CocoAnnotations
from autodas.detection._images import (
    AnnotatedImage,
    Annotations,
    RawImage,
    UnknownClassError,
    checked_image,
    chosen_split,
)
from autodas.detection._voc import VocAnnotations
from autodas.detection_options import LAYOUTS, BoxDataOptions, BoxTestOptions
from autodas.errors import AutodasError, nearest

_READERS: tuple[Callable[[str], Annotations], ...] = (VocAnnotations, CocoAnnotations)  # in order of LAYOUTS
_TRAIN, _TEST = ("trainval", "train"), ("test", "val")


@dataclass(frozen=True)
class DetectionDataset:
    """Images with boxes, to train and to test on.

    Args:
        name: name under which the data were opened.
        classes: name of each class.
        train: the images to train on; none if they are missing.
        test: the images to test on.
        notes: remarks on the data, in sentences.
        bad: images that were left out, each with the reason.
        splits: names of the splits that were read.
    """

    name: str
    classes: tuple[str, ...]
    train: tuple[AnnotatedImage, ...]
    test: tuple[AnnotatedImage, ...]
    notes: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()
    splits: Mapping[str, str] = field(default_factory=dict)

    what = "images"
    """Noun for the samples in messages."""

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        """Plain data that identify the data set, as of :class:`~autodas.ImageDataset`."""
        return {
            "name": self.name,
            "classes": list(self.classes),
            "options": dict(self.splits),
            "pixels": {"channels": 3},
            "train": _of_split(self.train),
            "test": _of_split(self.test),
        }


def open_boxes(name: str, options: BoxDataOptions | None = None) -> DetectionDataset:
    """Open images with boxes to train and to test on.

    Boxes that reach out of their image are clipped, which is noted.

    Args:
        name: ``voc:PATH`` or ``coco:PATH``.
        options: which splits are read, and how many images may be left out.

    Raises:
        AutodasError: if there are no such data or splits, an annotation is wrong (the message names its
            file), or a split has no boxes.
    """
    options = options or BoxDataOptions()
    source = _source(name)
    train = chosen_split(source.splits, options.train_split, _TRAIN, name)
    test = chosen_split(source.splits, options.test_split, _TEST, name)
    if train == test:
        raise AutodasError(f"{name}: split '{train}' cannot be both trained and tested on")
    reader = _Reader(source, options)
    raw = reader.raw(train)
    classes = source.classes(train) or tuple(sorted({box.name for image in raw for box in image.boxes}))
    images = reader.checked(raw, classes, train)
    _check_boxes(images, name, train)
    tested = reader.checked(reader.raw(test), classes, test)
    _check_boxes(tested, name, test)
    both = {image.path for image in images} & {image.path for image in tested}
    notes = reader.notes
    if both:
        notes.append(f"images both trained and tested on: {len(both)}, such as {min(both)}")
    return DetectionDataset(
        name, classes, images, tested, tuple(notes), tuple(reader.bad), {"train": train, "test": test}
    )


def open_test_boxes(
    name: str, known: Sequence[str], options: BoxTestOptions | None = None
) -> DetectionDataset:
    """Open images with boxes to evaluate a detector on them: no images to train on are read.

    Args:
        name, options: as in :func:`open_boxes`.
        known: classes of the detector; labels are their indices.

    Raises:
        AutodasError: as in :func:`open_boxes`, and if there are boxes of another class.
    """
    options = options or BoxTestOptions()
    source, classes = _source(name), tuple(known)
    test = chosen_split(source.splits, options.test_split, _TEST, name)
    reader = _Reader(source, options)
    tested = reader.checked(reader.raw(test), classes, test)
    _check_boxes(tested, name, test)
    return DetectionDataset(name, classes, (), tested, tuple(reader.notes), tuple(reader.bad), {"test": test})


def _check_boxes(images: Sequence[AnnotatedImage], name: str, split: str) -> None:
    if all(image.ignored.all() for image in images):
        raise AutodasError(f"{name}: split '{split}' has no boxes: there is nothing to learn, or to measure")


def _source(name: str) -> Annotations:
    kind, _, folder = name.partition(":")
    if kind not in LAYOUTS:
        if os.path.isdir(name):
            raise AutodasError(f"'{name}' is a path, not a data set: write voc:{name} or coco:{name}")
        raise AutodasError(
            f"unknown data set '{kind}' for detection, which needs boxes{nearest(kind, list(LAYOUTS))}"
        )
    if not os.path.isdir(folder):
        raise AutodasError(f"{name}: there is no folder '{folder}'; write {kind}:PATH")
    return _READERS[LAYOUTS.index(kind)](folder)


class _Reader:
    """Reader of splits, which counts what is wrong and what was mended.

    Args:
        source: the annotations.
        options: how many images may be left out.
    """

    def __init__(self, source: Annotations, options: BoxTestOptions) -> None:
        self.source, self.options = source, options
        self.bad: list[str] = []
        self.notes: list[str] = []

    def raw(self, split: str) -> list[RawImage]:
        """Return the images of a split as in their files, without those that are left out."""
        readers = self.source.images(split)
        if not readers:
            raise AutodasError(f"split '{split}' has no images")
        return self._kept(readers, lambda read: read(), len(readers))

    def checked(
        self, raw: Sequence[RawImage], classes: Sequence[str], split: str
    ) -> tuple[AnnotatedImage, ...]:
        """Return the images of a split with checked boxes, without those that are left out."""
        numbers = {name: number for number, name in enumerate(classes)}
        found = self._kept(raw, lambda image: checked_image(image, numbers), len(raw))
        clipped = [(image.where, count) for image, count in found if count]
        if clipped:
            count = sum(count for _, count in clipped)
            boxes = "1 box reached" if count == 1 else f"{count} boxes reached"
            self.notes.append(
                f"split '{split}': {boxes} out of the image, such as in {clipped[0][0]}: clipped"
            )
        empty = sum(not len(image.boxes) for image, _ in found)
        if empty:
            images = "image has" if empty == 1 else "images have"
            self.notes.append(f"split '{split}': {empty} {images} no boxes: background")
        return tuple(image for image, _ in found)

    def _kept(self, items: Sequence[Any], of: Callable[[Any], Any], count: int) -> list[Any]:
        """Return the results for items, and leave out as many wrong ones as allowed."""
        found, bad = [], []
        for item in items:
            try:
                found.append(of(item))
            except UnknownClassError:
                raise
            except AutodasError as error:
                bad.append(str(error))
                if len(bad) > math.floor(self.options.max_bad * count):
                    hint = "repair it, or allow some images to be left out with `data.max_bad`"
                    more = f" ({len(bad)} of {count} images so far)" if len(bad) > 1 else ""
                    raise AutodasError(f"{error}{more}: {hint}") from error
        if bad:
            self.notes.append(f"left out {len(bad)} of {count} images: {'; '.join(bad[:3])}")
        self.bad += bad
        return found


def _of_split(images: Sequence[AnnotatedImage]) -> dict[str, Any]:
    hashed = len(images) <= MOST
    samples = []
    for image in images:
        digest = hashlib.blake2b(digest_size=7)
        for array in (image.boxes, image.labels, image.ignored):
            digest.update(array.tobytes())
        # The boxes, as one number: another one means other boxes.
        number = int.from_bytes(digest.digest())
        samples.append([image.key, number, *content_of_file(image.path, beginning=hashed)])
    counts = Counter(label for image in images for label in image.labels.tolist())
    whole = hashlib.blake2b(repr(samples).encode("utf-8", "surrogateescape"), digest_size=16)
    return {
        "count": len(images),
        "per_class": [counts[label] for label in range(max(counts, default=-1) + 1)],
        "hash": whole.hexdigest(),
        "samples": samples if len(samples) <= 100_000 else None,
    }
