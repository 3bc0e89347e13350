"""Damaged Parquet files: one sentence with the file, and the row group where it is one's."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from autodas.data import open_dataset
from autodas.errors import AutodasError


def picture(number: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), 10 * number, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def table(**columns: Any) -> pa.Table:
    return pa.table({"image": [picture(i) for i in range(12)], "label": [i % 2 for i in range(12)]} | columns)


def read(path: Path, **options: Any) -> None:
    data = open_dataset(f"parquet:{path}", max_bad=0.5, **options)
    for split in (data.train, data.test):
        for index in range(len(split)):
            split.read(index)


def refused(path: Path, **options: Any) -> str:
    with pytest.raises(AutodasError) as caught:
        read(path, **options)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "notes", [b"null", b"[]", b"3", b"\xff", b'{"info": null}', b'{"info": {"features": []}}']
)
def test_metadata_that_are_no_object_are_left_aside(notes: bytes, tmp_path: Path) -> None:
    pq.write_table(table().replace_schema_metadata({b"huggingface": notes}), tmp_path / "p.parquet")
    assert open_dataset(f"parquet:{tmp_path / 'p.parquet'}").classes == ("0", "1")


@pytest.mark.parametrize("names", ["ab", {"a": 1}, [["a"], "b"], None])
def test_names_that_are_no_list_of_texts_are_left_aside(names: Any, tmp_path: Path) -> None:
    features = {"label": {"_type": "ClassLabel", "names": names}, "image": {"_type": "Image"}}
    notes = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(table().replace_schema_metadata(notes), tmp_path / "p.parquet")
    assert open_dataset(f"parquet:{tmp_path / 'p.parquet'}").classes == ("0", "1")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (pa.array([[{"x": 1}]] * 12), "found list<"),
        (pa.array([{"x": 1}] * 12), "found struct<x: int64>"),
        (pa.array([0.5] * 12), "is 0.5 for all 9 training images"),
        (pa.array([b"\xff"] * 12), "found binary"),
        (pa.array([None] * 12, pa.int64()), "12 rows have no label"),
        (pa.array([-1] * 12), "out of range"),
    ],
)
def test_columns_of_another_kind(labels: pa.Array, expected: str, tmp_path: Path) -> None:
    pq.write_table(table(label=labels), tmp_path / "p.parquet")
    assert expected in refused(tmp_path / "p.parquet")


def test_labels_beyond_the_names(tmp_path: Path) -> None:
    features = {"label": {"_type": "ClassLabel", "names": ["a", "b"]}, "image": {"_type": "Image"}}
    notes = {"huggingface": json.dumps({"info": {"features": features}})}
    labels = [0, 1] * 5 + [7, 10**12]
    pq.write_table(table(label=labels).replace_schema_metadata(notes), tmp_path / "p.parquet")
    assert "out of range" in refused(tmp_path / "p.parquet")


def test_files_without_rows(tmp_path: Path) -> None:
    pq.write_table(table().slice(0, 0), tmp_path / "p.parquet")
    assert "no rows" in refused(tmp_path / "p.parquet")
    (tmp_path / "q.parquet").write_bytes(b"")
    assert "cannot be read as Parquet" in refused(tmp_path / "q.parquet")


def test_a_damaged_page_is_named_by_its_row_group(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    pq.write_table(table(), path, row_group_size=4, compression="zstd", use_dictionary=False)
    column = pq.ParquetFile(path).metadata.row_group(1).column(0)
    content = bytearray(path.read_bytes())
    start = column.data_page_offset
    content[start : start + column.total_compressed_size] = bytes(column.total_compressed_size)
    path.write_bytes(content)
    assert f"{path}: row group 1 cannot be read as Parquet (" in refused(path)


def test_rows_that_cannot_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from autodas.data.files._arrow import open_parquet

    # A column of nulls takes no room: a file of a few hundred bytes with a million rows.
    pq.write_table(pa.table({"image": pa.nulls(10**6), "label": pa.nulls(10**6)}), tmp_path / "p.parquet")
    with pytest.raises(AutodasError, match=r"cannot be read as Parquet \(1000000 rows in \d+ bytes\)"):
        open_parquet(tmp_path / "p.parquet")


@pytest.mark.parametrize("seed", range(60))
def test_cut_and_flipped_bytes(seed: int, tmp_path: Path) -> None:
    path, random = tmp_path / "p.parquet", Random(seed)
    pq.write_table(table(), path, row_group_size=5)
    content = bytearray(path.read_bytes())
    for _ in range(random.choice((1, 2, 8))):
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    path.write_bytes(content[: random.choice((None, random.randrange(len(content))))])
    with contextlib.suppress(AutodasError):
        read(path)


def test_text_that_is_no_utf8(tmp_path: Path) -> None:
    broken = pa.array([b"\xff%d" % i for i in range(12)], pa.binary()).view(pa.string())
    whole = pa.array([picture(i) for i in range(12)])
    images = pa.StructArray.from_arrays([whole, broken], ["bytes", "path"])
    pq.write_table(table(image=images), tmp_path / "paths.parquet")
    assert "column 'image.path' cannot be read as Parquet" in refused(tmp_path / "paths.parquet")
    pq.write_table(table(person=broken), tmp_path / "groups.parquet")
    assert "column 'person'" in refused(tmp_path / "groups.parquet", groups="person")


def test_rows_without_an_image_have_no_path(tmp_path: Path) -> None:
    rows = [{"bytes": picture(i), "path": f"{i}.png"} for i in range(12)]
    pq.write_table(table(image=[None, *rows[1:]]), tmp_path / "p.parquet")
    data = open_dataset(f"parquet:{tmp_path / 'p.parquet'}", max_bad=0.5)
    assert len(data.train) + len(data.test) == 11
