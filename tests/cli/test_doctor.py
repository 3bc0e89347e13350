"""``autodas doctor``, here and where everything is broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.installation.packages import module

from autodas.cli.main import main
from autodas.installation._extras import EXTRAS

pytestmark = pytest.mark.slow


def doctor(*words: str, **variables: str | None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    return subprocess.run(
        [sys.executable, "-m", "autodas", "doctor", *words],
        env={name: text for name, text in environment.items() if text is not None},
        capture_output=True,
        text=True,
        check=False,
    )


def test_here() -> None:
    done = doctor("--json")
    facts = json.loads(done.stdout)
    assert done.stderr == ""
    assert (done.returncode, facts["works"]) == (0, True)
    parts = {finding["part"]: finding for finding in facts["findings"]}
    assert {"autodas", "torch", "kernels", "cache", "processors", "memory"} <= set(parts)
    assert {f"[{name}]" for name in EXTRAS} <= set(parts)
    for finding in facts["findings"]:
        assert finding["state"] in ("ok", "limited")
        assert finding["state"] == "ok" or finding["cost"], finding
        assert "\n" not in finding["found"]


def test_without_torch(tmp_path: Path) -> None:
    module(tmp_path, "torch", "raise OSError('libtorch_cpu.so: cannot open shared object file')")
    done = doctor(PYTHONPATH=os.pathsep.join([str(tmp_path), *filter(None, sys.path)]))
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    (torch,) = [line for line in lines if line.split()[1] == "torch" and "libtorch_cpu.so" in line]
    assert torch.startswith("broken ")
    assert torch.endswith("see pytorch.org for the right one")
    assert lines[-1].startswith("autodas does not work here: torch")
    assert not {"kernels", "[timm]"} & {line.split()[1] for line in lines}


def test_where_everything_is_broken(tmp_path: Path) -> None:
    for name, text in {
        "torch": "import os; os.abort()",
        "yaml": "1 / 0",
        "docstring_parser": "raise SystemExit(4)",
        "packaging": "raise ImportError('gone')",
    }.items():
        module(tmp_path, name, text)
    done = doctor(
        "--json",
        PYTHONPATH=os.pathsep.join([str(tmp_path), *filter(None, sys.path)]),
        HOME=None,
        XDG_CACHE_HOME=None,
        AUTODAS_CACHE="/proc/nowhere",
        TMPDIR="/proc",
        PATH="",
        CC=None,
    )
    assert (done.returncode, done.stderr) == (1, "")
    facts = json.loads(done.stdout)
    parts = {finding["part"]: finding for finding in facts["findings"]}
    assert not facts["works"]
    assert parts["torch"]["state"] == "broken"
    assert parts["torch"]["found"].startswith("SIGABRT")
    assert parts["libraries"]["found"] == "ImportError: gone"


def test_where_the_folder_is_gone(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    module(tmp_path, "torch", "raise ImportError")
    script = f"cd '{tmp_path}/gone' && rmdir ../gone && exec '{sys.executable}' -m autodas doctor"
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    done = subprocess.run(
        ["sh", "-c", script], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if "this folder" in line]
    assert "limited" in line
    assert "cannot be examined: FileNotFoundError" in line


def test_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--jsn"]) == 2
    assert "did you mean '--json'?" in capsys.readouterr().err
