from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from autodas.data.sets._lists import ListedSet, missing_files, read_lists, split_option
from autodas.data.sets._video_sets import raw_videos
from autodas.errors import AutodasError


def read_video_lists(rest: str) -> ListedSet:
    return read_lists(rest, "videolist", "videos")


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """Make a file below a folder of empty videos; returns its path."""
    for name in ("a b/one.mp4", "a b/two.mp4", "c/three.mp4", "c/four, with a comma.mp4", "five.mp4"):
        (tmp_path / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "videos" / name).touch()

    def write(name: str, text: str) -> Path:
        path = tmp_path / "videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_lines_of_path_and_class_name(make: Callable[..., Path]) -> None:
    path = make(
        "list.txt", "# mine\n\na b/one.mp4 run\n  c/three.mp4\twalk  \nc/four, with a comma.mp4 run\n"
    )
    found = read_video_lists(str(path))
    folder = path.parent
    assert found.train.paths == tuple(
        str(folder / name) for name in ("a b/one.mp4", "c/three.mp4", "c/four, with a comma.mp4")
    )
    assert found.train.labels.tolist() == [0, 1, 0]
    assert found.train.labels.dtype == "int64"
    assert found.classes == ("run", "walk")
    assert found.test is None
    assert found.notes == ()


def test_numbers_are_classes_in_ascending_order(make: Callable[..., Path]) -> None:
    path = make("list.txt", "a b/one.mp4 10\na b/two.mp4 2\nfive.mp4 010\n")
    found = read_video_lists(str(path))
    assert found.classes == ("2", "10")
    assert found.train.labels.tolist() == [1, 0, 1]
    # One word among them makes all of them names.
    found = read_video_lists(
        str(make("list.txt", "a b/one.mp4 10\na b/two.mp4 2\nfive.mp4 010\nc/three.mp4 x\n"))
    )
    assert found.classes == ("010", "10", "2", "x")


def test_file_of_class_names(make: Callable[..., Path]) -> None:
    make("classes.txt", "walk\njump far\nrun\n")
    found = read_video_lists(str(make("list.txt", "a b/one.mp4 2\na b/two.mp4 0\n")))
    assert found.classes == ("walk", "jump far", "run")
    assert found.train.labels.tolist() == [2, 0]
    found = read_video_lists(str(make("list.csv", "path,label\nfive.mp4,jump far\n")))
    assert found.train.labels.tolist() == [1]
    # Numbers that are listed there are names.
    make("classes.txt", "1\n2\n3\n")
    found = read_video_lists(str(make("list.txt", "a b/one.mp4 3\na b/two.mp4 1\n")))
    assert found.train.labels.tolist() == [2, 0]


def test_csv_with_splits(make: Callable[..., Path]) -> None:
    rows = (
        'Frames,Class_Name,video_path,split\n'
        '7,run fast,a b/one.mp4,train\n'
        '# not this one\n'
        '7,walk,a b/two.mp4,training\n'
        '\n'
        '7,walk,"c/four, with a comma.mp4",validation\n'
    )  # fmt: skip
    path = make("list.csv", "\ufeff" + rows)
    found = read_video_lists(str(path))
    assert [Path(p).name for p in found.train.paths] == ["one.mp4", "two.mp4"]
    assert found.train.labels.tolist() == [0, 1]
    assert found.test is not None
    assert found.test.paths == (str(path.parent / "c/four, with a comma.mp4"),)
    assert found.test.labels.tolist() == [1]
    assert found.classes == ("run fast", "walk")
    # Where there is a test split, it is the one.
    found = read_video_lists(str(make("list.csv", rows + "7,run fast,five.mp4,test\n")))
    assert found.test is not None
    assert found.test.labels.tolist() == [0]
    assert found.notes == (
        f"{path}: val is not used (1 videos): test is the test split",
    )  # fmt: skip


def test_folder_of_lists_and_another_root(make: Callable[..., Path], tmp_path: Path) -> None:
    make("../lists/train.txt", "a b/one.mp4 x\nc/three.mp4 y\n")
    make("../lists/val.csv", "file,label\nfive.mp4,y\nc/three.mp4,y\n")
    lists, root = tmp_path / "lists", tmp_path / "videos"
    found = read_video_lists(f"{lists}#{root}")
    assert found.train.paths == (str(root / "a b/one.mp4"), str(root / "c/three.mp4"))
    assert found.test is not None
    assert found.test.paths == (str(root / "five.mp4"), str(root / "c/three.mp4"))
    assert found.test.labels.tolist() == [1, 1]
    assert found.notes == (f"{lists}: training and test videos overlap (1, such as {root / 'c/three.mp4'})",)
    absolute = read_video_lists(str(make("absolute.txt", f"{root / 'five.mp4'} x\nc/three.mp4 y\n")))
    assert absolute.train is not None
    assert absolute.train.keys == ["five.mp4", "c/three.mp4"]


def test_option_after_a_path(tmp_path: Path) -> None:
    assert split_option("some/where#2") == ("some/where", "2")
    assert split_option("some/where") == ("some/where", "")
    (tmp_path / "c#").mkdir()
    assert split_option(f"{tmp_path}/c#") == (f"{tmp_path}/c#", "")
    assert split_option(f"{tmp_path}/c##3") == (f"{tmp_path}/c#", "3")


