"""Tables of costs: predictions by hand, the file, and what they are not for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.costs.architectures import draw

from autodas.benchmark_string import read_benchmark_string
from autodas.costs import CostTable, NetworkSetting, live_columns, read_table
from autodas.errors import AutodasError, GenotypeError
from autodas.spaces import get_space

CELL = get_space("nasbench201").cell
ROWS = [[0.0, *(10.0 * edge + column for column in range(1, 5))] for edge in range(6)]
TABLE = CostTable("latency_ms", CELL, {"normal": ROWS}, 1000.0)
# Edges in order: 0-1, 0-2, 1-2, 0-3, 1-3, 2-3; node 2 is not read.
DEAD = read_benchmark_string("|nor_conv_3x3~0|+|skip_connect~0|none~1|+|none~0|avg_pool_3x3~1|none~2|")


def test_predictions_by_hand() -> None:
    assert TABLE.predict(DEAD) == 1000 + 3 + 44
    assert replace(TABLE, dead_parts=True).predict(DEAD) == 1000 + 3 + 11 + 44


def test_parts_that_no_path_reaches_from_the_input_are_dead() -> None:
    text = "|none~0|+|skip_connect~0|nor_conv_3x3~1|+|none~0|avg_pool_3x3~1|nor_conv_1x1~2|"
    assert live_columns(read_benchmark_string(text).cells["normal"], CELL) == {1: 1, 5: 2}


@pytest.mark.parametrize(
    ("metric", "unit"), [("latency_ms", "ms"), ("energy_mj", "mj"), ("pixel2", ""), ("titanx_256", "")]
)
def test_units(metric: str, unit: str) -> None:
    assert replace(TABLE, metric=metric).unit == unit


@pytest.mark.parametrize("dead_parts", [False, True])
def test_the_file_holds_everything(dead_parts: bool, tmp_path: Path) -> None:
    setting = NetworkSetting(get_space("nasbench201").skeleton, 3, 32, 10)
    table = replace(TABLE, setting=setting, device={"cores": 2}, fit={"a": [1.5]}, dead_parts=dead_parts)
    table.save(tmp_path / "table.json")
    assert read_table(tmp_path / "table.json") == replace(table, name=str(tmp_path / "table.json"))


def test_files_without_dead_parts_are_readable(tmp_path: Path) -> None:
    document = TABLE.to_dict()
    del document["dead_parts"]
    (tmp_path / "table.json").write_text(json.dumps(document))
    assert not read_table(tmp_path / "table.json").dead_parts


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 2}, "schema 2 is not supported"),
        ({"metric": None}, "metric: text"),
        ({"constant": float("nan")}, "constant: a number"),
        ({"dead_parts": 1}, "dead_parts: true or false"),
        ({"space": "o2"}, "unknown cell space 'o2'"),
        ({"costs": {"normal": {}}}, "costs: normal: edge '0-1' is missing"),
    ],
)
def test_bad_tables(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    (tmp_path / "table.json").write_text(json.dumps({**TABLE.to_dict(), **changes}))
    with pytest.raises(AutodasError, match=message):
        read_table(tmp_path / "table.json")


def test_architectures_of_another_space() -> None:
    (other,) = draw("cifar-o2d", 1)
    with pytest.raises(GenotypeError, match="no costs of reduction cells"):
        TABLE.predict(other)
    with pytest.raises(GenotypeError, match="nodes"):
        TABLE.predict(replace(other, cells={"normal": other.cells["normal"]}))
