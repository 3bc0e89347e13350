from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from autodas.data.sets._hmdb51 import read_hmdb51
from autodas.data.sets._kinetics import read_kinetics10, read_kinetics400
from autodas.data.sets._kinetics10 import CATEGORIES, merged_class
from autodas.data.sets._lists import Listed, ListedSet
from autodas.data.sets._ucf101 import read_ucf101
from autodas.errors import AutodasError

# Table 3 against the lists of both versions: these came with Kinetics-600, or have that name only there.
NOT_IN_KINETICS_400 = {
    *("falling off bike", "jumping bicycle", "chopping vegetables", "cooking scallops", "mosh pit dancing"),
    *("square dancing", "skiing mono", "passing soccer ball", "ice swimming", "swimming front crawl"),
}


def make(root: Path, files: dict[str, str] | list[str]) -> Path:
    """Make text files, or empty ones, below a folder."""
    for name, text in files.items() if isinstance(files, dict) else dict.fromkeys(files, "").items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def videos(files: Listed | None, root: Path) -> list[tuple[str, int]]:
    assert files is not None
    assert all(os.path.isfile(path) for path in files.paths)
    names = [os.path.relpath(path, root) for path in files.paths]
    return list(zip(names, files.labels.tolist(), strict=True))


def expect(reader: Callable[[str], ListedSet], rest: object, message: str) -> None:
    with pytest.raises(AutodasError, match=message) as caught:
        reader(str(rest))
    assert "\n" not in str(caught.value)


UCF101 = {
    "ucfTrainTestlist/classInd.txt": "1 Archery\n2 HandstandPushups\n",
    "ucfTrainTestlist/trainlist01.txt": (
        "HandstandPushups/v_HandStandPushups_g08_c01.avi 2\r\nArchery/v_Archery_g08_c01.avi 1\r\n"
    ),
    "ucfTrainTestlist/testlist01.txt": "Archery/v_Archery_g01_c01.avi\n",
    "ucfTrainTestlist/trainlist02.txt": "Archery/v_Archery_g01_c01.avi 1\n",
    "ucfTrainTestlist/testlist02.txt": "HandstandPushups/v_HandStandPushups_g08_c01.avi\n",
    "UCF-101/HandstandPushups/v_HandStandPushups_g08_c01.avi": "",
    "UCF-101/Archery/v_Archery_g08_c01.avi": "",
    "UCF-101/Archery/v_Archery_g01_c01.mp4": "",
}


def test_ucf101(tmp_path: Path) -> None:
    root = make(tmp_path, UCF101)
    found = read_ucf101(str(root))
    assert videos(found.train, root / "UCF-101") == [
        ("HandstandPushups/v_HandStandPushups_g08_c01.avi", 1),
        ("Archery/v_Archery_g08_c01.avi", 0),
    ]
    # Copies in another container are the same videos.
    assert videos(found.test, root / "UCF-101") == [("Archery/v_Archery_g01_c01.mp4", 0)]
    assert found.classes == ("Archery", "HandstandPushups")
    assert found.notes[0] == "split 1 of 3"
    assert "2 classes; UCF101 has 101" in found.notes[1]
    second = read_ucf101(f"{root}#2")
    assert second.train.labels.tolist() == [0]
    assert second.test is not None
    assert second.test.labels.tolist() == [1]
    assert second.notes[0] == "split 2 of 3"


def test_ucf101_with_everything_in_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make(tmp_path / "ucf101", {os.path.join(*Path(name).parts[1:]): t for name, t in UCF101.items()})
    assert len(read_ucf101(str(root)).train.paths) == 2
    monkeypatch.setenv("AUTODAS_DATA", str(tmp_path))
    assert len(read_ucf101("").train.paths) == 2
    assert read_ucf101("#2").notes[0] == "split 2 of 3"


