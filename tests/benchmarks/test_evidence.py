"""The script that measures whether searches find better cells than chance, on a small set."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.tables.whole import write_table

PATH = Path(__file__).parents[2] / "benchmarks/evidence.py"


@pytest.fixture
def evidence(command: Any, forked_jobs: None, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, whose commands are forked from this process, in place of new interpreters."""
    specification = spec_from_file_location("evidence", PATH)
    assert specification is not None
    assert specification.loader is not None
    script = module_from_spec(specification)
    monkeypatch.setitem(sys.modules, "evidence", script)
    specification.loader.exec_module(script)

    usual = subprocess.run

    def run(words: list[str], *, check: bool = False, **options: Any) -> subprocess.CompletedProcess[Any]:
        if words[:3] != [sys.executable, "-m", "autodas"]:  # the compiler of the kernels
            return usual(words, check=check, **options)
        process = command(Path.cwd(), *words[3:])
        done = subprocess.CompletedProcess(words, process.wait(), *process.printed)
        assert done.returncode == 0 or not check, done.stderr
        return done

    monkeypatch.setattr(subprocess, "run", run)
    return script


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_method_from_its_estimate_to_the_json(
    tmp_path: Path,
    evidence: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_table(tmp_path / "table.csv")
    (tmp_path / "tiny.yaml").write_text(
        "data: {subset: 60}\nspace: {name: nasbench201, K: 1, C1: 4, C2: 16}\nepochs: 1\nbatch_size: 16\n"
        "tensorboard: false\ncheck_memory: false\n"
    )
    words = [str(PATH), "--data=digits", "--methods=sdas-c"]
    words += [f"--table={tmp_path / 'table.csv'}", f"--settings={tmp_path / 'tiny.yaml'}", "--seeds=1"]
    words += [f"--run={tmp_path / 'run'}", f"--output={tmp_path / 'out.json'}"]
    monkeypatch.setattr(sys, "argv", words)
    assert evidence.main() == 0
    assert "sdas-c: 1 searches of about" in capsys.readouterr().out
    first = json.loads((tmp_path / "out.json").read_text())
    assert [row["method"] for row in first["rows"]] == ["sdas-c", "a random cell"]
    assert first["runs"][0]["trajectory"] == [first["rows"][0]["least"]]
    assert "<figure" in (tmp_path / "out.html").read_text()

    # The JSON is enough: its searches are not repeated where their run folders are gone.
    shutil.rmtree(tmp_path / "run")
    monkeypatch.setattr(sys, "argv", [*words, "--with", "strategy.beta_decay=1"])
    assert evidence.main() == 0
    both = json.loads((tmp_path / "out.json").read_text())
    assert [row["method"] for row in both["rows"]] == ["sdas-c", "sdas-c with beta_decay=1", "a random cell"]
    assert both["runs"][0] == first["runs"][0]
    assert "--strategy.beta_decay=1" in both["searches"]["sdas-c with beta_decay=1"]["command"]
    monkeypatch.setattr(sys, "argv", [*words, "--estimate"])
    capsys.readouterr()
    assert evidence.main() == 0
    assert capsys.readouterr().out.strip() == "in all about 0.0 hours of CPU"
