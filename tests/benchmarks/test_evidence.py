"""The script that measures whether searches find better cells than chance, on a small set."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.tables.whole import write_table

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_method_from_its_estimate_to_the_json(tmp_path: Path) -> None:
    write_table(tmp_path / "table.csv")
    (tmp_path / "tiny.yaml").write_text(
        "data: {subset: 60}\nspace: {name: nasbench201, K: 1, C1: 4, C2: 16}\nepochs: 1\nbatch_size: 16\n"
        "tensorboard: false\n"
    )
    script = [sys.executable, str(ROOT / "benchmarks/evidence.py"), "--data=digits", "--methods=sdas-c"]
    script += [f"--table={tmp_path / 'table.csv'}", f"--settings={tmp_path / 'tiny.yaml'}", "--seeds=1"]
    script += [f"--run={tmp_path / 'run'}", f"--output={tmp_path / 'out.json'}"]
    done = subprocess.run(script, capture_output=True, text=True, check=True)
    assert "sdas-c: 1 searches of about" in done.stdout
    facts = json.loads((tmp_path / "out.json").read_text())
    assert [row["method"] for row in facts["rows"]] == ["sdas-c", "a random draw"]
    assert "<figure" in (tmp_path / "out.html").read_text()
    again = subprocess.run([*script, "--estimate"], capture_output=True, text=True, check=True)
    assert again.stdout.strip() == "in all about 0.0 hours of CPU"