def test_ucf101_with_something_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make(tmp_path / "set", UCF101)
    lists = root / "ucfTrainTestlist"
    expect(read_ucf101, f"{root}#4", "splits 1, 2 and 3, found '4': write ucf101:PATH#1")
    expect(read_ucf101, f"{root}#3", r"trainlist03.txt: this official list is missing")
    expect(read_ucf101, lists / "classInd.txt", "is a file: write ucf101:FOLDER")
    expect(read_ucf101, tmp_path, "no classInd.txt here or in ucfTrainTestlist")
    monkeypatch.setenv("AUTODAS_DATA", str(tmp_path / "nowhere"))
    monkeypatch.chdir(tmp_path)
    expect(
        read_ucf101, "", r"not in .*nowhere/ucf101 and data/ucf101: write ucf101:PATH or ucf101:PATH#SPLIT"
    )

    make(lists, {"testlist01.txt": "".join(f"Archery/gone{i}.avi\n" for i in range(5))})
    expect(
        read_ucf101,
        root,
        r"testlist01.txt: 5 of 5 videos are not in .*UCF-101: Archery/gone0.avi, .*gone2.avi, \.\.\.: ",
    )
    make(lists, {"testlist01.txt": ""})
    expect(read_ucf101, root, "testlist01.txt: the list names no videos")
    make(lists, {"testlist01.txt": "\nRunning/v.avi\n"})
    expect(read_ucf101, root, "testlist01.txt, line 2: 'Running' is not a class of classInd.txt")
    make(lists, {"trainlist01.txt": "Archery/v_Archery_g08_c01.avi 2\n"})
    expect(read_ucf101, root, r"trainlist01.txt, line 1: Archery has the number 1 in classInd.txt, found '2'")
    make(lists, {"classInd.txt": "1 Archery\n3 Running\n"})
    expect(read_ucf101, root, "classInd.txt, line 2: '2 NAME' is expected, found '3 Running'")
    make(lists, {"classInd.txt": f"1 Archery\n{'2' * 5000} Running\n"})
    expect(read_ucf101, root, "classInd.txt, line 2: '2 NAME' is expected, found '222")
    make(lists, {"classInd.txt": "1 Skating\n"})
    expect(read_ucf101, root, "no class folders here, in UCF-101 or in videos")


HMDB51 = {
    "testTrainMulti_7030_splits/walk_test_split1.txt": "a_walk_0.avi 1 \nb_walk_1.avi 0 \nc_walk_2.avi 2 \n",
    # A name of the set begins like this.
    "testTrainMulti_7030_splits/pick_test_split1.txt": "#122_Cleaning_pick_0.avi 1 \nd [x]_pick_1.avi 2 \n",
    "testTrainMulti_7030_splits/walk_test_split3.txt": "a_walk_0.avi 2 \nb_walk_1.avi 1 \n",
    "testTrainMulti_7030_splits/pick_test_split3.txt": "#122_Cleaning_pick_0.avi 1 \n",
    **{f"hmdb51_org/walk/{name}_walk_{i}.avi": "" for i, name in enumerate("abc")},
    "hmdb51_org/pick/#122_Cleaning_pick_0.avi": "",
    "hmdb51_org/pick/d [x]_pick_1.avi": "",
}


def test_hmdb51(tmp_path: Path) -> None:
    root = make(tmp_path, HMDB51)
    found = read_hmdb51(str(root))
    folder = root / "hmdb51_org"
    assert videos(found.train, folder) == [("pick/#122_Cleaning_pick_0.avi", 0), ("walk/a_walk_0.avi", 1)]
    assert videos(found.test, folder) == [("pick/d [x]_pick_1.avi", 0), ("walk/c_walk_2.avi", 1)]
    assert found.classes == ("pick", "walk")
    assert found.notes[0] == "split 1 of 3"
    assert "2 classes; HMDB51 has 51" in found.notes[1]
    third = read_hmdb51(f"{root}#3")
    assert videos(third.train, folder) == [("pick/#122_Cleaning_pick_0.avi", 0), ("walk/b_walk_1.avi", 1)]
    assert videos(third.test, folder) == [("walk/a_walk_0.avi", 1)]


