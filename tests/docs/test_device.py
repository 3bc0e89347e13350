"""The page on costs on a device: its table of what was measured on one machine."""

from __future__ import annotations

import json
import re
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]


def spread(values: list[float], digits: int) -> str:
    low, high = min(values), max(values)
    return f"{median(values):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def test_the_table_is_what_was_measured() -> None:
    measured = json.loads((ROOT / "benchmarks/results/device_held_out.json").read_text())
    page = (ROOT / "docs/device.md").read_text().partition("## On one machine")[2]
    rows = re.findall(r"^\| ([^|]+) \| (torch|onnxruntime) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", page, re.M)
    assert len(rows) == len(measured) == 4
    for (_, runtime, times, rank, error), found in zip(rows, measured, strict=True):
        assert runtime == found["device"]["runtime"]
        assert times == f"{min(found['measured']):.1f} to {max(found['measured']):.1f}"
        assert rank == spread([draw["rank_correlation"] for draw in found["draws"]], 3)
        assert error == spread([100 * draw["median"] for draw in found["draws"]], 1)
