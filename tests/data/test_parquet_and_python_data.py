from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from autodas.data import changes, open_dataset, open_test_set, read_image
from autodas.data_options import DataOptions
from autodas.errors import AutodasError


def encode(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


Write = Callable[..., None]


@pytest.fixture
def write(picture: Callable[..., Image.Image]) -> Write:
    """Writes a Parquet file; ``row4=b"..."`` replaces the bytes of an image."""

    def make(
        path: Path,
        labels: list[Any],
        *,
        names: list[str] | None = None,
        columns: tuple[str, str] = ("image", "label"),
        **replaced: Any,
    ) -> None:
        images = [{"bytes": encode(picture(i)), "path": f"{i}.png"} for i in range(len(labels))]
        for row, value in replaced.items():
            images[int(row[3:])]["bytes"] = value
        table = pa.table({columns[0]: images, columns[1]: labels})
        if names is not None:
            features = {columns[0]: {"_type": "Image"}, columns[1]: {"_type": "ClassLabel", "names": names}}
            table = table.replace_schema_metadata(
                {"huggingface": json.dumps({"info": {"features": features}})}
            )
        path.parent.mkdir(exist_ok=True)
        pq.write_table(table, path, row_group_size=3)

    return make


@pytest.mark.parametrize("storage", ["memory", "stream"])
def test_parquet_splits_with_names(
    write: Write, picture: Callable[..., Image.Image], tmp_path: Path, storage: str
) -> None:
    write(tmp_path / "train-0.parquet", [0, 1, 0, 1], names=["cat", "dog"])
    write(tmp_path / "train-1.parquet", [1, 0, 1], names=["cat", "dog"])
    write(tmp_path / "test-0.parquet", [1, 0], names=["cat", "dog"])
    data = open_dataset(f"parquet:{tmp_path}", storage=storage)
    assert data.classes == ("cat", "dog")
    assert data.train.labels.tolist() == [0, 1, 0, 1, 1, 0, 1]
    assert data.test.labels.tolist() == [1, 0]
    for i, seed in enumerate([0, 1, 2, 3, 0, 1, 2]):
        np.testing.assert_array_equal(data.train.read(i), np.asarray(picture(seed)))
    assert data.train.describe(5) == f"{tmp_path / 'train-1.parquet'} row 1 (1.png)"
    told = "fewer than 10 training images in 2 of 2 classes: cat, dog"
    assert [note for note in data.notes if "byte for byte" not in note] == [told]


def test_parquet_without_metadata(write: Write, tmp_path: Path) -> None:
    write(tmp_path / "all.parquet", ["dog", "cat"] * 10, columns=("img", "fine_label"))
    for name in (tmp_path, tmp_path / "all.parquet"):
        data = open_dataset(f"parquet:{name}")
        assert data.classes == ("cat", "dog")
        assert len(data.train) + len(data.test) == 20
        assert (np.bincount(data.test.labels) >= 1).all()
        assert "split about 80/20" in data.notes[0]


def test_labels_of_files_are_matched_by_name(write: Write, tmp_path: Path) -> None:
    write(tmp_path / "train-0.parquet", [0, 1, 1], names=["cat", "dog"])
    write(tmp_path / "train-1.parquet", [0, 1, 2], names=["dog", "bird", "cat"])
    write(tmp_path / "test-0.parquet", [0, 1, 2], names=["dog", "cat", "bird", "cow"])
    data = open_dataset(f"parquet:{tmp_path}")
    assert data.classes == ("cat", "dog", "bird")
    assert data.train.labels.tolist() == [0, 1, 1, 1, 2, 0]
    assert data.test.labels.tolist() == [1, 0, 2]
    write(tmp_path / "test-1.parquet", ["cow", "dog"], names=["dog", "cow"])
    assert open_test_set(f"parquet:{tmp_path}", ("cow", "bird", "cat", "dog")).test.labels.tolist() == [
        *(3, 2, 1),
        *(0, 3),
    ]
    with pytest.raises(
        AutodasError,
        match=r"label 'cow' is not one of the 3 classes of the training images \(cat, dog, bird\); "
        "the test images have the classes dog, cat, bird, cow",
    ):
        open_dataset(f"parquet:{tmp_path}")


def test_numbers_with_names_in_some_files_only_are_refused(write: Write, tmp_path: Path) -> None:
    write(tmp_path / "train-0.parquet", [0, 1, 1], names=["cat", "dog"])
    write(tmp_path / "train-1.parquet", [0, 1, 1])
    with pytest.raises(
        AutodasError, match=r"train-0.parquet has names .*train-1.parquet has numbers without names"
    ):
        open_dataset(f"parquet:{tmp_path}")
    write(tmp_path / "train-1.parquet", ["dog", "cat", "cat"])
    write(tmp_path / "test.parquet", ["dog", "cat", "cat"])
    assert open_dataset(f"parquet:{tmp_path}").train.labels.tolist() == [0, 1, 1, 1, 0, 0]
    write(tmp_path / "train-1.parquet", [0, 2, -1], names=["dog", "cat"])
    with pytest.raises(AutodasError, match=r"train-1.parquet: labels out of range: -1, .* 2 classes"):
        open_dataset(f"parquet:{tmp_path}")


def test_names_of_files_that_are_no_utf8(write: Write, tmp_path: Path) -> None:
    write(tmp_path / "all.parquet", ["dog", "cat"] * 10)
    expected = open_dataset(f"parquet:{tmp_path}")
    place = tmp_path / os.fsdecode(b"\xff")
    place.mkdir()
    (tmp_path / "all.parquet").rename(place / os.fsdecode(b"\xe9.parquet"))
    for storage in ("memory", "stream"):
        data = open_dataset(f"parquet:{place}", storage=storage)
        np.testing.assert_array_equal(data.train.labels, expected.train.labels)
        np.testing.assert_array_equal(data.train.read(3), expected.train.read(3))


def test_every_file_of_a_folder_is_used_or_named(write: Write, tmp_path: Path) -> None:
    for name in ("train/0000.parquet", "train/0001.parquet", "Test/0000.parquet", "validation/0000.parquet"):
        (tmp_path / "folders" / name).parent.mkdir(parents=True, exist_ok=True)
        write(tmp_path / "folders" / name, [0, 1, 0])
    data = open_dataset(f"parquet:{tmp_path / 'folders'}")
    assert (len(data.train), len(data.test)) == (6, 3)
    assert data.notes[0].endswith("0000.parquet is not used: the test split is another one")
    write(tmp_path / "other/data.parquet", [0, 1] * 5)
    write(tmp_path / "other/test.parquet", [0, 1])
    data = open_dataset(f"parquet:{tmp_path / 'other'}")
    assert (len(data.train), len(data.test)) == (10, 2)
    assert data.notes[0].endswith("data.parquet is read to train with: its name means no split")
    write(tmp_path / "other/train.parquet", [0, 1] * 3)
    (tmp_path / "other/labels.json").touch()
    data = open_dataset(f"parquet:{tmp_path / 'other'}")
    assert (len(data.train), len(data.test)) == (6, 2)
    assert data.notes[:2] == (
        "1 file of unknown kind is ignored (.json 1)",
        f"{tmp_path / 'other'}: data.parquet is not used: its name means no split",
    )


def test_rows_with_paths_stay_in_their_split(write: Write, tmp_path: Path) -> None:
    write(tmp_path / "all.parquet", [0, 1] * 20)
    before = open_dataset(f"parquet:{tmp_path / 'all.parquet'}")
    table = pq.read_table(tmp_path / "all.parquet")
    pq.write_table(table.slice(3), tmp_path / "all.parquet")
    after = open_dataset(f"parquet:{tmp_path / 'all.parquet'}")
    assert set(before.test.keys or ()) - set(after.test.keys or ()) <= {"0.png", "1.png", "2.png"}
    assert set(after.test.keys or ()) <= set(before.test.keys or ())


def test_rows_with_the_path_of_another_row_move_none(write: Write, tmp_path: Path) -> None:
    path = tmp_path / "all.parquet"

    def sides(rows: pa.Table) -> dict[str, set[str]]:
        pq.write_table(rows, path)
        data = open_dataset(f"parquet:{path}")
        return {"train": set(data.train.keys or ()), "test": set(data.test.keys or ())}

    write(path, [0, 1] * 20)
    table = pq.read_table(path)
    before = sides(table)
    assert "7.png" in before["train"] | before["test"]
    after = sides(pa.concat_tables([table, table.slice(7, 1), table.slice(7, 1)]))
    assert {side: names - {"7.png#2", "7.png#3"} for side, names in after.items()} == before
    pathless = table.slice(0, 2).to_pylist()
    for row in pathless:
        row["image"]["path"] = None
    after = sides(pa.concat_tables([table, pa.Table.from_pylist(pathless, schema=table.schema)]))
    assert {side: names - {"#1", "#2"} for side, names in after.items()} == before
    assert sum(map(len, after.values())) == 42


def test_numbers_without_names_are_the_classes(write: Write, tmp_path: Path) -> None:
    write(tmp_path / "all.parquet", [3, 10] * 5)
    assert open_dataset(f"parquet:{tmp_path}").classes == ("3", "10")


@pytest.mark.parametrize("storage", ["memory", "stream"])
def test_parquet_bad_rows(write: Write, tmp_path: Path, storage: str) -> None:
    write(tmp_path / "train-0.parquet", [0, 1] * 4, names=["a", "b"], row4=b"nonsense", row5=None)
    write(tmp_path / "test-0.parquet", [0, 1], names=["a", "b"])
    with pytest.raises(AutodasError, match=r"2 of 10 images cannot be read, 1 are allowed .*row 4 \(4.png\)"):
        open_dataset(f"parquet:{tmp_path}", storage=storage)
    data = open_dataset(f"parquet:{tmp_path}", storage=storage, max_bad=0.2)
    assert data.train.labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert data.bad[1].endswith("the row contains no image bytes")


def test_parquet_errors(write: Write, tmp_path: Path) -> None:
    def fails(name: str, message: str) -> None:
        with pytest.raises(AutodasError, match=message) as caught:
            open_dataset(f"parquet:{tmp_path / name}")
        assert "\n" not in str(caught.value)

    (tmp_path / "none").mkdir()
    fails("none", r"no \*.parquet files in this folder")
    (tmp_path / "text.parquet").write_text("text")
    fails("text.parquet", "cannot be read as Parquet")
    write(tmp_path / "a" / "train.parquet", [0, 1], columns=("photo", "label"))
    fails("a", "no image column among photo, label: rename the column to 'image'")
    write(tmp_path / "b" / "train.parquet", [0, 1], columns=("image", "kind"))
    fails("b", "no label column among image, kind: rename the column to 'label'")
    write(tmp_path / "c" / "test.parquet", [0, 1])
    fails("c", "there are only test images, there is nothing to train with")
    write(tmp_path / "d" / "train.parquet", [0, 1, 0], names=["x", "y"])
    write(tmp_path / "d" / "test.parquet", [-1, -1], names=["x", "y"])
    fails("d", r"labels out of range: -1 in the test images.*without labels")
    write(tmp_path / "e" / "train.parquet", [0, 2, 0], names=["x", "y"])
    write(tmp_path / "e" / "test.parquet", [0, 1], names=["x", "y"])
    fails("e", r"labels out of range: 2 in the training images, but there are 2 classes, numbered 0\.\.1")
    write(tmp_path / "f" / "train.parquet", [0, 1])
    write(tmp_path / "f" / "test.parquet", [0, 5])
    fails("f", "label '5' is not one of the 2 classes")
    write(tmp_path / "g" / "train.parquet", [0, 1, None])
    fails("g", "1 rows have no label in column 'label'")
    write(tmp_path / "h" / "train.parquet", [0.5, float("nan"), 1.0])
    fails("h", "train.parquet, sample 1: 'label' is nan, a finite number is expected")


def test_counts_of_rows_that_disagree_are_damage(tmp_path: Path) -> None:
    """Each number of the file that may be the number of rows is made smaller, one at a time."""
    images = [{"bytes": encode(Image.new("L", (8, 8), i)), "path": f"{i}.png"} for i in range(24)]
    pq.write_table(
        pa.table({"image": images, "label": [i % 2 for i in range(24)]}), tmp_path / "whole.parquet"
    )
    whole = (tmp_path / "whole.parquet").read_bytes()
    places = [at for at in range(4, len(whole) - 8) if whole[at] == 2 * 24]  # as such files write it
    refused = []
    for at in places:
        path = tmp_path / "damaged.parquet"
        path.write_bytes(whole[:at] + bytes([2 * 14]) + whole[at + 1 :])
        try:
            open_dataset(f"parquet:{path}", max_bad=1.0)
        except AutodasError as error:
            refused.append(str(error))
    assert len(places) > 3
    assert any("damaged: 14 values in column 'image.path', but 24 rows" in message for message in refused)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str], Any]], str]:
    def make(function: Callable[[str], Any]) -> str:
        made = ModuleType("my_data")
        made.load = function  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "my_data", made)
        return "python:my_data:load"

    return make


