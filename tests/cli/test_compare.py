"""``autodas compare``: real searches and trainings, in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.tables.whole import write_table

from autodas.cli.compare import _agreement_in_words
from autodas.cli.config._arguments import take_prefixed
from autodas.cli.config._configuration import dump
from autodas.cli.main import main
from autodas.runs.agreement import Agreement

SMALL = [
    "--search.space.K=0",
    "--search.space.C1=4",
    "--search.space.C2=8",
    "--search.space.operations=skip_connect,max_pool_3x3,sep_conv_3x3",
    "--train.skeleton.K=0",
    "--train.skeleton.C1=4",
    "--train.skeleton.C2=8",
    "--search.epochs=1",
    "--train.epochs=1",
    "--data=digits",
    "--data.subset=200",
    "--compute.threads=1",
    "--search.tensorboard=false",
    "--search.check_memory=false",
    "--train.tensorboard=false",
]


def compare(folder: Path, *words: str) -> list[str]:
    single = folder.parent / "single.yaml"
    single.write_text("strategies: {random: {candidates: 1}}\n")
    return ["compare", f"--run={folder}", *SMALL, f"--search.config={single}", *words]


def times(folder: Path) -> dict[str, int]:
    """When each run was finished."""
    return {str(path): path.stat().st_mtime_ns for path in folder.glob("*/seed*/*/summary.json")}


def test_words_of_other_commands_are_taken_out() -> None:
    words = ["--seeds", "2", "--search.epochs", "3", "--train.x=1", "--quiet", "--search.flag", "--data", "d"]
    taken, rest = take_prefixed(words, ("search", "train"))
    assert taken == {"search": ["--epochs", "3", "--flag"], "train": ["--x=1"]}
    assert rest == ["--seeds", "2", "--quiet", "--data", "d"]


@pytest.mark.slow
@pytest.mark.usefixtures("forked_jobs")
def test_from_nothing_to_a_table_and_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "all"
    assert main(compare(folder, "--methods=random", "--seeds=1")) == 0
    printed = capsys.readouterr().out
    assert "[1/1] random, seed 0: train ..." in printed
    assert "| random | cifar-o2d |" in printed

    # Another method is added; the runs that exist stay as they are.
    before = times(folder)
    assert len(before) == 2
    assert main(compare(folder, "--methods=sdas-c", "--seeds=1", "--jobs=2")) == 0
    printed = capsys.readouterr().out
    assert "[1/1] sdas-c, seed 0: search ..." in printed
    assert "| sdas-c | cifar-o2d |" in printed
    assert "| random | cifar-o2d |" in printed, "random search is always among them"
    assert (folder / "comparison.md").read_text() in printed

    facts = json.loads((folder / "comparison.json").read_text())
    run = facts["runs"][0]
    trained = json.loads((folder / "sdas-c/seed0/train/summary.json").read_text())
    found = json.loads((folder / "sdas-c/seed0/search/summary.json").read_text())
    assert run["error"] == pytest.approx(100 - trained["test"]["top1"])
    assert run["parameters"] == trained["parameters"] > 0
    assert run["multiply_adds"] == trained["multiply_adds"] > 0
    assert run["relaxed"] == found["accuracies"]["relaxed"]
    assert 0 < run["seconds"] < 300
    # Both searches saw the same halves of the pictures.
    splits = {(folder / m / "seed0/search/split.json").read_text() for m in ("sdas-c", "random")}
    assert len(splits) == 1

    assert [row["method"] for row in facts["rows"]] == ["sdas-c", "random"]
    after = times(folder)
    assert all(after[path] == before[path] for path in before)
    assert len(after) == 4
    assert main(compare(folder, "--methods=sdas-c", "--seeds=1", "--quiet", "--json")) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == facts["rows"]
    assert times(folder) == after

    # Other settings than those of the existing runs are refused.
    assert main([*compare(folder, "--methods=sdas-c", "--seeds=1"), "--train.epochs=2"]) == 2
    assert "this run has other settings (epochs: 1 there, epochs: 2 here)" in capsys.readouterr().err


IN_TABLE = [
    "--search.space.name=nasbench201",
    "--search.space.K=1",
    "--search.space.C1=4",
    "--search.space.C2=16",
    "--search.epochs=1",
    "--search.tensorboard=false",
    "--search.check_memory=false",
    "--data=digits",
    "--data.subset=60",
    "--compute.threads=1",
]


def test_agreement_like_chance_is_close_to_a_draw() -> None:
    found = {"das": Agreement(0.17, 0.26, 0.906, 3), "snas": Agreement(0.6, 0.3, 0.01, 3)}
    assert _agreement_in_words(found) == (
        "\nAgreement of seeds, the share of edges with the same operation: das 0.17 (chance 0.26, p = 0.906)"
        "; snas 0.60 (chance 0.30, p = 0.010). Not more than the frequencies of the operations explain: das. "
        "There seeds agree at most on how often an operation is chosen, not on where: another seed would "
        "probably find another cell, however clear and stable the decisions are.\n"
    )
    assert "Not more" not in _agreement_in_words({"snas": found["snas"]})
    assert _agreement_in_words({}) == ""


@pytest.mark.slow
@pytest.mark.usefixtures("forked_jobs")
def test_looked_up_instead_of_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table of all cells, whose accuracy is the number of 3x3 convolutions."""
    file = tmp_path / "t.csv"
    rows = write_table(file)
    words = ["compare", *IN_TABLE, f"--run={tmp_path / 'run'}", "--methods=sdas-c", "--seeds=1"]
    assert main([*words, f"--table=nasbench201:{file}"]) == 0
    printed = capsys.readouterr().out
    assert "1 searches; 0 are done" in printed
    assert "| a random cell |  | 1.20 ± 0.98 | 0.00 |" in printed
    assert not (tmp_path / "run/sdas-c/seed0/train").exists()
    facts = json.loads((tmp_path / "run/comparison.json").read_text())
    found = facts["runs"][0]
    assert found["accuracies"] == {"digits": found["architecture"].count("nor_conv_3x3")}
    # The search has recorded the same at its end, and what it would have derived after each epoch.
    summary = json.loads((tmp_path / "run/sdas-c/seed0/search/summary.json").read_text())
    assert summary["table"]["accuracies"] == found["accuracies"]
    metrics = (tmp_path / "run/sdas-c/seed0/search/metrics.csv").read_text().splitlines()
    last = dict(zip(metrics[0].split(","), metrics[-1].split(","), strict=True))
    assert float(last["table_digits"]) == found["accuracies"]["digits"]
    # The page shows where it fell.
    page = (tmp_path / "run/comparison.html").read_text()
    assert "All searches" in page
    assert page.count("<circle") == 2
    # Another space, and a table without what was found.
    assert main([*words, f"--table=nasbench201:{file}", "--search.space.name=cifar-o2d"]) == 2
    assert "describes space nasbench201, but the search is in" in capsys.readouterr().err
    file.write_text("\n".join([rows[0], *(row for row in rows[1:] if found["architecture"] not in row)]))
    assert main([*words, f"--table=nasbench201:{file}"]) == 2
    assert f"lacks the architecture {found['architecture']}" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures("forked_jobs")
