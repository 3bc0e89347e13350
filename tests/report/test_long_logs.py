"""Runs of many epochs: curves look the same with fewer points, and the page stays small."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import re
import time
from pathlib import Path
from random import Random
from urllib.parse import unquote

import pytest

from autodas.report.page import render_page
from autodas.report.page._thinning import MOST, some_of, thinned


def test_ends_and_extremes_stay() -> None:
    random = Random(0)
    points = [(x, random.gauss(0, 1)) for x in range(10_000)]
    points[4321], points[8765] = (4321, 50.0), (8765, -50.0)
    few = thinned(points)
    assert len(few) <= 1002
    assert few == sorted(few)
    assert set(few) <= set(points)
    assert {points[0], points[-1], (4321, 50.0), (8765, -50.0)} <= set(few)
    # No stretch of the width of a pixel loses its highest or its lowest point.
    for start in range(0, 10_000, 20):
        stretch = points[start : start + 20]
        kept = [point for point in few if start <= point[0] < start + 20]
        assert max(y for _, y in kept) == max(y for _, y in stretch)
        assert min(y for _, y in kept) == min(y for _, y in stretch)


def test_short_curves_stay_whole() -> None:
    points = [(x, math.sin(x)) for x in range(MOST)]
    assert thinned(points) == points
    assert thinned([]) == []


@pytest.mark.parametrize(("count", "most"), [(5, 10), (10, 10), (1001, 1000), (10_000, 200)])
def test_some_states(count: int, most: int) -> None:
    few = some_of(range(count), most)
    assert len(few) == min(count, most)
    assert (few[0], few[-1]) == (0, count - 1)
    steps = {b - a for a, b in itertools.pairwise(few)}
    assert max(steps) - min(steps) <= 1


def long_training(folder: Path, epochs: int) -> Path:
    folder.mkdir()
    random = Random(1)
    events = [{"event": "start", "command": "train", "data": "digits", "genotype": "x"}]
    for epoch in range(1, epochs + 1):
        metrics = {f"train_{name}": random.random() for name in ("loss", "top1", "top5")}
        spent = {"seconds": random.random(), "cpu_seconds": random.random(), "memory_bytes": epoch}
        events.append({"event": "epoch", "iteration": 7 * epoch, **metrics, "volatile": spent})
    events[5000 if epochs > 5000 else 1]["train_loss"] = 99.5
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    return folder


@pytest.mark.slow
def test_the_page_of_ten_thousand_epochs(tmp_path: Path) -> None:
    folder = long_training(tmp_path / "run", 10_000)
    start = time.process_time()
    page = render_page([folder])
    assert time.process_time() - start < 5
    assert len(page) < 1_000_000
    text = unquote(re.search(r'training-loss\.csv" href="data:text/csv;charset=utf-8,([^"]*)"', page)[1])
    rows = list(csv.reader(io.StringIO(text)))[1:]
    # What stands in the table is exact, and what is drawn.
    logged = {
        e["iteration"]: e["train_loss"]
        for e in map(json.loads, (folder / "events.jsonl").open())
        if "iteration" in e
    }
    assert len(rows) <= 1002
    assert all(logged[int(x)] == float(y) for x, y, *_ in rows)
    assert (rows[0][0], rows[-1][0]) == ("7", "70000")
    assert max(float(y) for _, y, *_ in rows) == 99.5