def test_hmdb51_with_something_wrong(tmp_path: Path) -> None:
    root = make(tmp_path / "set", HMDB51)
    lists = root / "testTrainMulti_7030_splits"
    expect(
        read_hmdb51, f"{root}#2", r"no lists CLASS_test_split2.txt here or in testTrainMulti_7030_splits or"
    )
    expect(read_hmdb51, f"{root}#0", "splits 1, 2 and 3, found '0'")
    make(lists, {"walk_test_split1.txt": "a_walk_0.avi 1\ngone.avi 2\n"})
    expect(
        read_hmdb51, root, r"split1.txt \(test\): 1 of 2 videos are not in .*hmdb51_org: walk/gone.avi: add"
    )
    make(lists, {"walk_test_split1.txt": "a_walk_0.avi 1\nb_walk_1.avi 3\n"})
    expect(
        read_hmdb51,
        root,
        "walk_test_split1.txt, line 2: a file and 0, 1 or 2 are expected, found 'b_walk_1.avi 3'",
    )
    make(lists, {"walk_test_split1.txt": f"a_walk_0.avi 1\n{'x' * 5000}.avi 1\n"})
    expect(read_hmdb51, root, r"split1.txt \(train\): 1 of 3 videos are not in .*hmdb51_org: walk/xxx")
    expect(read_hmdb51, make(tmp_path / "lists", {n: t for n, t in HMDB51.items() if t}), "no class folders")


HEADER = "label,youtube_id,time_start,time_end,split\n"
KINETICS = {
    "annotations/kinetics-400_train.csv": (
        f'{HEADER}"riding a bike",-aZ_9,10,20,train\nabseiling,bbb,0,10,train\n'
        "zumba,ccc,123,133,train\nzumba,ddd,1,2,train\n"
    ),
    "annotations/kinetics-400_validate.csv": (
        f"{HEADER}zumba,bbb,5,15,validate\nabseiling,eee,5,15,validate\n"
    ),
    "train/-aZ_9_000010_000020.mp4": "",
    "train/zumba/ccc_000123_000133.mkv": "",
    "val/zumba/bbb_000005_000015.mp4": "",
    "val/abseiling/eee.webm": "",
}


def test_kinetics400_by_its_lists(tmp_path: Path) -> None:
    root = make(tmp_path, KINETICS)
    found = read_kinetics400(str(root))
    assert found.classes == ("abseiling", "riding a bike", "zumba")
    assert videos(found.train, root) == [
        ("train/-aZ_9_000010_000020.mp4", 1),
        ("train/zumba/ccc_000123_000133.mkv", 2),
    ]
    # The other clip of bbb, with other times, is the one of validation.
    assert videos(found.test, root) == [("val/zumba/bbb_000005_000015.mp4", 2), ("val/abseiling/eee.webm", 0)]
    train = root / "annotations/kinetics-400_train.csv"
    assert found.notes == (
        f"{train}: 2 of 4 videos are not here: bbb_000000_000010, ddd_000001_000002",
        f"{root} has 3 classes; Kinetics-400 has 400",
    )


def test_kinetics400_by_its_folders(tmp_path: Path) -> None:
    root = make(
        tmp_path, ["train/b/1.mp4", "train/b/2.avi", "train/a/x.mp4", "val/b/3.mp4", "val/b/notes.txt"]
    )
    (root / "val/a").mkdir()
    found = read_kinetics400(str(root))
    assert found.classes == ("a", "b")
    assert videos(found.train, root) == [("train/a/x.mp4", 0), ("train/b/1.mp4", 1), ("train/b/2.avi", 1)]
    assert videos(found.test, root) == [("val/b/3.mp4", 1)]


def test_kinetics400_with_something_wrong(tmp_path: Path) -> None:
    root = make(tmp_path / "set", KINETICS)
    train = "annotations/kinetics-400_train.csv"
    expect(read_kinetics400, f"{root}#1", "'kinetics400' has no option, found '#1'")
    make(root, {train: HEADER + "zumba,xyz,1,2,train\nzumba,xyz,3,4,train\n"})
    expect(
        read_kinetics400, root, r"train.csv: none of its 2 videos is below .*, such as xyz_000001_000002.mp4"
    )
    make(root, {train: HEADER + "zumba,xyz,1,2,train\nzumba,xyz,,4,train\n"})
    expect(read_kinetics400, root, "train.csv, line 3: numbers of seconds are expected, found '' and '4'")
    make(root, {train: HEADER + "zumba,xyz,1,1e400,train\n"})
    expect(read_kinetics400, root, "train.csv, line 2: numbers of seconds .*, found '1' and '1e400'")
    make(root, {train: HEADER + ",xyz,1,2,train\n"})
    expect(read_kinetics400, root, "train.csv, line 2: a label and an identifier are expected")
    make(root, {train: HEADER})
    expect(read_kinetics400, root, "train.csv: none of its 0 videos is below")
    make(root, {train: "label,id\n"})
    expect(read_kinetics400, root, "train.csv, line 1: a header with a column youtube_id is expected")
    make(root, {"annotations/train.csv": HEADER})
    expect(read_kinetics400, root, "which list is it, kinetics-400_train.csv or train.csv")
    (root / train).unlink()
    (root / "annotations/train.csv").unlink()
    expect(read_kinetics400, root, "there is no list train.csv here or in annotations")
    expect(read_kinetics400, make(tmp_path / "folders", ["train/a/x.mp4"]), r"are here \(val is missing\)")
    expect(
        read_kinetics400,
        make(tmp_path / "empty", ["train/a/x", "val/a/x"]),
        "train: there are no videos in its class",
    )


