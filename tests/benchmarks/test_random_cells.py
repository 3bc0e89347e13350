"""Searched cells beside random ones: the statistics, the widths, and the script itself on a small set."""

from __future__ import annotations

import json
import math
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from autodas.networks import profile
from autodas.spaces import get_skeleton
from autodas.zoo import load_genotype

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return import_module("random_cells")


def rows(method: str, errors: list[float], parameters: list[int]) -> list[dict[str, Any]]:
    return [{"method": method, "error": e, "parameters": n} for e, n in zip(errors, parameters, strict=True)]


def test_networks_of_equal_size(script: ModuleType) -> None:
    chance = rows(script.RANDOM, [10.0, 12.0, 14.0, 16.0], [100] * 4)
    found = script.comparison([*chance, *rows("sdas-a", [5.0, 6.0, 7.0], [100] * 3)])
    own = found["sdas-a"]
    # Squared deviations: 20 among the four, 2 among the three; two means and a slope leave 4 of 7 degrees.
    assert own["difference"] == pytest.approx(6 - 13)
    assert own["standard_error"] == pytest.approx(math.sqrt(22 / 4 * (1 / 3 + 1 / 4)))
    # All three are below all four: 2 of the 35 orders are as extreme.
    assert own["p"] == pytest.approx(2 / 35)
    assert found[script.RANDOM] == {"count": 4, "error": 13.0, "deviation": pytest.approx(math.sqrt(20 / 3))}


def test_sizes_are_allowed_for(script: ModuleType) -> None:
    """Errors that depend on the size alone are no difference between methods."""

    def error(count: int) -> float:
        return 50 - 3 * math.log(count)

    small, large = [90, 100, 120, 110], [150, 160, 200]
    chance = rows(script.RANDOM, list(map(error, small)), small)
    found = script.comparison([*chance, *rows("das", list(map(error, large)), large)])
    assert found["das"]["difference"] == pytest.approx(0, abs=1e-9)
    assert found["das"]["error"] < found[script.RANDOM]["error"] - 1


def test_the_width_with_the_nearest_number_of_parameters(script: ModuleType) -> None:
    genotype = load_genotype("darts_v2")
    sizes = {
        width: profile(
            genotype, get_skeleton("cifar").with_size(K=1, C1=3 * width, C2=4 * width), auxiliary=False
        ).parameters
        for width in range(2, 21, 2)
    }
    for wanted in (10_000, 60_000, 100_000):
        nearest = min(sizes, key=lambda width: abs(sizes[width] - wanted))
        assert script.fitting_width(genotype, "cifar-o2d", 1, wanted) == nearest


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_searches_and_trainings(script: ModuleType, tmp_path: Path) -> None:
    output = tmp_path / "out.json"
    words = ["--data=digits", "--space=cifar-o2d", "--parameters=8000", "--seeds=1", "--random=1"]
    words += ["--both", "data.subset=60", "epochs=1", f"--run={tmp_path / 'run'}", f"--output={output}"]
    script.main([*words, f"--methods={script.RANDOM}"])
    script.main([*words, "--methods=sdas-c", "--with", "strategy.beta_decay=5"])
    known = json.loads(output.read_text())
    assert [(row["method"], row["seed"]) for row in known["rows"]] == [
        (script.RANDOM, 0),
        ("sdas-c with beta_decay=5", 0),
    ]
    assert known["methods"]["sdas-c with beta_decay=5"]["count"] == 1
    assert all(abs(row["parameters"] - 8000) < 4000 for row in known["rows"])
    first = known["rows"][1]
    assert first["search_cpu_seconds"] > 0
    # What the JSON has is not repeated, even without its folder.
    words[-2] = f"--run={tmp_path / 'other'}"
    script.main([*words, f"--methods={script.RANDOM}"])
    assert not (tmp_path / "other").exists()
    assert json.loads(output.read_text()) == known