class Items:
    """Pairs as torch data sets give them."""

    def __init__(self, images: list[Any], labels: list[Any], **attributes: Any) -> None:
        self.images, self.labels = images, labels
        self.__dict__.update(attributes)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if isinstance(self.images[index], Exception):
            raise self.images[index]
        return self.images[index], self.labels[index]


PIXELS = np.random.default_rng(0).integers(0, 256, (6, 9, 9, 3), dtype=np.uint8)
LABELS = [0, 1, 0, 1, 0, 1]


@pytest.mark.parametrize(
    "images",
    [
        list(PIXELS),
        [Image.fromarray(p) for p in PIXELS],
        [torch.from_numpy(p).permute(2, 0, 1) for p in PIXELS],
    ],
    ids=["arrays", "pillow", "tensors"],
)
@pytest.mark.parametrize("attributes", [{}, {"targets": LABELS, "classes": ["x", "y"]}])
@pytest.mark.parametrize("storage", ["memory", "stream"])
def test_python_items(module: Any, images: list[Any], attributes: dict[str, Any], storage: str) -> None:
    data = open_dataset(module(lambda split: Items(images, LABELS, **attributes)), storage=storage)
    assert data.classes == (("x", "y") if attributes else ("0", "1"))
    assert (data.image_size, data.channels) == (9, 3)
    assert data.train.labels.tolist() == LABELS
    for i in range(6):
        np.testing.assert_array_equal(data.train.read(i), PIXELS[i])
    if data.train.pixels is not None:
        np.testing.assert_array_equal(data.train.pixels.permute(0, 2, 3, 1).numpy(), PIXELS)


