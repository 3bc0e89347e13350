"""The page of the benchmarks: its figures are those of the files, its commands exist."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from autodas.cli.bench import BenchGrowthConfig, BenchSearchConfig, BenchStepConfig
from autodas.cli.config._configuration import parse

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
CONFIGS = {"step": BenchStepConfig, "growth": BenchGrowthConfig, "search": BenchSearchConfig}


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(FOLDER))
    import tables

    return tables


def test_the_page_shows_what_was_measured(tables: ModuleType) -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert text == tables.page(text, FOLDER / "results"), "run: python benchmarks/tables.py"


def test_figures_come_from_the_files(tables: ModuleType, tmp_path: Path) -> None:
    row = {
        "engine": tables.PLAIN,
        "seconds_an_iteration": 12.3456,
        "cpu_seconds": 24.0,
        "ratio": 0.25,
        "ratio_least": 0.2,
        "ratio_most": 0.3001,
        "cpu_ratio": 0.25,
        "peak_mib": 1234.5,
        "memory_ratio": None,
    }
    environment = {"processor": "P", "cores": 8, "threads": 2, "torch": "2.13.0", "python": "3.12"}
    document = {
        "benchmark": "step",
        "date": "2026-01-02",
        "setting": {"compute": {"device": "cpu"}},
        "results": [row],
        "environment": environment,
    }
    (tmp_path / "step_batch16_threads1_cpu.json").write_text(json.dumps(document), encoding="utf-8")
    page = tables.page(f"before\n{tables.BEGIN}\nold\n{tables.END}\nafter\n", tmp_path)
    assert "| plain | 12.3 | 24 | 0.25 | 0.2 - 0.3 | 1,234 | not measured |" in page.splitlines()
    assert "P, 8 cores, 2 of them used; torch 2.13.0, Python 3.12; 2026-01-02" in page
    assert "old" not in page
    assert page.startswith("before\n")
    assert page.endswith("\nafter\n")
    assert page.count("**Not measured.**") == len(tables.BENCHMARKS) - 1


def test_whole_searches_are_compared_with_das_too(tables: ModuleType, tmp_path: Path) -> None:
    numbers = {"cpu_seconds": 1.0, "ratio": 0.5, "ratio_least": 0.5, "ratio_most": 0.5}
    seconds = {tables.PLAIN: 10.0, "das": 2.0, "sdas-c": 0.5}
    environment = {"processor": "P", "cores": 8, "threads": 2, "torch": "2.13.0", "python": "3.12"}
    document = {
        "benchmark": "search",
        "date": "2026-01-02",
        "setting": {"compute": {"device": "cpu"}},
        "results": [{"strategy": n, "seconds_an_iteration": s, **numbers} for n, s in seconds.items()],
        "environment": environment,
    }
    (tmp_path / "search_fused_paper_cpu.json").write_text(json.dumps(document), encoding="utf-8")
    lines = tables.page(f"{tables.BEGIN}{tables.END}", tmp_path).splitlines()
    assert "| strategy | s an iteration | CPU s | ratio | from - to | of das |" in lines
    assert "| sdas-c | 0.5 | 1 | 0.5 | 0.5 - 0.5 | 0.25 |" in lines
    assert "| plain | 10 | 1 | 0.5 | 0.5 - 0.5 | 5 |" in lines


def test_every_command_of_the_plan_is_accepted(tables: ModuleType) -> None:
    assert len({benchmark.name for benchmark in tables.BENCHMARKS}) == len(tables.BENCHMARKS)
    for benchmark in tables.BENCHMARKS:
        verb, *words = benchmark.words
        config = parse(f"bench {verb}", CONFIGS[verb], words)
        assert (config.compute.device == "cuda") == benchmark.gpu
