"""Reading of measured networks: all forms of genotypes, and every bad input."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from tests.costs.architectures import draw

from autodas.benchmark_string import benchmark_string, read_benchmark_string
from autodas.costs import NetworkSetting, read_measurements
from autodas.errors import AutodasError
from autodas.spaces import get_space

SKIPS = "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|"
CONVS = SKIPS.replace("skip_connect", "nor_conv_3x3")
TURNED = "|skip_connect~0|+|skip_connect~1|skip_connect~0|+|skip_connect~0|skip_connect~1|skip_connect~2|"
SETTING = NetworkSetting(get_space("cifar-o2d").skeleton, 3, 32, 10)


def write(folder: Path, head: list[str], *rows: list[Any]) -> Path:
    path = folder / "measurements.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *rows])
    return path


def describe(folder: Path, **changes: Any) -> None:
    document = {"schema": 1, "space": "cifar-o2d", "network": SETTING.to_dict(), **changes}
    (folder / "network.json").write_text(json.dumps(document))


def test_a_folder_of_networks(tmp_path: Path) -> None:
    one, other, third = draw("cifar-o2d", 3)
    one.save(tmp_path / "0001.json")
    third.save(tmp_path / "0003.json")
    describe(tmp_path)
    (tmp_path / "measure.json").write_text('{"schema": 1, "device": {"machine": "a board"}, "more": 2}')
    path = write(
        tmp_path,
        ["file", "genotype", "parameters", "latency_ms", "peak_mib"],
        ["0001.onnx", "0001.json", 10, "2.5", "7"],
        ["0002.onnx", other.to_json(), 11, " 3e0 ", "8"],
        ["0003.onnx", "0003.json", 12, "", "9"],
    )
    found = read_measurements(path)
    assert [cost for _, cost in found.costs] == [2.5, 3.0]
    assert [genotype.cells for genotype, _ in found.costs] == [one.cells, other.cells]
    assert (found.setting, found.device) == (SETTING, {"machine": "a board"})
    assert (found.space.name, found.metric, found.skipped) == ("cifar-o2d", "latency_ms", 1)
    assert found.notes == ("networks that are not measured, and are skipped: 1",)
    memory = read_measurements(path, "peak_mib", "cifar-o2d")
    assert ([cost for _, cost in memory.costs], memory.notes) == ([7.0, 8.0, 9.0], ())


def test_other_operations(tmp_path: Path) -> None:
    operations = ["skip_connect", "nor_conv_3x3"]
    describe(tmp_path, space="nasbench201", operations=operations)
    nameless = read_benchmark_string(SKIPS).to_dict() | {"space": None}
    path = write(tmp_path, ["genotype", "latency_ms"], [json.dumps(nameless), 4])
    found = read_measurements(path)
    assert found.space.cell.operations == tuple(operations)
    assert found.space.cell.altered
    pools = json.dumps(nameless).replace("skip_connect", "avg_pool_3x3")
    path = write(tmp_path, ["genotype", "latency_ms"], [pools, 4])
    with pytest.raises(AutodasError, match="operation 'avg_pool_3x3' is not in space"):
        read_measurements(path)


def test_strings_of_nas_bench_201(tmp_path: Path) -> None:
    path = write(tmp_path, ["architecture", "pixel2"], [SKIPS, 4], [CONVS, 51])
    found = read_measurements(path, "pixel2", "nasbench201")
    assert [benchmark_string(genotype) for genotype, _ in found.costs] == [SKIPS, CONVS]
    assert (found.setting, dict(found.device)) == (None, {})


def test_duplicates_are_averaged(tmp_path: Path) -> None:
    """The order of the edges of a node, and the name of a genotype, make no other architecture."""
    named = read_benchmark_string(SKIPS).to_dict() | {"name": "skips"}
    path = write(
        tmp_path, ["genotype", "latency_ms"], [SKIPS, 4], [CONVS, 9], [TURNED, 5], [json.dumps(named), 6]
    )
    found = read_measurements(path, space="nasbench201")
    assert [cost for _, cost in found.costs] == [5.0, 9.0]
    (note,) = found.notes
    assert "more than once: 1; their costs, which differ by up to 50.0 %, are averaged" in note


@pytest.mark.parametrize("number", ["-1", "0", "inf", "nan", "fast", "1e-300", "1e300"])
def test_bad_numbers(number: str, tmp_path: Path) -> None:
    path = write(tmp_path, ["genotype", "latency_ms"], [SKIPS, 4], [CONVS, number])
    with pytest.raises(AutodasError, match=rf"line 3, latency_ms: a number from .* found '{number}'"):
        read_measurements(path, space="nasbench201")


@pytest.mark.parametrize(
    ("head", "row", "message"),
    [
        (["net", "latency_ms"], [SKIPS, 4], "a column 'genotype' is expected"),
        ([], [], "a column 'genotype' is expected"),
        (["genotype", "latency"], [SKIPS, 4], "no column 'latency_ms' .*did you mean 'latency'"),
        (["genotype", "file"], [SKIPS, "a"], "no column 'latency_ms'"),
        (["genotype", "latency_ms", "latency_ms"], [SKIPS, 4, 4], "several columns have the same name"),
        (["genotype", "latency_ms"], [SKIPS], "line 2: 1 columns, expected 2"),
        (["genotype", "latency_ms"], ["", 4], "line 2, genotype: .*cannot be read"),
        (["genotype", "latency_ms"], ["lost.json", 4], "line 2, genotype: .*lost.json: cannot be read"),
        (["genotype", "latency_ms"], ["{}", 4], "line 2, genotype: .*not a genotype"),
        (["genotype", "latency_ms"], [SKIPS[:-1], 4], "line 2, genotype: .*node 3"),
        (["genotype", "latency_ms"], [SKIPS.replace("skip", "jump"), 4], "line 2, genotype: .*jump_connect"),
    ],
)
def test_bad_files(head: list[str], row: list[Any], message: str, tmp_path: Path) -> None:
    path = write(tmp_path, head, row)
    with pytest.raises(AutodasError, match=message):
        read_measurements(path, space="nasbench201")


def test_architectures_of_another_space(tmp_path: Path) -> None:
    (darts,) = draw("cifar-darts", 1)
    describe(tmp_path)
    path = write(tmp_path, ["genotype", "latency_ms"], [darts.to_json(), 4])
    with pytest.raises(AutodasError, match=r"line \d+, genotype: .* of cell space 'darts', not 'o2d'"):
        read_measurements(path)
    path = write(tmp_path, ["genotype", "latency_ms"], [SKIPS, 4])
    with pytest.raises(AutodasError, match=r"line 2, genotype: .* of cell space 'nasbench201', not 'o2d'"):
        read_measurements(path)
    lacking = draw("cifar-o2d", 1)[0].to_dict()
    del lacking["cells"]["reduction"]
    path = write(tmp_path, ["genotype", "latency_ms"], [json.dumps(lacking), 4])
    with pytest.raises(AutodasError, match="line 2, genotype: no cell of kind reduction"):
        read_measurements(path)
    nameless = draw("cifar-o2d", 1)[0].to_dict() | {"space": None}
    nameless["cells"]["normal"]["nodes"][0][0][0] = "nor_conv_1x1"
    path = write(tmp_path, ["genotype", "latency_ms"], [json.dumps(nameless), 4])
    with pytest.raises(AutodasError, match=r"line 2, genotype: .* is not in space 'o2d'"):
        read_measurements(path)


def test_the_space_must_be_known(tmp_path: Path) -> None:
    path = write(tmp_path, ["genotype", "latency_ms"], [SKIPS, 4])
    with pytest.raises(AutodasError, match=r"there is no network.json beside it: .*`space=cifar-o2d`"):
        read_measurements(path)
    with pytest.raises(AutodasError, match="unknown space 'nasbench'; did you mean 'nasbench201'"):
        read_measurements(path, space="nasbench")
    describe(tmp_path)
    with pytest.raises(AutodasError, match="are of space 'cifar-o2d', not `space=nasbench201`"):
        read_measurements(path, space="nasbench201")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 2}, "network.json: schema: a whole number from 1 to 1"),
        ({"operations": []}, "network.json: operations"),
        ({"space": 3}, "network.json: space: text"),
        ({"space": "o3d"}, "unknown space 'o3d'"),
        ({"network": {}}, "network.json: network: 'skeleton' is missing"),
        ({"network": {**SETTING.to_dict(), "image_size": 0}}, "network.json: network: image_size"),
    ],
)
def test_bad_descriptions_of_networks(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    describe(tmp_path, **changes)
    path = write(tmp_path, ["genotype", "latency_ms"], [SKIPS, 4])
    with pytest.raises(AutodasError, match=message):
        read_measurements(path)


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": 1}', '{"schema": 1, "device": 3}'])
def test_bad_descriptions_of_devices(text: str, tmp_path: Path) -> None:
    (tmp_path / "measure.json").write_text(text)
    path = write(tmp_path, ["genotype", "latency_ms"], [SKIPS, 4])
    with pytest.raises(AutodasError, match=r"measure\.json"):
        read_measurements(path, space="nasbench201")
