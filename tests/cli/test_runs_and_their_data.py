"""Runs remember their data: evaluation of folders, resuming, notes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from autodas.cli.main import main
from autodas.data import open_dataset, open_test_set
from autodas.errors import AutodasError
from autodas.loop import check_same_data, trained_on, write_data
from autodas.runs.folder import RunFolder

SEARCH = ["--epochs=1", "--batch_size=8", "--space.K=0", "--space.C1=8", "--space.C2=16", "--quiet"]
SEARCH += ["--check_memory=false", "--space.operations=skip_connect,max_pool_3x3,sep_conv_3x3"]
TRAIN = ["--epochs=1", "--batch_size=8", "--skeleton.K=0", "--skeleton.C1=8", "--skeleton.C2=16", "--quiet"]


def save(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images, and a run that was trained on it."""
    root = tmp_path_factory.mktemp("work")
    for label in ("a", "b"):
        for i in range(30):
            save(root / f"set/{label}/{i}.png", 1000 * (label == "b") + i)
    (root / "set/a/notes.heicx").touch()
    assert (
        main(["train", "darts_v2", f"--data=imagefolder:{root / 'set'}", *TRAIN, f"--run={root / 'net'}"])
        == 0
    )
    return root


def evaluated(capsys: pytest.CaptureFixture[str], work: Path, data: Path, *words: str) -> tuple[dict, str]:  # type: ignore[type-arg]
    capsys.readouterr()
    assert main(["evaluate", str(work / "net"), f"--data=imagefolder:{data}", "--json", *words]) == 0
    output = capsys.readouterr()
    return json.loads(output.out), output.err


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert main(list(words)) == 2
    return capsys.readouterr().err


