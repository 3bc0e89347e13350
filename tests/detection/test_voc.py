"""Images with boxes in the layout of Pascal VOC."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.detection.conftest import TRAIN, write_voc, xml

from autodas.detection import open_boxes, open_test_boxes
from autodas.detection_options import BoxDataOptions
from autodas.errors import AutodasError


def test_boxes_classes_and_splits(voc: Path) -> None:
    data = open_boxes(f"voc:{voc}")
    assert data.classes == ("cell", "spot")
    assert [image.key for image in data.train] == ["a", "b", "c", "d", "e"]
    assert [image.key for image in data.test] == ["t", "u"]
    first = data.train[0]
    # In the file: 11, 21, 30, 40 and 51, 6, 60, 15, counted from 1 and with the last pixel.
    assert first.boxes.tolist() == [[10, 20, 30, 40], [50, 5, 60, 15]]
    assert first.labels.tolist() == [0, 1]
    assert (first.width, first.height) == (80, 60)
    assert data.train[2].boxes.shape == (0, 4)
    assert data.notes == ("split 'trainval': 1 image has no boxes: background",)


def test_a_box_of_one_pixel(voc: Path) -> None:
    (voc / "Annotations/b.xml").write_text(xml(80, 60, [("spot", 79, 59, 80, 60)]))
    assert open_boxes(f"voc:{voc}").train[1].boxes.tolist() == [[79, 59, 80, 60]]


def test_difficult_objects_are_ignored(voc: Path) -> None:
    (voc / "Annotations/a.xml").write_text(xml(80, 60, TRAIN["a"], difficult=[1]))
    assert open_boxes(f"voc:{voc}").train[0].ignored.tolist() == [False, True]


def test_chosen_splits(tmp_path: Path) -> None:
    images = {name: {f"{name}{i}": TRAIN["a"] for i in range(2)} for name in ("train", "val", "fold_1")}
    folder = write_voc(tmp_path / "voc", images)
    assert [image.key for image in open_boxes(f"voc:{folder}").test] == ["val0", "val1"]
    swapped = open_boxes(f"voc:{folder}", BoxDataOptions(train_split="val", test_split="train"))
    assert [image.key for image in swapped.train] == ["val0", "val1"]
    with pytest.raises(AutodasError, match=r"has no split 'tset'; there are: train, val$"):
        open_boxes(f"voc:{folder}", BoxDataOptions(test_split="tset"))
    with pytest.raises(AutodasError, match="'val' cannot be both trained and tested on"):
        open_boxes(f"voc:{folder}", BoxDataOptions(train_split="val"))


def test_boxes_beyond_the_image_are_clipped(voc: Path) -> None:
    (voc / "Annotations/b.xml").write_text(xml(80, 60, [("cell", -3, 10, 90, 61), ("cell", 0, 0, 5, 5)]))
    data = open_boxes(f"voc:{voc}")
    assert data.train[1].boxes.tolist() == [[0, 10, 80, 60], [0, 0, 5, 5]]
    assert f"1 box reached out of the image, such as in {voc}/Annotations/b.xml" in data.notes[0]


def test_images_may_have_another_ending_or_name(voc: Path) -> None:
    (voc / "JPEGImages/a.png").rename(voc / "JPEGImages/picture-1.png")
    text = (voc / "Annotations/a.xml").read_text()
    named = text.replace("<annotation>", "<annotation><filename>C:/x/picture-1.png</filename>")
    (voc / "Annotations/a.xml").write_text(named.replace("C:/x/", "x/"))
    assert open_boxes(f"voc:{voc}").train[0].path.endswith("picture-1.png")


def break_xml(text: str) -> Callable[[Path], None]:
    return lambda voc: (voc / "Annotations/b.xml").write_text(text) and None


LAUGHS = (
    '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><annotation><size><width>80</width>'
    "<height>60</height></size><object><name>&b;</name></object></annotation>"
)
OUTSIDE = '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]><annotation>&a;</annotation>'


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (break_xml(""), r"b\.xml: is empty"),
        (break_xml("<annotation><size>"), r"b\.xml: is not XML, or truncated"),
        (break_xml("\x00\x01"), r"b\.xml: is not XML, or truncated"),
        (break_xml(LAUGHS), r"b\.xml: has a document type"),
        (break_xml(OUTSIDE), r"b\.xml: has a document type"),
        (break_xml("<html></html>"), r"b\.xml: <annotation> is expected, found <html>"),
        (break_xml("<annotation></annotation>"), r"b\.xml: <size/width> is missing"),
        (break_xml(xml(0, 60, [])), r"b\.xml: an image of 0 x 60 pixels"),
        (break_xml(xml(80, 60, [("", 1, 1, 5, 5)])), r"b\.xml, object 1: <name> is missing"),
        (
            break_xml(xml(80, 60, [("cell", 1, 1, 5, 5)]).replace("<xmax>5", "<xmax>x")),
            "a number is expected",
        ),
        (break_xml(xml(80, 60, [("cell", 1, 1, 5, 5)]).replace("<xmax>5", "<xmax>nan")), "not a finite"),
        (break_xml(xml(80, 60, [("cell", 9, 1, 5, 5)])), r"b\.xml: the box of 'cell' .* has no area"),
        (break_xml(xml(80, 60, [("cell", 5, 1, 5, 5)])), r"b\.xml: the box of 'cell' .* has no area"),
        (break_xml(xml(80, 60, [("cell", 85, 1, 95, 5)])), r"b\.xml: .* lies outside the image of 80 x 60"),
        (lambda voc: (voc / "JPEGImages/b.png").unlink(), r"b\.xml: its image is missing"),
        (lambda voc: (voc / "Annotations/b.xml").unlink(), r"b\.xml: cannot be read"),
    ],
)
def test_wrong_annotations(voc: Path, change: Callable[[Path], None], expected: str) -> None:
    change(voc)
    with pytest.raises(AutodasError, match=expected) as caught:
        open_boxes(f"voc:{voc}")
    assert "\n" not in str(caught.value)
    assert "`data.max_bad`" in str(caught.value)
    # One of five: with that share allowed, the others are read.
    data = open_boxes(f"voc:{voc}", BoxDataOptions(max_bad=0.2))
    assert [image.key for image in data.train] == ["a", "c", "d", "e"]
    assert "left out 1 of 5 images: " in " ".join(data.notes)
    assert len(data.bad) == 1


def test_wrong_folders(tmp_path: Path, voc: Path) -> None:
    with pytest.raises(AutodasError, match=r"unknown data set 'vco'.*did you mean 'voc'"):
        open_boxes(f"vco:{voc}")
    with pytest.raises(AutodasError, match=f"write voc:{voc} or coco:{voc}"):
        open_boxes(str(voc))
    with pytest.raises(AutodasError, match="there is no folder 'nowhere'"):
        open_boxes("voc:nowhere")
    with pytest.raises(AutodasError, match="has no folder ImageSets/Main"):
        open_boxes(f"voc:{tmp_path}")
    (voc / "ImageSets/Main/test.txt").write_text("\n")
    with pytest.raises(AutodasError, match="split 'test' has no images"):
        open_boxes(f"voc:{voc}")
    (voc / "ImageSets/Main/test.txt").write_text("../../secret\n")
    with pytest.raises(AutodasError, match="is not the name of an image"):
        open_boxes(f"voc:{voc}")


def test_nothing_but_background(voc: Path) -> None:
    for name in "tu":
        (voc / f"Annotations/{name}.xml").write_text(xml(80, 60, []))
    with pytest.raises(AutodasError, match="split 'test' has no boxes"):
        open_boxes(f"voc:{voc}")


def test_a_class_that_only_the_test_has(voc: Path) -> None:
    (voc / "Annotations/t.xml").write_text(xml(80, 60, [("blob", 1, 1, 5, 5)]))
    with pytest.raises(AutodasError, match=r"t\.xml: class 'blob' is unknown; known: cell, spot"):
        open_boxes(f"voc:{voc}", BoxDataOptions(max_bad=1.0))


def test_a_test_with_the_classes_of_a_detector(voc: Path) -> None:
    data = open_test_boxes(f"voc:{voc}", ["other", "spot", "cell"])
    assert data.train == ()
    assert [image.labels.tolist() for image in data.test] == [[2], [1, 2]]
    with pytest.raises(AutodasError, match="class 'cell' is unknown"):
        open_test_boxes(f"voc:{voc}", ["spot"])


def test_fingerprints_know_the_boxes(voc: Path) -> None:
    before = open_boxes(f"voc:{voc}").fingerprint
    assert before == open_boxes(f"voc:{voc}").fingerprint
    (voc / "Annotations/b.xml").write_text(xml(80, 60, [("cell", 0, 0, 40, 31)]))
    after = open_boxes(f"voc:{voc}").fingerprint
    assert before["train"]["hash"] != after["train"]["hash"]
    assert before["test"] == after["test"]


def test_an_image_in_both_splits_is_noted(voc: Path) -> None:
    (voc / "ImageSets/Main/test.txt").write_text("t\na\n")
    assert "images both trained and tested on: 1, such as" in " ".join(open_boxes(f"voc:{voc}").notes)


def test_real_data(shared_data: Callable[[str], Path]) -> None:
    data = open_boxes(f"voc:{shared_data('bccd')}")
    assert (len(data.train), len(data.test)) == (292, 72)
    assert data.classes == ("Platelets", "RBC", "WBC")
    counts = [np.bincount(np.concatenate([i.labels for i in s])).tolist() for s in (data.train, data.test)]
    assert counts == [[292, 3350, 301], [69, 805, 71]]  # counted in the files by other means
    assert Image.open(data.train[0].path).size == (data.train[0].width, data.train[0].height)