def test_missing_files(make: Callable[..., Path]) -> None:
    lines = [f"gone/{i}.mp4 a" for i in range(4)]
    path = make("list.txt", "\n".join(["five.mp4 a", *lines, "c/3.mp4 b"]))
    with pytest.raises(AutodasError) as caught:
        read_video_lists(str(path))
    message = str(caught.value)
    assert message.startswith(
        f"{path}: 5 of 6 videos are not in {path.parent}: gone/0.mp4 ({path}, line 2); "
    )
    assert f"gone/2.mp4 ({path}, line 4); ...: " in message
    assert "gone/3.mp4" not in message
    assert f"videolist:{path}#FOLDER" in message
    assert "\n" not in message
    videos = [str(path.parent / name) for name in ("five.mp4", "six.mp4", "a b", "a b/", "no/five.mp4")]
    assert missing_files(videos) == [1, 4]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("list.txt", "", "list.txt: the list is empty"),
        ("list.csv", "path,label\n", "list.csv: the list is empty"),
        ("list.txt", "five.mp4 a\n\nfive.mp4\n", "list.txt, line 3: a path and a label are expected, found"),
        ("list.txt", "five.mp4 -1\nc/three.mp4 1\n", "line 1: labels out of range: -1 .is a list without"),
        ("list.csv", "path,label\n#\nfive.mp4,a,b\n", "list.csv, line 3: 3 columns, but the header has 2"),
        ("list.csv", "five.mp4,a\n", "list.csv, line 1: a header with a column path or file or video"),
        ("list.csv", "path,name\n", "line 1: a header with a column label or class or class_name"),
        ("list.csv", "path,label\nfive.mp4,\n", "list.csv, line 2: the label is empty"),
        ("list.csv", "path,label\n,a\n", "list.csv, line 2: the path is empty"),
        ("list.csv", "path,label,split\nfive.mp4,a,later\n", "line 2: the split must be train, test or val"),
        ("list.csv", 'path,label\nfive.mp4,"a\n', "line 2: a quotation mark is opened, but never closed"),
    ],
)  # fmt: skip
def test_malformed_lists(make: Callable[..., Path], name: str, text: str, message: str) -> None:
    with pytest.raises(AutodasError, match=message):
        read_video_lists(str(make(name, text)))


def test_labels_that_only_test_videos_have_are_for_evaluations(make: Callable[..., Path]) -> None:
    rows = "path,label,split\nfive.mp4,walk,train\nc/three.mp4,run,train\nfive.mp4,walks,test\n"
    found = read_video_lists(str(make("list.csv", rows)))
    assert found.refusal is not None
    assert found.refusal.endswith(
        "line 4: label 'walks' is not one of the 2 classes of the training videos; did you mean 'walk'?"
    )
    assert found.classes == ("run", "walk", "walks")
    assert raw_videos(found).refusal == found.refusal


def test_labels_out_of_the_range_of_the_names(make: Callable[..., Path]) -> None:
    make("classes.txt", "walk\nrun\n")
    with pytest.raises(
        AutodasError, match=r"list.txt, line 2: label '2' is not one of the 2 classes in .*numbered"
    ):
        read_video_lists(str(make("list.txt", "five.mp4 0\nc/three.mp4 2\n")))
    with pytest.raises(AutodasError, match=r"line 1: label '-1' is not one of the 2 classes"):
        read_video_lists(str(make("list.txt", "five.mp4 -1\n")))
    with pytest.raises(
        AutodasError, match=r"label 'runs' is not one of the 2 classes in .*did you mean 'run'"
    ):
        read_video_lists(str(make("list.txt", "five.mp4 runs\n")))
    make("classes.txt", "walk\nrun\nwalk\n")
    with pytest.raises(AutodasError, match=r"classes.txt: the class 'walk' is there more than once"):
        read_video_lists(str(make("list.txt", "five.mp4 1\n")))
    make("classes.txt", "# none\n")
    with pytest.raises(AutodasError, match=r"classes.txt: the list of classes is empty"):
        read_video_lists(str(make("list.txt", "five.mp4 1\n")))


def test_what_is_no_list(make: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(AutodasError, match="needs a path: write videolist:PATH"):
        read_video_lists("")
    with pytest.raises(AutodasError, match="no such file or folder"):
        read_video_lists(str(tmp_path / "nothing.txt"))
    with pytest.raises(AutodasError, match=r"no list train.txt or train.csv in this folder"):
        read_video_lists(str(tmp_path))
    path = make("list.txt", "")
    path.write_bytes(b"\x00\x01\xff\xfe")
    with pytest.raises(AutodasError, match=r"list.txt: not a text file in UTF-8 \(byte 2\)"):
        read_video_lists(str(path))


def test_list_of_real_videos(shared_data: Callable[[str], Path]) -> None:
    found = read_video_lists(str(shared_data("ucf101_mini") / "clips.csv"))
    assert found.test is not None
    assert (len(found.train.paths), len(found.test.paths), len(found.classes)) == (113, 44, 16)
    for part in (found.train, found.test):
        for path, label in zip(part.paths, part.labels, strict=True):
            assert Path(path).parent.name == found.classes[label]
    assert found.notes == ()


def test_listed_videos_can_be_read(shared_data: Callable[[str], Path]) -> None:
    raw = raw_videos(read_video_lists(str(shared_data("ucf101_mini") / "clips.csv")))
    assert raw.test is not None
    assert len(raw.train.source) == len(raw.train.labels) == 113
    assert len(raw.test.source) == len(raw.test.labels) == 44
    with (shared_data("ucf101_mini") / "clips.csv").open() as file:
        first = next(row for row in csv.DictReader(file) if row["split"] == "train")
    assert raw.train.source.paths is not None
    assert raw.train.source.paths[0].endswith(first["path"])
    assert raw.classes[raw.train.labels[0]] == first["label"]
