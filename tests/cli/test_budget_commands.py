"""Searches within the budget of a table, by the command, from the note before to the page after."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from autodas.cli._budget import BudgetConfig
from autodas.cli._searched import words_of_run
from autodas.cli.main import main
from autodas.cli.train import TrainConfig
from autodas.costs import CostTable, NetworkSetting, read_table
from autodas.devices import MeasureSettings, describe_device
from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.spaces import get_space
from autodas.strategies._resources import slot_costs

SPACE = get_space("cifar-o2d").with_size(1, 4, 8)
SEARCH = ["search", "--data=digits", "--data.subset=64", "--epochs=1", "--batch_size=16", "--quiet"]
SEARCH += ["--space.K=1", "--space.C1=4", "--space.C2=8", "--check_memory=false"]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table in which a million multiply-adds take a millisecond."""
    costs = {kind: [[0.0] * len(SPACE.cell.operations) for _ in SPACE.cell.edges] for kind in SPACE.kinds}
    for slot, rows in slot_costs(SPACE.cell, SPACE.skeleton, 8, pools=False):
        for edge, row in enumerate(rows):
            for column, cost in enumerate(row):
                costs[slot.kind][edge][column] += cost.multiply_adds / 1e6
    setting = NetworkSetting(SPACE.skeleton, channels=1, image_size=8, classes=10)
    CostTable("latency_ms", SPACE.cell, costs, 0.5, setting).save(tmp_path / "table.json")
    return tmp_path / "table.json"


