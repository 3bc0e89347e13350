"""Run folders of version 0.1.0 open in every command."""

from __future__ import annotations

import csv
import json
import re
from io import StringIO
from pathlib import Path
from urllib.parse import unquote

import pytest

from autodas.cli.main import main
from autodas.genotype import Genotype
from autodas.report import cells_of_genotype, cells_of_run, read_method_run, states_of_run
from autodas.report.page import render_main
from autodas.report.page._evolution import evolution_of
from autodas.report.watch import WatchedRuns
from autodas.report.watch._list import render_rows
from autodas.runs.finding import find_runs
from autodas.runs.reading import read_run

SEARCHES = ("search", "lengths", "video", "compare/sdas-c/seed0/search")
RUNS = (
    *SEARCHES,
    "train",
    "compare/sdas-c/seed0/train",
    "compare/random/seed0/search",
    "compare/random/seed0/train",
)


def test_all_of_them_are_found(recorded: Path) -> None:
    assert sorted(map(str, find_runs(["."]))) == sorted(RUNS)


@pytest.mark.parametrize("run", RUNS)
def test_the_page(recorded: Path, run: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", run, "-o", "page.html"]) == 0
    assert capsys.readouterr().out == "page.html\n", "no problem is told"
    page = Path("page.html").read_text()
    assert "This part is missing" not in page
    assert "What is missing" not in page
    found = read_run(run, strict=True)
    assert found.finished
    assert found.problems == ()
    wanted = "evolution" if run in SEARCHES else "curves" if "search" in run else "training"
    assert f'<section id="{wanted}">' in page


def test_the_page_of_all_of_them(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", ".", "-o", "page.html"]) == 0
    assert capsys.readouterr().out == "page.html\n"
    assert "This part is missing" not in Path("page.html").read_text()


def test_the_list_of_watch(recorded: Path) -> None:
    rows = render_rows(WatchedRuns([recorded]))
    assert rows.count("<td>finished</td>") == len(RUNS)
    assert "<td>search hdas</td><td>digits</td>" in rows
    assert "<td>train sdas-b</td><td>digits</td>" in rows


@pytest.mark.parametrize("run", RUNS)
def test_drawings(recorded: Path, run: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["draw", run, "-o", "cell.dot"]) == 0
    assert main(["draw", run, "--network", "-o", "network.dot"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(read_run(run).genotype.parts) + 1


@pytest.mark.parametrize("run", SEARCHES)
def test_all_decisions_together_are_the_genotype(recorded: Path, run: str) -> None:
    """What was decided one after the other is what the search wrote at its end."""
    wanted = cells_of_genotype(Genotype.load(f"{run}/genotype.json"))
    for found in (cells_of_run(run), states_of_run(run)[-1].cells):
        assert [(c.kind, c.inputs, c.nodes, c.concat) for c in found] == [
            (c.kind, c.inputs, c.nodes, c.concat) for c in wanted
        ]
        assert [set(cell.edges) for cell in found] == [set(cell.edges) for cell in wanted]
    evolution = evolution_of(read_run(run))
    for cell in wanted:
        track = evolution.tracks[cell.kind]
        drawn = {
            (edge.predecessor, edge.state, now.operation)
            for edge, now in zip(track.shape.edges, track.at(len(evolution.frames)), strict=True)
            if now.state != "removed"
        }
        assert drawn == {(edge.predecessor, edge.state, edge.operation) for edge in cell.edges}
        assert track.shape.concat == cell.concat


@pytest.mark.slow
def test_a_film(recorded: Path) -> None:
    pytest.importorskip("resvg_py")
    assert main(["draw", "search", "-o", "film.gif"]) == 0
    assert Path("film.gif").read_bytes().startswith(b"GIF89a")


@pytest.mark.parametrize("run", SEARCHES)
def test_a_search_that_was_stopped_is_drawn(recorded: Path, run: str) -> None:
    for name in ("genotype.json", "summary.json"):
        Path(run, name).unlink()
    assert main(["draw", run, "-o", "cell.dot"]) == 0
    assert main(["draw", run, "--network", "-o", "network.dot"]) == 0
    assert read_run(run).problems == ("The run has not finished: summary.json is missing.",)


@pytest.mark.slow
@pytest.mark.parametrize("run", ["search", "lengths", "video", "train"])
def test_what_it_costs(recorded: Path, run: str, capsys: pytest.CaptureFixture[str]) -> None:
    skeleton = {"video": ["--skeleton.name=video"], "lengths": []}.get(run, ["--skeleton.K=0"])
    assert main(["profile", run, *skeleton, "--skeleton.C1=4", "--skeleton.C2=8", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parameters"] > 0


@pytest.mark.slow
def test_a_training_of_its_network_is_planned(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    size = ["--skeleton.K=0", "--skeleton.C1=4", "--skeleton.C2=8", "--epochs=1", "--dry_run"]
    for run in ("search", "train"):
        assert main(["train", run, *size]) == 0
        assert "digits" in "".join(capsys.readouterr())


@pytest.mark.slow
def test_a_trained_network_is_evaluated(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "train", "--data=digits", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    wanted = json.loads(Path("train/summary.json").read_text())["test"]
    assert found["top1"] == pytest.approx(wanted["top1"], abs=0.5)


@pytest.mark.slow
def test_a_finished_comparison_is_read_again(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = json.loads(Path("compare/comparison.json").read_text())
    words = [word for word in before["command"][2:] if not word.startswith("--run=")]
    table = Path("compare/comparison.md").read_text().partition("\n\n")[0]
    # The preset has had time without decisions since.
    Path("then.yaml").write_text("strategies: {sdas: {schedule: c, warmup: 0.0, settle: 0.0}}\n")
    words.append("--search.config=then.yaml")
    assert main(["compare", *words, "--run=compare", "--quiet", "--json"]) == 0
    after = json.loads(capsys.readouterr().out)
    assert after["runs"] == [{**run, "task": None} for run in before["runs"]]
    for old, new in zip(before["rows"], after["rows"], strict=True):
        # Standard errors have been half of Wilson's intervals since.
        assert {**new, "standard_error": 0.0} == {**old, "standard_error": 0.0}
    assert Path("compare/comparison.md").read_text().partition("\n\n")[0] == table


@pytest.mark.slow
def test_a_finished_run_is_not_continued(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command, run in (
        ("search", "search"),
        ("search", "lengths"),
        ("search", "video"),
        ("train", "train"),
    ):
        assert main([command, f"--resume={run}"]) == 2
        assert "this run is finished" in capsys.readouterr().err


def test_the_page_lists_decisions_on_lengths(recorded: Path) -> None:
    page = render_main(["lengths"])
    assert '<section id="decisions">' in page
    found = re.search(r'download="decisions\.csv" href="data:text/csv;charset=utf-8,([^"]*)"', page)
    assert found is not None
    head, *rows = csv.reader(StringIO(unquote(found[1])))
    logged = [json.loads(line) for line in Path("lengths/events.jsonl").read_text().splitlines()]
    logged = [event for event in logged if event["event"] == "decision"]
    assert len(rows) == len(logged)
    told = [dict(zip(head, row, strict=True)) for row in rows]
    stages = Genotype.load("lengths/genotype.json").stages
    assert [(row["cell"], row["decision"]) for row in told[-3:]] == [
        (kind, f"keeps its first {len(stage.nodes)} cells") for kind, stage in stages.items()
    ]


def test_decisions_on_lengths_are_told_and_drawn(recorded: Path) -> None:
    """In the film the cells beyond the length disappear."""
    stages = Genotype.load("lengths/genotype.json").stages
    for state in states_of_run("lengths")[-3:]:
        count = len(stages[state.kind].nodes)
        assert state.text == f"keeps its first {count} cells"
        cell = next(cell for cell in state.cells if cell.kind == state.kind)
        assert {edge.state for edge in cell.edges} == set(range(2, 2 + count))


def test_skips_of_reduction_cells_of_videos_are_not_counted(recorded: Path) -> None:
    """16 edges of reduction cells in space, and in space and time, are skips; none of a normal cell is."""
    document = json.loads(Path("video/genotype.json").read_text())
    for kind, cell in document["cells"].items():
        operation = "sep_conv_1x3x3" if kind == "normal" else "skip_connect"
        cell["nodes"] = [[[operation, edge[1]] for edge in node] for node in cell["nodes"]]
    Path("video/genotype.json").write_text(json.dumps(document))
    assert sum(text.count("skip_connect") for text in map(json.dumps, document["cells"].values())) == 16
    assert read_method_run("das", 0, "video", "train").skips == 0


def test_skips_of_kinds_of_stages_are_counted(recorded: Path) -> None:
    """In H-DAS each stage has a normal cell of its own."""
    document = json.loads(Path("lengths/genotype.json").read_text())
    for kind, cell in document["cells"].items():
        operation = "skip_connect" if kind in ("normal1", "normal3") else "max_pool_3x3"
        cell["nodes"] = [[[operation, edge[1]] for edge in node] for node in cell["nodes"]]
    Path("lengths/genotype.json").write_text(json.dumps(document))
    assert read_method_run("hdas", 0, "lengths", "train").skips == 16
