"""The script that measures whether searches find better cells than chance, on a small set."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMES = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_method_from_its_estimate_to_the_json(tmp_path: Path) -> None:
    rows = ["architecture,digits_test"]
    for a, b, c, d, e, f in itertools.product(NAMES, repeat=6):
        text = f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"
        rows.append(f"{text},{text.count('nor_conv_3x3')}")
    (tmp_path / "table.csv").write_text("\n".join(rows))
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
    again = subprocess.run([*script, "--estimate"], capture_output=True, text=True, check=True)
    assert again.stdout.strip() == "in all about 0.0 hours of CPU"
