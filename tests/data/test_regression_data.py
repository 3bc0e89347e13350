"""Samples with numbers as targets: every form in which users have them, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from autodas.data import Augmentation, contact_sheet, describe_dataset, open_dataset, open_test_set
from autodas.errors import AutodasError

COUNT = 24
ANGLES = np.arange(COUNT) * 1.5 - 7
SIZES = np.arange(COUNT) % 5 + 0.25


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Images whose shade is their number."""
    for i in range(COUNT):
        Image.new("L", (8, 8), i).save(tmp_path / f"{i}.png")
    return tmp_path


def assert_read(data: Any, names: tuple[str, ...], *columns: np.ndarray) -> None:
    assert (data.task, data.classes) == ("regression", names)
    found = {}
    for split in (data.train, data.test):
        assert split.labels.dtype == np.float64
        found |= {int(split.read(i)[0, 0, 0]): split.labels[i].tolist() for i in range(len(split))}
    assert found == {i: list(row) for i, row in enumerate(zip(*columns, strict=True))}


def write_csv(images: Path, head: str, rows: Any) -> str:
    lines = [head, *(",".join(map(str, (f"{i}.png", *row))) for i, row in enumerate(rows))]
    (images / "list.csv").write_text("\n".join(lines))
    return f"imagelist:{images / 'list.csv'}"


def test_csv_with_one_column(images: Path) -> None:
    name = write_csv(images, "path,Label,site", ((a, "x") for a in ANGLES))
    data = open_dataset(name)
    assert_read(data, ("Label",), ANGLES)
    assert any(note.endswith("task regression: Label (`task` sets another)") for note in data.notes)
    assert data.default_augmentation == Augmentation(), "a flip may change the answer"
    # Whole numbers are classes, unless the user says otherwise.
    name = write_csv(images, "path,target", ((i,) for i in range(COUNT)))
    assert_read(open_dataset(name, task="regression"), ("target",), np.arange(COUNT))


def test_csv_with_several_columns(images: Path) -> None:
    name = write_csv(
        images,
        "path,Patient,angle,Size,split",
        (
            (i // 2, a, s, "train" if i % 4 else "test")
            for i, (a, s) in enumerate(zip(ANGLES, SIZES, strict=True))
        ),
    )
    assert_read(open_dataset(name, task="regression", groups="patient"), ("angle", "Size"), ANGLES, SIZES)
    assert_read(open_dataset(name, targets=("size", "angle")), ("Size", "angle"), SIZES, ANGLES)
    assert_read(open_dataset(name, targets=("angle",)), ("angle",), ANGLES)
    with pytest.raises(AutodasError, match="a header with a column length is expected"):
        open_dataset(name, targets=("length",))
    with pytest.raises(AutodasError, match="2 columns of labels, but the task is classification"):
        open_dataset(name, targets=("angle", "size"), task="classification")


def test_text_lists(images: Path) -> None:
    path = images / "list.txt"
    path.write_text("\n".join(f"{i}.png {a}" for i, a in enumerate(ANGLES)))
    assert_read(open_dataset(f"imagelist:{path}"), ("target",), ANGLES)
    path.write_text("\n".join(f"{i}.png {a};{s}" for i, (a, s) in enumerate(zip(ANGLES, SIZES, strict=True))))
    both = open_dataset(f"imagelist:{path}", task="regression")
    assert_read(both, ("target 1", "target 2"), ANGLES, SIZES)
    path.write_text("0.png 1.5\n1.png 2.5;3.5\n")
    with pytest.raises(
        AutodasError, match=r"line 2: values for target are expected, as in .*line 1, found '2.5,3.5'"
    ):
        open_dataset(f"imagelist:{path}", task="regression")
    with pytest.raises(AutodasError, match="it has no columns"):
        open_dataset(f"imagelist:{path}", targets=("x",))


@pytest.mark.parametrize("wrong", ["nan", "inf", "-inf", "x", ""])
def test_csv_with_values_that_are_no_numbers(images: Path, wrong: str) -> None:
    name = write_csv(images, "path,angle,size", [(1.0, 2.0), (wrong, 2.0), (1.5, 3.0)])
    with pytest.raises(
        AutodasError, match=f"line 3: a finite number is expected for 'angle', found '{wrong}'"
    ):
        open_dataset(name, task="regression")


def write_parquet(images: Path, **columns: Any) -> str:
    encoded = [(images / f"{i}.png").read_bytes() for i in range(COUNT)]
    pq.write_table(pa.table({"image": encoded, **columns}), images / "data.parquet")
    return f"parquet:{images / 'data.parquet'}"


def test_parquet(images: Path) -> None:
    assert_read(open_dataset(write_parquet(images, label=ANGLES)), ("label",), ANGLES)
    name = write_parquet(images, angle=ANGLES, size=SIZES, note=["x"] * COUNT)
    assert_read(open_dataset(name, task="regression"), ("angle", "size"), ANGLES, SIZES)
    assert_read(open_dataset(name, targets=("size",)), ("size",), SIZES)
    pairs = [[a, s] for a, s in zip(ANGLES.tolist(), SIZES.tolist(), strict=True)]
    assert_read(open_dataset(write_parquet(images, label=pairs)), ("target 1", "target 2"), ANGLES, SIZES)
    name = write_parquet(images, label=np.arange(COUNT))
    assert_read(open_dataset(name, task="regression"), ("label",), np.arange(COUNT))
    with pytest.raises(AutodasError, match="sample 2: 1 numbers, other samples have 2"):
        open_dataset(write_parquet(images, label=[*pairs[:2], [1.5], *pairs[3:]]))
    broken = ANGLES.copy()
    broken[5:7] = np.nan, np.inf
    with pytest.raises(AutodasError, match=r"sample 5: 'label' is nan, .* \(2 of 24 samples have none\)"):
        open_dataset(write_parquet(images, label=broken))
    with pytest.raises(AutodasError, match="expected for regression, found object"):
        open_dataset(write_parquet(images, label=["a"] * COUNT), task="regression")


PIXELS = np.broadcast_to(np.arange(COUNT, dtype=np.uint8)[:, None, None], (COUNT, 8, 8))


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Any:
    import sys
    import types

    def make(*returned: Any, test: Any = None) -> str:
        own = types.ModuleType("my_targets")
        own.load = lambda split: returned if split == "train" else test  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "my_targets", own)
        return "python:my_targets:load"

    return make