def test_stopped_and_continued(tmp_path: Path, command: type) -> None:
    words = compare(
        tmp_path / "run", "--methods=random", "--seeds=1", "--search.epochs=4", "--search.checkpoint_every=1"
    )
    process = command(tmp_path, *words)
    checkpoints = tmp_path / "run/random/seed0/search/checkpoints"
    limit = time.monotonic() + 120
    while not (checkpoints.exists() and any(checkpoints.iterdir())):
        assert time.monotonic() < limit
        assert process.poll() is None
        time.sleep(0.1)
    process.terminate()
    assert process.wait() == 130
    error = process.printed[1]
    assert "run the same command again to resume" in error
    assert not (tmp_path / "run/random/seed0/search/summary.json").exists()
    events = (tmp_path / "run/random/seed0/search/events.jsonl").read_text()
    assert command(tmp_path, *words).wait() == 0
    assert (tmp_path / "run/comparison.md").exists()
    assert (tmp_path / "run/random/seed0/search/events.jsonl").read_text().startswith(events.splitlines()[0])


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_what_it_has_started_ends_when_it_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "autodas", *compare(tmp_path / "run", "--methods=das", "--jobs=2")]
    # A session of its own, by which its processes are found when they have lost their parent.
    process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None

    def others() -> list[int]:
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == process.pid and fields[0] != "Z" and int(stat.parent.name) != process.pid:
                found.append(int(stat.parent.name))
        return found

    limit = time.monotonic() + 100
    while len(others()) < 2:
        assert time.monotonic() < limit
        time.sleep(0.05)
    process.kill()
    process.wait()
    process.stdout.close()
    limit = time.monotonic() + 30
    while others():
        assert time.monotonic() < limit
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--methods=sdas-d"], "unknown strategy 'sdas-d'; did you mean 'sdas-"),
        (["--seeds=0"], "seeds=0 must be at least 1"),
        (["--on=cloud"], "--on: expected one of local, ray, slurm, found 'cloud'"),
        (["--on=slurm", "--jobs=2"], "--jobs 2: Slurm decides how many runs there are at a time"),
        (
            ["--on=ray", "--compute.device=cuda:1"],
            "--compute.device cuda:1: with --on ray each run sees only",
        ),
        (["--search.epoch=3"], "search: unknown option '--epoch'; did you mean '--epochs'?"),
        (["--train.skeleton.K=x"], "train: --skeleton.K: expected"),
        (["--preset=nothing"], "preset 'nothing'"),
        (["--epochs=3"], "unknown option '--epochs'"),
        (["--search.strategy=das"], "--search.strategy: is set by autodas compare itself"),
        (["--search.strategy.name", "das"], "--search.strategy.name: is set by autodas compare"),
        (["--train.seed=3"], "--train.seed: is set by autodas compare"),
        (["--search.dry-run"], "--search.dry_run: is set by autodas compare"),
        (["--train.skeleton.C2=9"], "C2=9 must be a multiple of 8"),
    ],
)
def test_bad_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main(["compare", f"--run={tmp_path / 'run'}", "--methods=das", "--data=digits", *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_settings_of_single_methods_and_another_skeleton(tmp_path: Path) -> None:
    from autodas.cli._settings import DataConfig
    from autodas.cli.compare import CompareConfig, _entry

    own = tmp_path / "own.yaml"
    own.write_text("strategies:\n  das: {learning_rate: 0.25}\n  random: {candidates: 2}\n")
    options = {
        "search": ["--config", str(own), "--space.name=nasbench201", "--space.C1=8"],
        "train": ["--skeleton.C1=8"],
    }
    for method, expected in (("das", "learning_rate: 0.25"), ("random", "candidates: 2")):
        config = CompareConfig(data=DataConfig(name="digits"))
        entry = _entry(config, method, 0, tmp_path, ["--data=digits"], options, None)
        assert expected in dump(entry.configurations["search"])
        assert "name: nasbench201" in dump(entry.configurations["train"]), (
            "what is found there is trained there"
        )


def test_a_folder_that_is_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(compare(tmp_path / "file", "--methods=random", "--seeds=1")) == 2
    assert str(tmp_path / "file") in capsys.readouterr().err


# With a real process of its own, as all users have it.
@pytest.mark.slow
def test_a_run_that_fails_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = compare(tmp_path / "run", "--methods=random", "--seeds=1", "--search.strategy.candidates=0")
    assert main(words) == 2  # found before anything runs
    assert "candidates must be at least 1" in capsys.readouterr().err
    words = compare(
        tmp_path / "run", "--methods=random", "--seeds=1", f"--data=imagefolder:{tmp_path / 'no'}"
    )
    assert main(words) == 2
    message = capsys.readouterr()
    assert "[1/1] random, seed 0: search failed: " in message.out
    assert "1 of 1 failed: random, seed 0 (see " in message.err
    assert "run the same command again to resume" in message.err
