"""The page on pandas, run as it is printed on runs that were recorded."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / "tests" / "runs" / "recorded"


def test_every_block_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pandas = pytest.importorskip("pandas")
    for recorded, name in (("search", "search"), ("train", "network"), ("compare", "compare")):
        shutil.copytree(RECORDED / recorded, tmp_path / "runs" / name)
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "pandas.md").read_text()
    names: dict[str, object] = {}
    for block in re.findall(r'```python title="\w+"\n(.*?)```', text, re.DOTALL):
        exec(compile(block, "pandas.md", "exec"), names)
    printed = capsys.readouterr().out
    decisions = names["decisions"]
    assert isinstance(decisions, pandas.DataFrame)
    assert len(decisions) == sum(
        '"decision"' in line for line in Path("runs/search/events.jsonl").read_text().splitlines()
    )
    assert "train_top1" in printed
    assert {"runs/search", "runs/network"} <= {*names["runs"].run}  # type: ignore[attr-defined]
    (line,) = re.findall(r"`(pd\.json_normalize\(.*?)`\.", text)
    assert {"method", "error"} <= {*eval(line, names).columns}