def test_functions(module: Any) -> None:
    both = np.stack([ANGLES, SIZES], 1)
    assert_read(open_dataset(module(PIXELS, ANGLES)), ("target",), ANGLES)
    assert_read(open_dataset(module(PIXELS, ANGLES[:, None], ["angle"])), ("angle",), ANGLES)
    assert_read(open_dataset(module(PIXELS, both, ["a", "b"])), ("a", "b"), ANGLES, SIZES)
    assert_read(open_dataset(module(PIXELS, both.tolist())), ("target 1", "target 2"), ANGLES, SIZES)
    with pytest.raises(AutodasError, match="2 numbers a sample, but 1 names"):
        open_dataset(module(PIXELS, both, ["a"]))
    with pytest.raises(AutodasError, match=r"\('train'\), sample 3: 'target' is nan"):
        open_dataset(module(PIXELS, np.where(np.arange(COUNT) == 3, np.nan, ANGLES)))
    with pytest.raises(AutodasError, match="'b' is 2 for all 19 training images: there is nothing to learn"):
        open_dataset(module(PIXELS, np.stack([ANGLES, 0 * ANGLES + 2], 1), ["a", "b"]))
    with pytest.raises(AutodasError, match="is for classes, but the task is regression"):
        open_dataset(module(PIXELS, ANGLES), classes=("a",))
    with pytest.raises(AutodasError, match="one whole number or text a label is expected for classification"):
        open_dataset(module(PIXELS, ANGLES), task="classification")
    with pytest.raises(AutodasError, match="arrays have no columns"):
        open_dataset(module(PIXELS, ANGLES), targets=("a",))


def test_the_targets_of_a_network(module: Any) -> None:
    name = module(PIXELS, np.stack([ANGLES, SIZES], 1), ["angle", "size"])
    data = open_test_set(name, ("size",), task="regression")
    assert np.array_equal(data.test.labels, SIZES[:, None])
    with pytest.raises(
        AutodasError, match="there is no 'sizes', which the network answers; did you mean 'size'"
    ):
        open_test_set(name, ("sizes",), task="regression")
    # Equal targets can be evaluated.
    name = module(PIXELS, 0 * ANGLES)
    assert len(open_test_set(name, ("target",), task="regression").test) == COUNT


def test_what_is_told_about_the_data(module: Any) -> None:
    data = open_dataset(module(PIXELS, ANGLES, ["angle"], test=(PIXELS[:3], ANGLES[:3], ["angle"])))
    facts = describe_dataset(data)
    assert (facts["task"], facts["targets"]) == ("regression", ["angle"])
    assert facts["train"]["angle"] == {
        "mean": pytest.approx(ANGLES.mean()),
        "std": pytest.approx(ANGLES.std()),
        "min": ANGLES.min(),
        "max": ANGLES.max(),
    }
    assert contact_sheet(data).size[0] > 100
    far = open_dataset(module(PIXELS, ANGLES + 1e7))
    assert any("'target' varies by" in note and "subtract a constant" in note for note in far.notes)