@pytest.mark.slow
def test_one_search_for_several_limits(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    limits = [
        "--strategy=das",
        f"--budget.table={table}",
        "--budget.limits=0.56,0.6,0.58",
        "--budget.finalists=0",
    ]
    search = [*SEARCH, *limits, f"--run={run}"]
    assert main(search) == 0
    printed = capsys.readouterr()
    assert "note: budget of 0.6 ms latency: the cheapest architecture has 0.5" in printed.err
    assert "budget of 0.6 ms latency: 0.5" in printed.out
    assert f"  autodas train {run}\n" in printed.out
    taken = words_of_run(TrainConfig, [str(run)])
    assert taken[:6] == ["--skeleton.K", "1", "--skeleton.C1", "4", "--skeleton.C2", "8"]
    facts = read_table(table)
    candidates = json.loads((run / "candidates" / "index.json").read_text())
    assert [each["limit"] for each in candidates] == [0.58, 0.56, 0.6]
    for each in candidates:
        predicted = facts.predict(Genotype.load(run / each["file"]))
        assert each["amounts"] == {"latency_ms": pytest.approx(predicted)}
        assert predicted <= each["limit"]
    (spent,) = json.loads((run / "summary.json").read_text())["budget"]
    assert spent["resource"] == "latency_ms"
    assert spent["limit"] == 0.6
    assert spent["amount"] == pytest.approx(facts.predict(Genotype.load(run / "genotype.json")))
    assert spent["measured"] is None

    page = tmp_path / "page.html"
    assert main(["report", str(run), "-o", str(page)]) == 0
    html = page.read_text()
    assert "accuracy against latency_ms, one architecture for each limit" in html
    assert "candidates/01-das-2.json" in html

    for drawing in (tmp_path / "front.svg", tmp_path / "front.png"):
        assert main(["draw", str(run), "--front", "-o", str(drawing)]) == 0
    root = ElementTree.parse(tmp_path / "front.svg").getroot()
    words = " ".join(text.strip() for text in root.itertext())
    assert "accuracy against latency_ms" in words
    assert "predicted" in words
    with Image.open(tmp_path / "front.png") as image:
        dark = np.asarray(image.convert("L")) < 128
    assert 0.001 < dark.mean() < 0.2
    assert main(["draw", str(run), "--front", "-o", str(tmp_path / "front.gif")]) == 2
    assert "use one of .svg, .png" in capsys.readouterr().err

    # The training takes over the network that the table is for.
    capsys.readouterr()
    assert main(["train", str(run), "--epochs=1", "--batch_size=16", "--print_config"]) == 0
    assert "  K: 1\n  C1: 4\n  C2: 8\n" in capsys.readouterr().out
    assert main([*search, "--resume=auto"]) == 2  # of the same settings
    assert "this run is finished" in capsys.readouterr().err


@pytest.mark.slow
def test_refused_before_anything_runs(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    budget = f"--budget.table={table}"
    for words, message in (
        (
            ["--strategy=sdas-a", "--budget.limits=1,2"],
            "'sdas' decides for a single limit: run a search for",
        ),
        (["--budget.limit=0.1"], "has at most 0.1 ms latency in skeleton 'cifar'"),
        (["--budget.limits=0.1,5"], "has at most 0.1 ms latency in skeleton 'cifar'"),
        (["--budget.limit=5", "--budget.K=2"], "was measured for another network: K is 2, not 1"),
        (["--budget.limit=5", "--budget.image_size=32"], "image_size is 32, not 8"),
        (["--budget.limit=5", "--data.image_size=16"], "image_size is 16, not 8"),
        (["--budget.limit=5", "--space=cifar-darts"], "has costs of cells of space 'o2d', not of 'darts'"),
    ):
        assert main([*SEARCH, budget, *words, f"--run={tmp_path / 'run'}"]) == 2
        assert message in capsys.readouterr().err
        assert not (tmp_path / "run" / "events.jsonl").exists()
    assert main([*SEARCH, "--budget.table=nowhere.json", "--budget.limit=5"]) == 2
    assert "nowhere.json: cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"table": ("a", "b"), "limit": (5.0,)}, "2 tables, but 1 limits"),
        ({"table": ("a",)}, "1 tables, but 0 limits"),
        ({"limit": (5.0,)}, "`budget.limit` is for a table of costs"),
        ({"limits": (5.0, 6.0)}, "`budget.limits` is for a table of costs"),
        ({"table": ("a",), "limit": (5.0,), "limits": (5.0, 6.0)}, "exclude each other"),
        ({"table": ("a", "b"), "limits": (5.0, 6.0)}, "are for a single table, there are 2"),
        ({"table": ("a",), "limits": (5.0, 5.0)}, "must be several different numbers"),
        ({"table": ("a",), "limits": (5.0,)}, "must be several different numbers"),
        ({"table": ("a",), "limit": (0.0,)}, "must be above 0 and finite, found 0"),
        ({"table": ("a",), "limit": (float("nan"),)}, "must be above 0 and finite, found nan"),
        ({"table": ("a",), "limit": (float("inf"),)}, "must be above 0 and finite, found inf"),
        ({"table": ("a",), "limit": (5.0,), "finalists": -1}, "must be at least 0"),
        ({"K": 2}, "budget.K describes a network, but the budget has no limit"),
        ({"parameters": 0}, "budget.parameters=0 must be at least 1"),
    ],
)
def test_options_that_do_not_fit_together(options: dict[str, object], message: str) -> None:
    with pytest.raises(AutodasError, match=message):
        BudgetConfig(**options)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_front_needs_several_limits(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    device = {"machine": "another", "cores": 1, **MeasureSettings().to_dict()}
    elsewhere = dataclasses.replace(read_table(table), device=device)
    elsewhere.save(table)
    words = [*SEARCH, "--strategy=sdas-a", f"--budget.table={table}", "--budget.limit=0.6"]
    assert main([*words, f"--run={tmp_path / 'run'}"]) == 0
    assert "predicted" in (out := capsys.readouterr().out)
    assert "measured" not in out  # the table is of another machine
    assert main(["draw", str(tmp_path / "run"), "--front"]) == 2
    assert "no search for several limits (--budget.limits)" in capsys.readouterr().err


@pytest.mark.slow
def test_networks_are_measured_where_the_table_was_made(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autodas.cli._budget.SECONDS", 0.3)
    here = dataclasses.replace(read_table(table), device=describe_device(MeasureSettings()))
    here.save(table)
    # A table of a machine that was a billion times faster: latencies are at its speed, which a note says.
    fast = dataclasses.replace(here, costs=scaled(here, 1e-9), constant=1e-9)
    fast.save(table)
    run = tmp_path / "run"
    words = [*SEARCH, "--strategy=das", f"--budget.table={table}", "--budget.limit=1e-6"]
    assert main([*words, "--budget.finalists=2", f"--run={run}"]) == 0
    printed = capsys.readouterr()
    assert "measured" in printed.out
    assert re.search(
        r"this machine needs [\d.]+ times what it needed when .*table.json was made", printed.err
    )
    (spent,) = json.loads((run / "summary.json").read_text())["budget"]
    (candidate,) = json.loads((run / "candidates" / "index.json").read_text())
    assert candidate["measured_finalists"] == [candidate["measured"]] == [spent["measured"]]
    assert spent["amount"] / 20 < spent["measured"] < 20 * spent["amount"]


def scaled(table: CostTable, factor: float) -> dict[str, list[list[float]]]:
    return {kind: [[factor * cost for cost in row] for row in rows] for kind, rows in table.costs.items()}