def test_python_arrays(module: Any) -> None:
    seen = []

    def load(split: str) -> Any:
        seen.append(split)
        return PIXELS[..., 0], LABELS, ["x", "y"]

    data = open_dataset(module(load))
    assert seen == ["train", "test"]
    assert (data.channels, data.classes) == (1, ("x", "y"))
    assert data.train.pixels is not None
    np.testing.assert_array_equal(data.train.pixels[:, 0].numpy(), PIXELS[..., 0])
    resized = open_dataset(module(lambda split: (torch.from_numpy(PIXELS), LABELS)), image_size=16)
    assert resized.image_size == 16


@pytest.mark.parametrize("items", [False, True])
def test_python_classes_are_matched_by_name(module: Any, items: bool) -> None:
    names = {"train": ["a", "b", "c"], "test": ["c", "a"]}
    labels = {"train": [0, 1, 2, 0, 1, 2], "test": [0, 1, 0, 1, 0, 1]}

    def load(split: str) -> Any:
        if items:
            return Items(list(PIXELS), labels[split], classes=names[split])
        return PIXELS, labels[split], names[split]

    data = open_dataset(module(load))
    assert data.classes == ("a", "b", "c")
    assert data.train.labels.tolist() == labels["train"]
    assert data.test.labels.tolist() == [2, 0, 2, 0, 2, 0]
    names["test"] = ["c", "x"]
    with pytest.raises(
        AutodasError,
        match=r"label 'x' is not one of the 3 classes .*\(a, b, c\); the test images have the classes c, x",
    ):
        open_dataset(module(load))
    assert open_test_set(module(load), ("x", "c")).test.labels.tolist() == [1, 0, 1, 0, 1, 0]