@pytest.mark.slow
def test_all_of_a_folder_without_splits_is_evaluated(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for label in ("a", "b"):
        for i in range(30):
            save(tmp_path / f"new/{label}/x{i}.png", 5000 * (label == "b") + i + 100)
    found, told = evaluated(capsys, work, tmp_path / "new")
    assert found["count"] == 60
    assert "trained_on" not in found
    assert "has no test split: all 60 images are evaluated" in told
    (tmp_path / "new").rename(tmp_path / "test")
    assert evaluated(capsys, work, tmp_path)[0]["top1"] == found["top1"]


def test_images_that_were_trained_on_are_told(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found, told = evaluated(capsys, work, work / "set")
    summary = json.loads((work / "net/summary.json").read_text())
    assert (found["count"], found["trained_on"]) == (60, 60 - summary["test"]["count"])
    assert found["unseen"]["count"] == summary["test"]["count"]
    assert found["unseen"]["top1"] == pytest.approx(summary["test"]["top1"])
    assert f"{found['trained_on']} of 60 images were used to train" in told
    # People read the result on the others first.
    assert main(["evaluate", str(work / "net"), f"--data=imagefolder:{work / 'set'}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    unseen = found["unseen"]
    assert lines[0].startswith(
        f"test accuracy: {unseen['top1']:.1f} % ({unseen['count']} images, 95 % interval"
    )
    values = dict(line.split(maxsplit=1) for line in lines[1:] if line[0] != " " and " " in line)
    assert (values["count"], values["trained_on"]) == (str(unseen["count"]), str(found["trained_on"]))
    together = lines[lines.index("with_training_samples") + 1 :]
    assert [line.split()[1] for line in together if line.startswith("  count")] == ["60"]


@pytest.mark.slow
def test_two_streams_know_what_both_were_trained_on(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alone, _ = evaluated(capsys, work, work / "set")
    both, told = evaluated(capsys, work, work / "set", f"--fuse={work / 'net'}")
    assert both["unseen"] == {**alone["unseen"], "loss": pytest.approx(alone["unseen"]["loss"], abs=1e-5)}
    assert f"were used to train {work / 'net'} or {work / 'net'}: results are first" in told


@pytest.mark.slow
def test_what_a_run_was_trained_on_is_told_by_content(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained = json.loads((work / "net/data.json").read_text())["train"]["count"]
    # The same files under other names, and as a list.
    for label in "ab":
        for path in (work / "set" / label).glob("*.png"):
            (tmp_path / "renamed" / label).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, tmp_path / "renamed" / label / f"x{path.name}")
    assert evaluated(capsys, work, tmp_path / "renamed")[0]["trained_on"] == trained
    # Other files with the same names, of the same size.
    for path in sorted((work / "set").rglob("*.png")):
        content = bytearray(path.read_bytes())
        other = tmp_path / "others" / path.relative_to(work / "set")
        other.parent.mkdir(parents=True, exist_ok=True)
        pixels = 255 - np.asarray(Image.open(path))
        Image.fromarray(pixels).save(other)
        other.write_bytes(other.read_bytes()[: len(content)].ljust(len(content), b"\0"))
    found, told = evaluated(capsys, work, tmp_path / "others")
    assert "trained_on" not in found
    assert "were used to train" not in told
    # Nothing but what it was trained on.
    seen = json.loads((work / "net/data.json").read_text())["train"]["samples"]
    for key, *_ in seen:
        (tmp_path / "seen" / key).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(work / "set" / key, tmp_path / "seen" / key)
    found, told = evaluated(capsys, work, tmp_path / "seen")
    assert (found["trained_on"], found.get("unseen")) == (trained, None)
    assert "results are first" not in told
    assert main(["evaluate", str(work / "net"), f"--data=imagefolder:{tmp_path / 'seen'}"]) == 0
    assert "test accuracy" not in capsys.readouterr().out
    # A training set so large that no beginnings were read: then names and sizes tell.
    shutil.copytree(work / "net", tmp_path / "large")
    facts = json.loads((work / "net/data.json").read_text())
    for sample in facts["train"]["samples"]:
        sample[3] = ""
    (tmp_path / "large/data.json").write_text(json.dumps(facts))
    data = open_test_set(f"imagefolder:{work / 'set'}", ("a", "b"))
    assert trained_on(RunFolder(tmp_path / "large"), data).sum() == trained


def test_class_folders_that_the_network_does_not_know(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(3):
        save(tmp_path / f"b/{i}.png", i)
    assert evaluated(capsys, work, tmp_path)[0]["count"] == 3
    save(tmp_path / "c/1.png", 9)
    assert "knows no class 'c'" in refusal(
        capsys, "evaluate", str(work / "net"), f"--data=imagefolder:{tmp_path}"
    )


@pytest.mark.slow
def test_notes_are_told_once_and_kept(work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    data = f"--data=imagefolder:{work / 'set'}"
    assert main(["search", data, *SEARCH, f"--run={tmp_path / 'run'}"]) == 0
    told = capsys.readouterr().err
    ignored = "1 file of unknown kind is ignored (.heicx 1)"
    assert told.count(ignored) == 1
    start = json.loads((tmp_path / "run/events.jsonl").read_text().splitlines()[0])
    assert ignored in start["notes"]
    assert ignored in json.loads((tmp_path / "run/data.json").read_text())["notes"]
    assert ignored in json.loads((work / "net/events.jsonl").read_text().splitlines()[0])["notes"]
    evaluated(capsys, work, work / "set")
    assert main(["data", "check", f"imagefolder:{work / 'set'}", "--json"]) == 0
    assert ignored in json.loads(capsys.readouterr().out)["warnings"]


@pytest.mark.slow
def test_a_training_says_that_the_data_have_changed_since_the_search(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for label in ("a", "b"):
        for i in range(12):
            save(tmp_path / f"set/{label}/{i}.png", 1000 * (label == "b") + i)
    data = f"--data=imagefolder:{tmp_path / 'set'}"
    assert main(["search", data, *SEARCH, f"--run={tmp_path / 'found'}"]) == 0
    words = ["train", str(tmp_path / "found"), data, *TRAIN]
    assert main([*words, f"--run={tmp_path / 'same'}"]) == 0
    assert "have changed" not in capsys.readouterr().err
    save(tmp_path / "set/a/new.png", 77)
    assert main([*words, f"--run={tmp_path / 'other'}"]) == 0
    note = f"the data have changed since {tmp_path / 'found'}: 1 image more: a/new.png"
    assert note in capsys.readouterr().err
    assert note in json.loads((tmp_path / "other/events.jsonl").read_text().splitlines()[0])["notes"]


@pytest.mark.slow
@pytest.mark.parametrize("command", ["search", "train"])
def test_a_run_goes_on_with_its_own_data_only(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for label in ("a", "b"):
        for i in range(12):
            save(tmp_path / f"set/{label}/{i}.png", 1000 * (label == "b") + i)
    run = tmp_path / "run"
    words = ["search", *SEARCH] if command == "search" else ["train", "darts_v2", *TRAIN]
    words += [f"--data=imagefolder:{tmp_path / 'set'}", f"--run={run}"]
    assert main(words) == 0
    # As if it had been stopped before its end.
    (run / "summary.json").unlink()
    saved = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    save(tmp_path / "set/a/new.png", 77)
    message = refusal(capsys, *words, "--resume=auto")
    assert "the data have changed since this run was started (1 image more: a/new.png)" in message
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()} == saved
    (tmp_path / "set/a/new.png").unlink()
    assert main([*words, "--resume=auto"]) == 0


@pytest.mark.slow
def test_every_change_of_the_data_is_named(tmp_path: Path) -> None:
    for label in ("a", "b"):
        for i in range(10):
            save(tmp_path / f"set/{label}/{i}.png", 1000 * (label == "b") + i)
    name = f"imagefolder:{tmp_path / 'set'}"
    folder = RunFolder(tmp_path / "run").create()
    write_data(folder, open_dataset(name))
    check_same_data(folder, open_dataset(name))

    def refused(**options: object) -> str:
        with pytest.raises(Exception, match="the data have changed") as caught:
            check_same_data(folder, open_dataset(name, **options))  # type: ignore[arg-type]
        return str(caught.value)

    assert "how they are read: image_size 8 then, 4 now" in refused(image_size=4)
    (tmp_path / "set/a/3.png").rename(tmp_path / "set/b/moved.png")
    assert "(1 image more: b/moved.png; 1 image less: a/3.png)" in refused()
    (tmp_path / "set/b/moved.png").rename(tmp_path / "set/a/3.png")
    content = (tmp_path / "set/b/5.png").read_bytes()
    Image.new("RGB", (8, 8)).save(tmp_path / "set/b/5.png")
    assert "(1 image with other content: b/5.png)" in refused()
    # As many bytes, the same name.
    (tmp_path / "set/b/5.png").write_bytes(content[:-1] + b"x")
    assert "(1 image with other content: b/5.png)" in refused()
    (tmp_path / "set/b/5.png").write_bytes(content)
    check_same_data(folder, open_dataset(name))
    # Without names the contents tell.
    write_data(folder, open_dataset("digits"))
    check_same_data(folder, open_dataset("digits"))
    with pytest.raises(Exception, match=r"the training images \(1437 then, 100 now\)"):
        check_same_data(folder, open_dataset("digits", subset=100))


def test_predict_takes_the_files_of_a_folder_by_the_rules_of_data_sets(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a/1.png", "2.jfif", "a/.ipynb_checkpoints/1.png", ".hidden.png"):
        save((tmp_path / "new" / name).with_suffix(".png"), 1)
    (tmp_path / "new/2.png").rename(tmp_path / "new/2.jfif")
    save(tmp_path / "elsewhere/3.png", 3)
    (tmp_path / "new/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "new/linked/back").symlink_to(tmp_path / "new")
    (tmp_path / "new/notes.odt").touch()
    capsys.readouterr()
    assert main(["predict", str(work / "net"), str(tmp_path / "new"), "--json"]) == 0
    output = capsys.readouterr()
    names = [Path(row["file"]).relative_to(tmp_path / "new") for row in json.loads(output.out)]
    assert sorted(map(str, names)) == ["2.jfif", "a/1.png", "linked/3.png"]
    for told in (
        "1 file of unknown kind is ignored (.odt 1)",
        "1 hidden file",
        ".ipynb_checkpoints 1",
        "1 link",
    ):
        assert told in output.err


@pytest.mark.parametrize(
    "damage",
    [
        lambda facts: [facts],
        lambda facts: facts | {"train": []},
        lambda facts: facts | {"train": facts["train"] | {"samples": [["a", 1]]}},
        lambda facts: facts | {"test": facts["test"] | {"samples": {"a": 1}}},
        lambda facts: facts | {"classes": 3},
        lambda facts: facts | {"notes": 3},
        lambda facts: facts | {"pixels": "none"},
        lambda facts: {key: value for key, value in facts.items() if key != "classes"},
    ],
)
def test_damaged_facts_about_data(
    work: Path, tmp_path: Path, damage: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = json.loads((work / "net" / "data.json").read_text())
    shutil.copytree(work / "net", tmp_path / "net")
    (tmp_path / "net" / "data.json").write_text(json.dumps(damage(facts)))
    found = refusal(capsys, "evaluate", str(tmp_path / "net"), f"--data=imagefolder:{work / 'set'}")
    assert "data.json: broken" in found


def test_data_of_a_later_version_may_know_more(tmp_path: Path) -> None:
    for i in range(6):
        save(tmp_path / f"set/{'ab'[i % 2]}/{i}.png", i)
    data, run = open_dataset(f"imagefolder:{tmp_path / 'set'}"), RunFolder(tmp_path)
    write_data(run, data)
    facts = run.read_json("data.json")
    facts["pixels"]["later"] = 1
    run.write_json("data.json", facts)
    with pytest.raises(AutodasError, match="how they are read: later 1 then, None now"):
        check_same_data(run, data)
    facts["pixels"]["later"] = None
    run.write_json("data.json", facts)
    with pytest.raises(AutodasError, match="how they are read: later None then, None now"):
        check_same_data(run, data)
