"""The script of a job array, read by bash as Slurm does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.cli.test_compare import compare

from autodas.cli.jobs import Job, Resources, write_slurm_script
from autodas.cli.main import main

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


def element(script: Path, number: int | str, **environment: str) -> subprocess.CompletedProcess[str]:
    words = {"SLURM_ARRAY_TASK_ID": str(number), "SLURM_CPUS_PER_TASK": "1", **environment}
    return subprocess.run(
        ["bash", str(script)], env={**os.environ, **words}, cwd="/", text=True, capture_output=True
    )


@pytest.fixture
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands in for the interpreter: writes down its words, and its threads."""
    program = tmp_path / "the python"
    program.write_text('#!/bin/bash\nprintf "<%s>" "$OMP_NUM_THREADS" "${@:3}"\n[ "$4" != fails ]\n')
    program.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(program))
    return program


@pytest.mark.usefixtures("python")
def test_words_arrive_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "it's a $HOME; `x` \\ \""
    folder.mkdir()
    monkeypatch.chdir(folder)
    words = ("search", "--a=b c", "", "$(touch x)", "'", '"', "*", "--", "ü\nz")
    jobs = [Job("first", Path("0 0"), {"search": ("other",)}), Job("second", Path("1"), {"search": words})]
    for job in jobs:
        job.folder.mkdir()
    script = write_slurm_script(jobs, Resources(threads=3), folder)
    assert element(script, 1, SLURM_CPUS_PER_TASK="5").returncode == 0
    assert jobs[1].log.read_text() == "".join(f"<{word}>" for word in ("5", *words))
    assert not jobs[0].log.exists()
    assert "#SBATCH --array=0-1\n" in script.read_text()
    assert "#SBATCH --cpus-per-task=3\n" in script.read_text()


@pytest.mark.usefixtures("python")
def test_an_element_ends_with_the_first_failure_and_leaves_finished_runs_aside(tmp_path: Path) -> None:
    job = Job("das", tmp_path, {"search": ("search", "fails"), "train": ("train", "works")})
    script = write_slurm_script([job], Resources(), tmp_path)
    assert element(script, 0).returncode == 1
    assert job.log.read_text() == "<1><search><fails>"
    # Slurm starts an element again after the end of its node.
    (tmp_path / "search").mkdir()
    (tmp_path / "search/summary.json").write_text("{}")
    assert element(script, 0).returncode == 0
    assert job.log.read_text() == "<1><search><fails><1><train><works>"
    unknown = element(script, 1)
    assert unknown.returncode == 2
    assert "no element '1'" in unknown.stderr


@pytest.mark.parametrize(
    ("device", "expected"),
    [("cuda", ["#SBATCH --gres=gpu:1"]), ("auto", ["##SBATCH --gres=gpu:1"]), ("cpu", [])],
)
def test_a_gpu_for_each_run(tmp_path: Path, device: str, expected: list[str]) -> None:
    script = write_slurm_script([Job("das", tmp_path, {})], Resources(device=device), tmp_path)
    assert [line for line in script.read_text().splitlines() if "--gres" in line] == expected


@pytest.mark.slow
def test_from_the_script_to_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = compare(Path("a run"), "--methods=random", "--seeds=2", "--on=slurm")
    assert main(words) == 0
    assert "submit it (sbatch 'a run/slurm.sh')" in capsys.readouterr().out
    script = tmp_path / "a run/slurm.sh"
    assert element(script, 1).returncode == 0
    assert main(words) == 0
    assert "1 are done" in capsys.readouterr().out
    assert "#SBATCH --array=0-0\n" in script.read_text()
    assert "random, seed 0" in script.read_text()
    assert "random, seed 1" not in script.read_text()
    assert element(script, 0).returncode == 0
    assert main([*words, "--quiet", "--json"]) == 0
    assert [run["seed"] for run in json.loads(capsys.readouterr().out)["runs"]] == [0, 1]
    # Elsewhere there is nothing left to do.
    table = (tmp_path / "a run/comparison.md").read_text()
    assert main([*words, "--on=local", "--quiet"]) == 0
    assert table in capsys.readouterr().out


def test_another_folder_each_time_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --run the same command would begin another comparison."""
    monkeypatch.chdir(tmp_path)
    _, _, *words = compare(Path("unused"), "--methods=random", "--seeds=1", "--on=slurm")
    assert main(["compare", *words]) == 0
    (folder,) = Path("runs").iterdir()
    assert f"run the same command with --run={folder} again" in capsys.readouterr().out


def test_a_folder_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/slurm.sh.tmp").mkdir()  # as where only this file cannot be written
    assert main(compare(tmp_path / "run", "--methods=random", "--seeds=1", "--on=slurm")) == 2
    assert f"{tmp_path / 'run/slurm.sh'}: cannot be written" in capsys.readouterr().err