@pytest.mark.parametrize("named", ["train", "test"])
def test_python_names_in_one_split_are_those_of_both(module: Any, named: str) -> None:
    data = open_dataset(
        module(lambda split: (PIXELS, LABELS, ["x", "y"]) if split == named else (PIXELS, LABELS))
    )
    assert data.classes == ("x", "y")
    assert data.train.labels.tolist() == data.test.labels.tolist() == LABELS


def test_python_labels_that_the_training_images_lack(module: Any) -> None:
    function = module(lambda split: (PIXELS, LABELS if split == "train" else [0, 1, 2, 0, 1, 2]))
    assert open_test_set(function, ("2", "1", "0")).test.labels.tolist() == [2, 1, 0, 2, 1, 0]
    with pytest.raises(AutodasError, match="label '2' is not one of the 2 classes of the training images"):
        open_dataset(function)


def test_python_targets_that_are_not_the_labels_of_items(module: Any) -> None:
    turned = [1 - label for label in LABELS]
    assert (
        open_dataset(module(lambda split: Items(list(PIXELS), LABELS, targets=turned))).train.labels.tolist()
        == LABELS
    )
    # A rare class may be changed alone.
    images, labels = [np.zeros((8, 8), np.uint8)] * 200, [0, 1] * 100
    labels[77] = 0
    items = Items(images, labels, targets=[0, 1] * 100, target_transform=abs)
    assert open_dataset(module(lambda split: items)).train.labels.tolist() == labels


