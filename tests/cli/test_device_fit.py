"""Tables of costs on the command line: fit, predict, refuse."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from tests.costs.architectures import cost_of, draw, invent_costs, measured

from autodas.benchmark_string import benchmark_string
from autodas.cli.main import main
from autodas.costs import NetworkSetting, read_table
from autodas.spaces import get_space

NASBENCH, O2D = "nasbench201", "cifar-o2d"
COSTS = invent_costs(NASBENCH, 0.1)


@pytest.fixture
def strings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """60 cells of NAS-Bench-201, one of them not measured."""
    monkeypatch.chdir(tmp_path)
    costs = measured(NASBENCH, draw(NASBENCH, 60), COSTS, noise=0.02).costs
    rows = [[benchmark_string(genotype), cost] for genotype, cost in costs]
    rows[7][1] = ""
    with open("nets.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["architecture", "latency_ms"], *rows])
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> tuple[str, str]:
    assert main(list(words)) == code
    printed = capsys.readouterr()
    return printed.out, printed.err


def test_fit_and_predict(strings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["device", "fit", "nets.csv", "-o", "t.json", "--space", NASBENCH, "--page", "t.html", "--json"]
    out, err = run(capsys, *words)
    facts = json.loads(out)
    assert (facts["metric"], facts["space"], facts["networks"], facts["skipped"]) == (
        "latency_ms",
        NASBENCH,
        59,
        1,
    )
    assert facts["rank_correlation"] > 0.97
    assert "held_out" not in facts
    assert (facts["table"], facts["page"]) == ("t.json", "t.html")
    assert "networks that are not measured, and are skipped: 1" in err
    assert "not its skeleton and input" in err
    assert "Predicted and measured" in Path("t.html").read_text()

    unseen = draw(NASBENCH, 2, seed=9)
    unseen[0].save("one.json")
    names = ["one.json", str(benchmark_string(unseen[1]))]
    out, _ = run(capsys, "device", "predict", *names, "--table", "t.json", "--json")
    rows = json.loads(out)
    assert [row["genotype"] for row in rows] == names
    assert {(row["metric"], row["unit"]) for row in rows} == {("latency_ms", "ms")}
    table = read_table("t.json")
    for row, genotype in zip(rows, unseen, strict=True):
        assert row["predicted"] == table.predict(genotype)
        assert row["predicted"] == pytest.approx(cost_of(genotype, NASBENCH, COSTS), rel=0.05)
    out, _ = run(capsys, "device", "predict", names[0], "--table", "t.json")
    assert f"{rows[0]['predicted']:.4g}  ms" in out


def test_a_table_that_is_too_wrong_is_not_written(strings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["device", "fit", "nets.csv", "--space", NASBENCH, "--max_error", "0.001"]
    out, err = run(capsys, *words, code=2)
    assert not out
    assert "% in the median, more than --max_error 0.001 allows, and is not written: measure more" in err
    assert not Path("table.json").exists()


def test_networks_that_are_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    setting = NetworkSetting(get_space(O2D).skeleton.with_size(K=1), 3, 32, 10)
    document = {"schema": 1, "space": O2D, "network": setting.to_dict()}
    Path("network.json").write_text(json.dumps(document))
    Path("measure.json").write_text('{"schema": 1, "device": {"machine": "a board"}}')
    costs = measured(O2D, draw(O2D, 30), invent_costs(O2D, 0.02), noise=0.01).costs
    rows = []
    for number, (genotype, cost) in enumerate(costs):
        genotype.save(f"{number}.json")
        rows.append([f"{number}.json", cost])
    with open("m.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["genotype", "energy_mj"], *rows])
    out, err = run(capsys, "device", "fit", "m.csv", "--metric", "energy_mj")
    assert "rank_correlation" in out
    assert "30 networks for 197 unknown costs" in err
    assert "skeleton" not in err
    table = read_table("table.json")
    assert (table.setting, table.device, table.metric) == (setting, {"machine": "a board"}, "energy_mj")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fit", "nets.csv"], "name the space of its networks, such as --space cifar-o2d"),
        (["fit", "lost.csv", "--space", NASBENCH], "lost.csv: cannot be read"),
        (
            ["fit", "nets.csv", "--space", NASBENCH, "--metric", "latency"],
            "(--metric); did you mean 'latency_ms'",
        ),
        (["fit", "nets.csv", "--space", NASBENCH, "--max_error", "0"], "max_error"),
        (["fit", "nets.csv", "--space", O2D], "of cell space 'nasbench201', not 'o2d'"),
        (["predict", "darts_v2", "--table", "lost.json"], "lost.json: cannot be read"),
        (["predict", "darts_v2"], "--table"),
        (["predict", "darts_v9", "--table", "t.json"], "darts_v9"),
        (["predict", "darts_v2", "--table", "t.json"], "darts_v2: t.json: has no costs of reduction cells"),
    ],
)
def test_bad_input(words: list[str], message: str, strings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if "t.json" in words:
        run(capsys, "device", "fit", "nets.csv", "--space", NASBENCH, "-o", "t.json")
    _, err = run(capsys, "device", *words, code=2)
    assert message in err
    assert len(err.strip().splitlines()) == 1