def test_table_of_kinetics10() -> None:
    sizes = {category: len(classes) for category, classes in CATEGORIES.items()}
    assert sizes == {
        "basketball": 4, "biking": 4, "bodybuilding": 8, "cooking": 9, "dancing": 14,
        "eating": 9, "golfing": 3, "skiing": 6, "soccer": 4, "swimming": 5,
    }  # fmt: skip
    names = [name for classes in CATEGORIES.values() for name in classes]
    assert len(names) == len(set(names)) == 66
    assert set(names) > NOT_IN_KINETICS_400
    for category, classes in CATEGORIES.items():
        for name in classes:
            assert merged_class(name) == (category, name)
            assert merged_class(name.replace(" ", "_").title()) == (category, name)
    assert merged_class("cooking sausages") == ("cooking", "cooking sausages (not on barbeque)")
    assert merged_class("cooking chicken") is None
    assert merged_class("skiing (not slalom or crosscountry)") is None


def kinetics10_list(part: str, names: list[str]) -> tuple[str, list[str]]:
    rows = [f'"{name}",{part}{i},0,10,{part}\n' for i, name in enumerate(names)]
    return HEADER + "".join(rows), [f"{part}{i}_000000_000010.mp4" for i in range(len(names))]


def test_kinetics10_of_kinetics_400(tmp_path: Path) -> None:
    table = [name for classes in CATEGORIES.values() for name in classes]
    names = [name for name in table if name not in NOT_IN_KINETICS_400]
    names[names.index("cooking sausages (not on barbeque)")] = "cooking sausages"
    names += ["abseiling", "skiing (not slalom or crosscountry)"]
    train, files = kinetics10_list("train", names)
    val, more = kinetics10_list("val", names[::5])
    root = make(tmp_path, {"train.csv": train, "val.csv": val, **dict.fromkeys(files + more, "")})
    found = read_kinetics10(str(root))
    assert found.classes == tuple(CATEGORIES)
    assert len(found.train.paths) == 56
    categories = {
        name.removesuffix(" (not on barbeque)"): i
        for i, merged in enumerate(CATEGORIES.values())
        for name in merged
    }
    assert videos(found.train, root) == [
        (f"train{i}_000000_000010.mp4", categories[name]) for i, name in enumerate(names[:56])
    ]
    assert found.test is not None
    assert found.test.labels.tolist() == [categories[name] for name in names[:56:5]]
    note, others = found.notes
    assert others.startswith("classes that belong to no category are not used (2, such as abseiling)")
    assert note.startswith("56 of 66 merged classes are here, without falling off bike, jumping bicycle, ")
    assert all(name in note for name in NOT_IN_KINETICS_400)


def test_kinetics10_of_class_folders(tmp_path: Path) -> None:
    table = [(name, i) for i, merged in enumerate(CATEGORIES.values()) for name in merged]
    parts = [f"{part}/{name.replace(' ', '_')}/v.mp4" for part in ("train", "val") for name, _ in table]
    root = make(tmp_path / "set", [*parts, "train/abseiling/v.mp4"])
    found = read_kinetics10(str(root))
    expected = sorted((f"train/{name.replace(' ', '_')}/v.mp4", i) for name, i in table)
    assert sorted(videos(found.train, root)) == expected
    assert found.notes == ("classes that belong to no category are not used (1, such as abseiling)",)
    few = make(tmp_path / "few", [name for name in parts if "golf" not in name])
    expect(
        read_kinetics10,
        few,
        r"no class of the category 'golfing' is here \(golf chipping, golf driving, golf put",
    )