def test_python_targets_spare_the_reading_of_items(module: Any) -> None:
    read = []

    class Counted(Items):
        def __getitem__(self, index: int) -> tuple[Any, Any]:
            read.append(index)
            return super().__getitem__(index)

    from autodas.data.sets._python import read_python
    from autodas.data_options import DataOptions

    labels = [0, 1] * 100
    items = Counted([PIXELS[0]] * 200, labels, targets=torch.tensor(labels))
    name = module(lambda split: items if split == "train" else None).removeprefix("python:")
    raw = read_python(name, DataOptions())
    assert raw.train is not None
    assert raw.train.labels.tolist() == labels
    assert len(set(read)) == len(read) == 20


def test_python_damaged_items_are_counted(module: Any) -> None:
    images = [*PIXELS[:5], OSError("truncated")]
    data = open_dataset(module(lambda split: Items(images, LABELS, targets=LABELS)), max_bad=0.2)
    assert data.bad == (
        "python:my_data:load('train'), item 5: truncated",
        "python:my_data:load('test'), item 5: truncated",
    )


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ((PIXELS.astype(str), LABELS), r"numbers of shape \(N, H, W\) or \(N, H, W, C\) .* found <U3"),
        ((PIXELS.transpose(0, 3, 1, 2), LABELS), "put the channels last"),
        ((PIXELS, LABELS[:5]), "6 images but 5 labels"),
        ((PIXELS, [0.5] * 6), "'target' is 0.5 for all 6 training images"),
        ((PIXELS, [1j] * 6), "one whole number or text a label is expected"),
        ((PIXELS, LABELS, ["x"]), "labels out of range: 1 in the training images"),
        (7, r"\(images, labels\), .* or a torch Dataset is expected, found int"),
        (ZeroDivisionError("oops"), "failed with ZeroDivisionError: oops"),
        (Items(list(PIXELS.astype(str)), LABELS), r"an array \(H, W, C\) .* found <U3 \(9, 9, 3\)"),
        (Items([KeyError("k")] * 6, LABELS, targets=LABELS), "item 0: failed with KeyError"),
    ],
)
def test_python_errors(module: Any, result: Any, message: str) -> None:
    def load(split: str) -> Any:
        if isinstance(result, Exception):
            raise result
        return result

    with pytest.raises(AutodasError, match=message) as caught:
        open_dataset(module(load))
    assert "\n" not in str(caught.value)


