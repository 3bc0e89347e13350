"""Which samples are for training, validation and testing follows from what they are."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from autodas.data import ImageDataset, Split, open_dataset, stratified_halves, stratified_subset
from autodas.errors import AutodasError

Maker = Callable[..., Path]


def keys(split: Split, chosen: np.ndarray | None = None) -> set[str]:
    assert split.keys is not None
    return {split.keys[i] for i in (range(len(split)) if chosen is None else chosen)}


def sides(labels: np.ndarray, names: list[str], fraction: float = 0.8, seed: int = 0) -> list[set[str]]:
    return [{names[i] for i in half} for half in stratified_halves(labels, fraction, seed, keys=names)]


def test_files_that_come_and_go_move_no_other(make_folder: Maker) -> None:
    root = make_folder(count=40, width=8, height=8)
    before = open_dataset(f"imagefolder:{root}")
    halves = before.train.halves(0.5, 3, "search")
    held, used = before.train.halves(0.1, 3, "validation")
    for i in range(3):
        Image.new("RGB", (8, 8), (i, 0, 0)).save(root / "cat" / f"0{i}0a.png")
    for i in (4, 17, 30):
        (root / "dog" / f"{i:03d}.png").unlink()
    after = open_dataset(f"imagefolder:{root}")
    for split in ("train", "test"):
        was, now = keys(getattr(before, split)), keys(getattr(after, split))
        assert all(re.fullmatch(r"cat/0\d0a.png", key) for key in now - was)
        assert was - now <= {"dog/004.png", "dog/017.png", "dog/030.png"}
    again = after.train.halves(0.5, 3, "search")
    held_again, used_again = after.train.halves(0.1, 3, "validation")
    pairs = [(halves[0], again[1]), (halves[1], again[0]), (held, used_again), (used, held_again)]
    for was, elsewhere in pairs:
        assert not keys(before.train, was) & keys(after.train, elsewhere)


def test_the_place_of_a_data_set_does_not_matter(make_folder: Maker, tmp_path: Path) -> None:
    data = open_dataset(f"imagefolder:{make_folder('here/train', count=30, width=8, height=8)}")
    (tmp_path / "here").rename(tmp_path / "there")
    moved = open_dataset(f"imagefolder:{tmp_path / 'there'}")
    assert keys(moved.test) == keys(data.test)


@pytest.mark.slow
def test_shares_and_least_numbers_of_classes() -> None:
    names = [f"a/{i}.jpg" for i in range(20_000)]
    first, second = sides(np.zeros(20_000, dtype=int), names)
    assert abs(len(first) - 16_000) < 4 * np.sqrt(20_000 * 0.8 * 0.2)
    assert len(first) + len(second) == 20_000
    for size in range(2, 9):
        labels = np.repeat(np.arange(200), size)
        names = [f"{label}/{i}" for i, label in enumerate(labels)]
        for fraction in (0.2, 0.5, 0.8):
            parts = stratified_halves(labels, fraction, 0, keys=names)
            counts = [np.bincount(labels[part], minlength=200) for part in parts]
            assert min(count.min() for count in counts) >= 1
            larger = 0 if fraction > 0.5 else 1
            if fraction != 0.5:
                assert counts[larger].min() >= min(2, size - 1)


def test_splits_for_different_uses_and_seeds_are_independent() -> None:
    labels, names = np.zeros(4000, dtype=int), [str(i) for i in range(4000)]
    first = [
        set(stratified_halves(labels, 0.5, seed, keys=names, use=use)[0].tolist())
        for seed, use in ((0, "a"), (0, "b"), (1, "a"))
    ]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert abs(len(first[one] & first[other]) - 1000) < 4 * np.sqrt(4000 * 0.25 * 0.75)


def test_a_subset_changes_little_when_a_sample_comes() -> None:
    names = [str(i) for i in range(500)]
    chosen = {names[i] for i in stratified_subset(np.arange(500) % 5, 100, 7, keys=names)}
    more = ["new", *names]
    labels = np.concatenate([[0], np.arange(500) % 5])
    again = {more[i] for i in stratified_subset(labels, 100, 7, keys=more)}
    assert len(chosen - again) <= 1


class TestGroups:
    @staticmethod
    def apart(data: ImageDataset) -> None:
        """No group is on two sides of any split."""
        assert data.train.groups is not None
        assert data.test.groups is not None
        assert not set(data.train.groups) & set(data.test.groups)
        for use, fraction in (("search", 0.5), ("validation", 0.2)):
            one, other = (
                {data.train.groups[i] for i in half}
                for half in data.train.halves(fraction, 0, use, classes=data.classes)
            )
            assert one
            assert other
            assert not one & other
        for split in (data.train, data.test):
            assert set(split.labels.tolist()) == set(range(len(data.classes)))

    def test_pattern_in_the_paths_of_images(self, tmp_path: Path) -> None:
        for label in ("a", "b"):
            (tmp_path / label).mkdir()
            for group in range(12):
                for i in range(3):
                    name = f"v_{label}_g{group:02d}_c{i}.png"
                    Image.new("L", (8, 8), 20 * group + i).save(tmp_path / label / name)
        name = f"imagefolder:{tmp_path}"
        plain = open_dataset(name)
        assert plain.train.paths is not None
        assert plain.test.paths is not None
        groups = [{p.split("_g")[1][:2] for p in part.paths or ()} for part in (plain.train, plain.test)]
        assert groups[0] & groups[1]
        data = open_dataset(name, groups=r"_g(\d+)_")
        self.apart(data)
        assert len(data.train) + len(data.test) == 72
        for part in (data.train, data.test):
            assert part.groups == [p.split("_g")[1][:2] for p in part.paths or ()]
        self.apart(open_dataset(name, groups=r"_g(\d+)_", subset=30))
        # Without brackets the whole match is the name.
        whole = open_dataset(name, groups=r"_g\d+_").train
        assert whole.groups == [f"_g{p.split('_g')[1][:2]}_" for p in whole.paths or ()]

    def test_column_of_a_list(self, tmp_path: Path) -> None:
        rows = ["file,label,Patient"]
        for i in range(60):
            Image.new("L", (8, 8), i).save(tmp_path / f"{i}.png")
            rows.append(f"{i}.png,{'ab'[i % 2]},p{i // 5}")
        (tmp_path / "list.csv").write_text("\n".join(rows))
        data = open_dataset(f"imagelist:{tmp_path / 'list.csv'}", groups="patient")
        self.apart(data)
        header = open_dataset(f"imagelist:{tmp_path / 'list.csv'}", groups="Patient")
        assert header.train.groups == data.train.groups
        assert set(data.train.groups or ()) | set(data.test.groups or ()) == {f"p{i}" for i in range(12)}
        with pytest.raises(
            AutodasError, match=r"'patiant' is no column \(its columns are file, label, patient\)"
        ):
            open_dataset(f"imagelist:{tmp_path / 'list.csv'}", groups="patiant")

    @pytest.mark.slow
    def test_column_of_parquet(self, tmp_path: Path) -> None:
        Image.new("L", (8, 8)).save(tmp_path / "one.png")
        encoded = (tmp_path / "one.png").read_bytes()
        table = pa.table(
            {
                "image": [{"bytes": encoded, "path": None}] * 60,
                "label": [i % 2 for i in range(60)],
                "camera": [i // 6 for i in range(60)],
                "Place": pa.array([f"p{i // 6}" for i in range(60)]).dictionary_encode(),
                "height": [i / 6 for i in range(60)],
            }
        )
        pq.write_table(table, tmp_path / "all.parquet")
        for name in ("Place", "place"):
            places = open_dataset(f"parquet:{tmp_path / 'all.parquet'}", groups=name)
            self.apart(places)
            assert set(places.train.groups or ()) | set(places.test.groups or ()) == {
                f"p{i}" for i in range(10)
            }
        with pytest.raises(AutodasError, match="'height' holds double: groups are whole numbers or text"):
            open_dataset(f"parquet:{tmp_path / 'all.parquet'}", groups="height")
        data = open_dataset(f"parquet:{tmp_path / 'all.parquet'}", groups="camera")
        self.apart(data)
        with pytest.raises(
            AutodasError, match=r"'site' is no column \(its columns are label, camera, Place\)"
        ):
            open_dataset(f"parquet:{tmp_path / 'all.parquet'}", groups="site")

    def test_groups_that_are_in_both_given_splits_are_told(self, make_folder: Maker) -> None:
        root = make_folder("set/train", count=4).parent
        make_folder("set/test", count=2)
        (note,) = (
            n for n in open_dataset(f"imagefolder:{root}", groups=r"\d+").notes if "groups are in" in n
        )
        assert note == "2 groups are in the training and in the test split, as the data have them: 000, 001"

    def test_errors(self, make_folder: Maker) -> None:
        name = f"imagefolder:{make_folder(count=6)}"
        with pytest.raises(AutodasError, match=r"finds nothing in 12 of 12 paths, such as cat/000.png"):
            open_dataset(name, groups="_g(\\d+)_")
        with pytest.raises(AutodasError, match=r"neither a column .* nor a regular expression"):
            open_dataset(name, groups="(")
        with pytest.raises(
            AutodasError, match="class 'cat' has one group of images, but a split needs at least 2"
        ):
            open_dataset(name, groups="^(cat|dog)/")
        with pytest.raises(
            AutodasError, match=r"digits: groups 'x' is no column .* its samples have no paths"
        ):
            open_dataset("digits", groups="x")