def test_python_data_without_test_images_are_split(module: Any) -> None:
    images, labels = np.zeros((40, 8, 8), dtype=np.uint8), np.arange(40) % 2
    data = open_dataset(module(lambda split: (images, labels) if split == "train" else None))
    assert (len(data.train), len(data.test)) == (32, 8)
    told = "has no test split: it is split 80/20 (32 images to train with, 8 to test, 20.0 %)"
    assert any(told in note for note in data.notes)


def test_arrays_that_are_in_both_splits_are_told(module: Any) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    data = open_dataset(
        module(
            lambda split: (
                images[:30] if split == "train" else images[28:],
                np.arange(40)[: 30 if split == "train" else 12] % 2,
            )
        )
    )
    (note,) = (note for note in data.notes if "byte for byte" in note)
    assert note.startswith(
        "2 of 12 test images are training images too, byte for byte, such as image 0 = image 28"
    )


def test_python_names(module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module(lambda split: None)
    with pytest.raises(AutodasError, match="has no 'laod'; did you mean 'load'"):
        open_dataset("python:my_data:laod")
    with pytest.raises(AutodasError, match="module 'no_such_module' cannot be imported"):
        open_dataset("python:no_such_module:load")
    # A module beside the user is found.
    (tmp_path / "beside_user.py").write_text(
        "import numpy as np\ndef load(split):\n    return np.zeros((4, 8, 8), np.uint8), [0, 1, 0, 1]\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert len(open_dataset("python:beside_user:load").train) == 4


def test_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    # The package is optional: what it returns is imitated, with the parts that are used.
    kinds = {"picture": type("Image", (), {})()}

    class Split:
        def __init__(self, names: list[str]) -> None:
            self.features = {**kinds, "kind": type("ClassLabel", (), {"names": names})()}

        def __len__(self) -> int:
            return 6

        def __getitem__(self, key: Any) -> Any:
            return LABELS if key == "kind" else {"picture": Image.fromarray(PIXELS[key]), "kind": LABELS[key]}

    asked = []

    def load_dataset(*arguments: Any) -> Any:
        asked.append(arguments)
        if arguments[0] == "absent":
            raise ConnectionError("no network\nat all")
        return {"train": Split(["x", "y"]), "validation": Split(["y", "x"]), "unsupervised": Split([])}

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))  # type: ignore[arg-type]
    data = open_dataset("hf:someone/pictures:small")
    assert asked == [("someone/pictures", "small")]
    assert data.classes == ("x", "y")
    assert (len(data.train), len(data.test), data.image_size) == (6, 6, 9)
    assert data.train.labels.tolist() == LABELS
    assert data.test.labels.tolist() == [1 - label for label in LABELS]
    assert "hf:someone/pictures:small: not used: unsupervised" in data.notes
    np.testing.assert_array_equal(data.train.read(2), PIXELS[2])
    with pytest.raises(AutodasError, match=r"hf:absent: cannot be loaded \(ConnectionError: no network\)$"):
        open_dataset("hf:absent")


def test_hub_with_several_labels_and_with_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    names = type("ClassLabel", (), {"names": ["x", "y", "z"]})()
    columns = {
        "labels": (type("List", (), {"feature": names})(), [[0], [0, 2], [], [1], [1, 2], [0]]),
        "across": (type("Value", (), {})(), [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]),
        "down": (type("Value", (), {})(), [6, 5, 4, 3, 2, 1]),
    }

    class Split:
        def __init__(self) -> None:
            kinds = {name: kind for name, (kind, _) in columns.items()}
            self.features = {"picture": type("Image", (), {})(), **kinds}

        def __len__(self) -> int:
            return 6

        def __getitem__(self, key: Any) -> Any:
            return columns[key][1] if isinstance(key, str) else {"picture": Image.fromarray(PIXELS[key])}

    loaded = SimpleNamespace(load_dataset=lambda *_: {"train": Split(), "test": Split()})
    monkeypatch.setitem(sys.modules, "datasets", loaded)  # type: ignore[arg-type]
    several = open_dataset("hf:someone/pictures")
    assert several.task == "multilabel"
    assert several.classes == ("x", "y", "z")
    expected = [[1, 0, 0], [1, 0, 1], [0, 0, 0], [0, 1, 0], [0, 1, 1], [1, 0, 0]]
    assert several.train.labels.tolist() == several.test.labels.tolist() == expected
    place = open_dataset("hf:someone/pictures", DataOptions(targets=("across", "down")))
    assert place.task == "regression"
    assert place.classes == ("across", "down")
    assert place.train.labels.tolist() == [[0.5 + i, 6 - i] for i in range(6)]
    with pytest.raises(AutodasError, match="no column 'acros'; did you mean 'across'"):
        open_dataset("hf:someone/pictures", DataOptions(targets=("acros",)))


def test_other_pictures_under_the_same_paths_are_noticed(write: Write, tmp_path: Path) -> None:
    path = tmp_path / "all.parquet"
    write(path, ["dog", "cat"] * 10)
    data = open_dataset(f"parquet:{path}")
    before, names = data.fingerprint, data.test.keys
    assert names is not None
    row = int(names[0].partition(".")[0])
    write(path, ["dog", "cat"] * 10, **{f"row{row}": encode(Image.new("RGB", (20, 20), "red"))})
    after = open_dataset(f"parquet:{path}").fingerprint
    assert changes(before, after, "images") == [f"1 image with other content: {names[0]}"]


@pytest.mark.parametrize("size", [32, 160])
def test_copies_in_the_test_file_are_found_at_any_size(write: Write, tmp_path: Path, size: int) -> None:
    write(tmp_path / "train.parquet", ["dog", "cat"] * 10)
    write(tmp_path / "test.parquet", ["dog", "cat"] * 2)
    for storage in ("memory", "stream"):
        notes = open_dataset(f"parquet:{tmp_path}", image_size=size, storage=storage).notes
        assert any("4 of 4 test images are training images too" in note for note in notes)


def test_images_that_a_data_set_lends_are_left_alone(module: Any, tmp_path: Path) -> None:
    deep = [Image.fromarray(np.full((20, 20), 100 * i, np.uint16)) for i in range(20)]
    name = module(
        lambda split: [(image, i % 2) for i, image in enumerate(deep)] if split == "train" else None
    )
    data = open_dataset(name)
    assert (data.value_range, data.bad) == ((0, 4095), ())
    large = draw_large(tmp_path / "large.jpg")
    sizes = [image.size for image in (*deep, large)]
    found = read_image(large, channels=3, image_size=32)
    assert torch.equal(found, read_image(large, channels=3, image_size=32))
    assert torch.equal(found, read_image(tmp_path / "large.jpg", channels=3, image_size=32))
    assert [image.size for image in (*deep, large)] == sizes
    assert np.asarray(large).shape == (600, 800, 3)
    assert np.asarray(deep[3])[0, 0] == 300


def draw_large(path: Path) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((800, 600), Image.Resampling.BICUBIC).save(path)
    return Image.open(path)
