"""The page of runs: what it says is what the files say, and it comes whatever the files are."""

from __future__ import annotations

import csv
import json
import re
import shutil
from html.parser import HTMLParser
from io import StringIO
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
from tests.report.page.runs import (
    CLASSES,
    KINDS,
    SPACE,
    read_events,
    write_events,
    write_search,
    write_training,
)

from autodas.accuracy import standard_error
from autodas.cli.main import main
from autodas.errors import AutodasError
from autodas.report import cells_of_run
from autodas.report.page import render_main, render_page, write_page
from autodas.report.page._charts import Series, line_chart
from autodas.report.page._evolution import evolution_of
from autodas.report.page._numbers import short, ticks
from autodas.runs.finding import find_runs
from autodas.runs.reading import read_run

LEFT_OUT = "This part is missing"


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_search(tmp_path_factory.mktemp("runs") / "search")


@pytest.fixture(scope="module")
def training(search: Path) -> Path:
    return write_training(search.parent / "train", search)


@pytest.fixture
def copy(search: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(search, tmp_path / "copy"))


def table_of(page: str, file: str) -> list[list[str]]:
    """Return the rows that a link of the page downloads."""
    found = re.search(rf'download="{re.escape(file)}" href="data:text/csv;charset=utf-8,([^"]*)"', page)
    assert found is not None
    return list(csv.reader(StringIO(unquote(found[1]))))


class Balance(HTMLParser):
    """Whether every element is closed, and which identifiers there are."""

    VOID = ("meta", "link", "input", "img")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.identifiers: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.identifiers.append(value or "")
            if name in ("for", "aria-labelledby"):
                self.references += (value or "").split()
            if name == "href" and (value or "").startswith("#"):
                self.references.append((value or "")[1:])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.slow
def test_the_markup_is_sound(search: Path, training: Path) -> None:
    for runs in ([search], [training], [search, training]):
        checker = Balance()
        checker.feed(render_page(runs))
        assert checker.open == []
        assert len(set(checker.identifiers)) == len(checker.identifiers)
        assert set(checker.references) <= set(checker.identifiers)


def test_titles_of_several_runs(search: Path, training: Path) -> None:
    assert "<h1>Comparison of 2 runs</h1>" in render_main([search, training])
    page = render_page([search, training], title="Ours & theirs")
    assert "<h1>Ours &amp; theirs</h1>" in page
    assert "<title>Ours &amp; theirs</title>" in page


def test_a_method_has_one_name(search: Path, training: Path) -> None:
    """In the facts of the search as in the comparison, where genotypes are named after it."""
    facts = render_main([search])
    assert "<dt>method</dt><dd>sdas-b</dd>" in facts
    assert "<dt>genotype</dt>" not in facts
    assert "<dt>genotype</dt><dd>sdas-b</dd>" in render_main([training])
    head, row = table_of(render_main([search, training]), "comparison.csv")[:2]
    assert row[head.index("method")] == "sdas-b"


def test_a_run_made_in_python_says_where_its_settings_are(copy: Path) -> None:
    (copy / "config.yaml").unlink()
    page = render_main([copy])
    assert "The settings are unknown, as those of any run made in Python: config.yaml is missing." in page
    # Without a configuration the data of the search are not taken over.
    assert f"autodas train {copy} --data cifar10<" in page


@pytest.mark.slow
def test_every_state_of_the_evolution(search: Path) -> None:
    """After each decision the cells are those that `draw` shows of the same log."""
    evolution = evolution_of(read_run(search))
    assert evolution.frames[-1].step == 34
    for step in range(35):
        frame = max(n for n, f in enumerate(evolution.frames) if f.step == step)
        for cell in cells_of_run(search, steps=step):
            track = evolution.tracks[cell.kind]
            drawn = {
                (edge.predecessor, edge.state, now.operation if now.state == "decided" else None)
                for edge, now in zip(track.shape.edges, track.at(frame), strict=True)
                if now.state != "removed"
            }
            assert drawn == {(e.predecessor, e.state, e.operation) for e in cell.edges}


def test_the_operation_that_leads_is_told_before_the_decision(search: Path) -> None:
    events = read_events(search)
    first = next(event for event in events if event["event"] == "architecture")
    evolution = evolution_of(read_run(search))
    frame = next(n for n, f in enumerate(evolution.frames) if f.iteration == first["iteration"])
    for kind in KINDS:
        states = evolution.tracks[kind].at(frame)
        for row, now in zip(first["weights"][kind]["alpha"], states, strict=True):
            if row is not None:
                choices = {name: w for name, w in zip(SPACE.operations, row, strict=True) if name != "none"}
                assert now.operation == max(choices, key=lambda name: choices[name])


def test_the_numbers_can_be_downloaded(search: Path) -> None:
    page, events = render_page([search]), read_events(search)
    decisions = [event for event in events if event["event"] == "decision"]
    head, *rows = table_of(page, "decisions.csv")
    place = head.index("architectures left")
    assert [int(row[place]) for row in rows] == [event["remaining"] for event in decisions]
    epochs = [event for event in events if event["event"] == "epoch"]
    assert table_of(page, "loss.csv")[1:] == [
        [str(e["iteration"]), str(e["train_loss"]), str(e["valid_loss"])] for e in epochs
    ]
    stable = [[str(e["iteration"]), *[str(1 - e["epoch"] / 10)] * 2] for e in epochs[1:]]
    assert table_of(page, "stability.csv") == [["iteration", "normal", "reduction"], *stable]
    head, *rows = table_of(page, "weights-normal.csv")
    wanted = next(e for e in reversed(events) if e["event"] == "architecture")["weights"]["normal"]
    found = {(int(r[1]), int(r[2])): r[3:] for r in rows if int(r[0]) == epochs[-1]["iteration"]}
    for edge, alpha, beta in zip(SPACE.edges, wanted["alpha"], wanted["beta"], strict=True):
        if alpha is not None or beta is not None:
            weights = alpha or [None] * len(SPACE.operations)
            assert found[edge] == ["" if w is None else str(w) for w in [beta, *weights]]


def test_what_a_search_shows(search: Path) -> None:
    page = render_main([search])
    parts = ("evolution", "decisions", "remaining", "curves", "accuracies", "certainty", "weights", "costs")
    for part in (*parts, "cells", "cost", "origin"):
        assert f'<section id="{part}">' in page
    assert LEFT_OUT not in page
    assert "1,234,567" in page
    assert f"autodas search --config {search}/config.yaml" in page
    assert "What is missing" not in page


def test_what_a_training_shows(training: Path) -> None:
    page = render_main([training])
    assert LEFT_OUT not in page
    assert table_of(page, "confusion.csv") == [
        ["label", *CLASSES],
        ["cat", "1", "0", "0"],
        ["dog", "0", "1", "0"],
        [CLASSES[2], "1", "0", "1"],
    ]
    assert "&lt;b&gt;&amp;owl taken for cat (90 %)" in page
    assert 'src="data:image/png;base64,' in page


def test_metrics_of_another_task_are_shown(training: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(training, folder)
    log = (folder / "events.jsonl").read_text().replace("train_top1", "train_mean_error<b>")
    (folder / "events.jsonl").write_text(log)
    summary = json.loads((folder / "summary.json").read_text())
    summary["test"] = {"mean_error": 0.25, "count": 4}
    (folder / "summary.json").write_text(json.dumps(summary))
    page = render_main([folder])
    assert page.count("mean error&lt;b&gt;") >= 1
    assert "<b>" not in page
    assert "mean error 0.25, count 4" in page
    assert "Accuracy, top-1" not in page
    assert "Accuracy, top-5" in page


def test_mistakes_name_the_file(training: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(training, tmp_path / "run"))
    entry = {"file": "examples/000003.png", "index": 3, "label": "a", "predicted": "b", "probability": 0.9}
    entry["name"] = "videos/test/a/g01<1>.mp4"
    (run / "examples/index.json").write_text(json.dumps([entry]))
    page = render_main([run])
    assert "<small>videos/test/a/g01&lt;1&gt;.mp4</small>" in page
    assert "Frames of the middle clip" not in page
    # Of videos there are frames side by side.
    summary = json.loads((run / "summary.json").read_text())
    summary["test"]["clips"] = 20
    (run / "summary.json").write_text(json.dumps(summary))
    page = render_main([run])
    assert "Frames of the middle clip of each video" in page
    assert 'class="examples strips"' in page


def test_pictures_elsewhere_are_not_shown(training: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(training, tmp_path / "run"))
    shutil.copy(training / "examples/000003.png", tmp_path / "secret.png")
    entry = {"index": 1, "label": "a", "predicted": "b", "probability": 1}
    index = [{**entry, "file": "../secret.png"}, {**entry, "file": str(tmp_path / "secret.png")}]
    (run / "examples/index.json").write_text(json.dumps(index))
    assert "data:image/png" not in render_main([run])


def test_nothing_of_the_files_becomes_markup(copy: Path) -> None:
    evil = "</script><script>alert(1)</script>\"'><img src=x>"
    events = read_events(copy)
    events[0]["data"] = events[0]["strategy"] = evil
    for event in events:
        if event["event"] == "decision" and event["what"] == "edge":
            event["operation"] = evil
    events.append({"event": "warning", "iteration": 3, "text": evil})
    write_events(copy, events)
    (copy / "config.yaml").write_text(f"data: {evil!r}")
    (copy / "environment.json").write_text(json.dumps({"command": ["autodas", evil]}))
    page = render_page([copy])
    assert LEFT_OUT not in page
    assert "<img src=x" not in page
    assert page.count("<script") == page.count("</script>") == 2


@pytest.mark.parametrize(
    "file", ["config.yaml", "environment.json", "events.jsonl", "metrics.csv", "summary.json"]
)
def test_missing_files(copy: Path, file: str) -> None:
    (copy / file).unlink()
    page = render_main([copy])
    assert f"{file} is " in page
    assert LEFT_OUT not in page


def test_an_empty_folder(tmp_path: Path) -> None:
    assert "The folder does not hold a run" in render_main([tmp_path])


def test_a_cut_last_line(copy: Path) -> None:
    log = (copy / "events.jsonl").read_bytes()
    whole = evolution_of(read_run(copy))
    cut = log[: log.rindex(b'{"event": "decision"') + 30]
    (copy / "events.jsonl").write_bytes(cut)
    run = read_run(copy)
    assert run.problems == ("The last line of events.jsonl is truncated, and skipped.",)
    assert evolution_of(run).frames[-1].step == whole.frames[-1].step - 1
    assert "The last line of events.jsonl is truncated" in render_main([copy])


@pytest.mark.slow
def test_every_length_of_a_log(copy: Path) -> None:
    log = (copy / "events.jsonl").read_bytes()
    for length in range(0, len(log), len(log) // 40):
        (copy / "events.jsonl").write_bytes(log[:length])
        assert LEFT_OUT not in render_main([copy]), length


def test_processes_that_compute_together_are_told(copy: Path) -> None:
    assert "<dt>processes</dt>" not in render_main([copy])
    start, *events = read_events(copy)
    epoch = next(event for event in reversed(events) if event["event"] == "epoch")
    epoch["volatile"] = {"seconds": 2.0, "pictures_per_second": 1234.5}
    write_events(copy, [{**start, "processes": 2, "devices": ["north cuda:0", "north cuda:1"]}, *events])
    told = "2: north cuda:0, north cuda:1; 1,234 samples a second together"
    assert f"<dt>processes</dt><dd>{told}</dd>" in render_main([copy])


def test_a_newer_version(copy: Path) -> None:
    facts = json.loads((copy / "environment.json").read_text())
    (copy / "environment.json").write_text(json.dumps({**facts, "autodas": "99.1.0"}))
    genotype = json.loads((copy / "genotype.json").read_text())
    (copy / "genotype.json").write_text(json.dumps({**genotype, "schema": 7}))
    events = read_events(copy)
    write_events(copy, [events[0], {"event": "what is this"}, *events[1:]])
    page = render_main([copy])
    assert "The run was made by autodas 99.1.0" in page
    assert "genotype.json cannot be used" in page
    assert '<section id="evolution">' in page


@pytest.mark.slow
@pytest.mark.parametrize("value", [None, "text", [], {}, -1, True])
def test_unexpected_contents(copy: Path, value: object) -> None:
    """Whatever stands under a key, there is a page; a part that cannot be made says so."""
    events = read_events(copy)
    kinds = {event["event"]: event for event in events}
    for kind, event in kinds.items():
        for key in [key for key in event if key != "event"]:
            damaged = [{**e, key: value} if e["event"] == kind else e for e in events]
            write_events(copy, damaged)
            assert "<h1" in render_main([copy]), (kind, key)
    summary = json.loads((copy / "summary.json").read_text())
    for key in summary:
        (copy / "summary.json").write_text(json.dumps({**summary, key: value}))
        assert "<h1" in render_main([copy]), key


def test_damaged_files(copy: Path) -> None:
    for file in ("environment.json", "summary.json", "genotype.json"):
        (copy / file).write_text('{"cut')
    (copy / "metrics.csv").write_text("step,train_loss\n1,2\n3")
    (copy / "config.yaml").write_bytes(b"\xff\xfe\x00")
    (copy / "predictions.parquet").write_text("none")
    page = render_main([copy])
    for file in ("environment.json", "summary.json", "genotype.json", "metrics.csv", "config.yaml"):
        assert file in page


def test_several_runs(tmp_path: Path) -> None:
    """Mean and sample deviation of 70 and 80 are 75 and 7.07; the error counts the test items once."""
    runs = []
    for seed, top1 in enumerate((70.0, 80.0)):
        search = write_search(tmp_path / f"seed{seed}/search", seed=seed)
        runs += [search, write_training(tmp_path / f"seed{seed}/train", search, top1)]
    page = render_main(runs)
    assert LEFT_OUT not in page
    assert '<td data-number="75.0">75 ± 7.1</td>' in page, "sorted by the mean"
    assert page.count("<table class=sortable>") == 1
    head, row = table_of(page, "comparison.csv")
    found = dict(zip(head, row, strict=True))
    assert [found["method"], found["runs"], float(found["parameters, M"])] == ["sdas-b", "2", 1.5]
    assert float(found["test accuracy, %: deviation"]) == pytest.approx(50**0.5)
    dot = dict(zip(*table_of(page, "accuracy-multiply-adds.csv"), strict=True))
    assert float(dot["multiply-adds, M"]) == 300
    # Squared: that of four test items, of which 75 % are right, and 50 / 2 of two runs.
    assert float(dot["high"]) - 75 == pytest.approx((standard_error(75.0, 4) ** 2 + 25) ** 0.5)


def test_trainings_on_different_data_are_no_repetitions(tmp_path: Path) -> None:
    search = write_search(tmp_path / "search")
    made = {
        "colours": (
            "data: {modality: rgb}\nepochs: 30\n",
            {"image_size": 32, "frames": 16, "modality": "rgb"},
        ),
        "again": (
            "data: {modality: rgb, workers: 4}\nepochs: 30\ncompute: {threads: 1}\n",
            {"image_size": 32, "frames": 16, "modality": "rgb"},
        ),
        "flow": (
            "data: {modality: flow}\nepochs: 30\n",
            {"image_size": 32, "frames": 16, "modality": "flow"},
        ),
        "short": ("data: {modality: rgb}\nepochs: 30\n", {"image_size": 32, "frames": 8, "modality": "rgb"}),
        "long": ("data: {modality: rgb}\nepochs: 60\n", {"image_size": 32, "frames": 16, "modality": "rgb"}),
        "classes": (
            "data: {modality: rgb, classes: [a, b]}\nepochs: 30\n",
            {"image_size": 32, "frames": 16, "modality": "rgb"},
        ),
    }
    runs = [
        write_training(tmp_path / name, search, 50.0 + 5 * n, settings=settings, seen=seen)
        for n, (name, (settings, seen)) in enumerate(made.items())
    ]
    page = render_main([search, *runs])
    head, *rows = table_of(page, "comparison.csv")
    told = ["modality", "epochs", "frames", "classes"]
    assert [name for name in head if name in told] == told
    assert "image_size" not in head, "it is the same everywhere"
    found = [[dict(zip(head, row, strict=True))[key] for key in (*told, "runs")] for row in rows]
    assert sorted(found) == sorted(
        [
            ["rgb", "30", "16", "", "2"],
            ["flow", "30", "16", "", "1"],
            ["rgb", "30", "8", "", "1"],
            ["rgb", "60", "16", "", "1"],
            ["rgb", "30", "16", "a, b", "1"],
        ]
    )
    assert "52.5 ± 3.5" in page  # 50 and 55: the only two that are repetitions
    dots = [name for name, *_ in table_of(page, "accuracy-parameters.csv")[1:]]
    assert "sdas-b, modality rgb, epochs 60, frames 16" in dots, "legends name the settings"
    # A run whose settings are lost is a repetition of none.
    (runs[1] / "config.yaml").unlink()
    assert "not known: again" in render_main([search, *runs])


def test_the_page_of_a_video_run_says_what_was_seen(tmp_path: Path) -> None:
    search = write_search(tmp_path / "search")
    seen = {"image_size": 112, "channels": 2, "frames": 16, "step": 2, "modality": "flow", "fps": None}
    run = write_training(tmp_path / "net", search, seen=seen)
    summary = json.loads((run / "summary.json").read_text())
    summary["test"] |= {"clips": 80, "clip_top1": 61.25}
    summary["remarks"] = ["all 4 test videos are taken for cat"]
    (run / "summary.json").write_text(json.dumps(summary))
    page = render_main([run])
    assert "16 frames of 112 x 112, 2 channels, step 2, modality flow" in page
    assert "75.0 % (4 videos, 20 clips each, 95 % interval 30.1 to 95.4)" in page
    assert "<dt>of single clips</dt><dd>61.2 %</dd>" in page
    assert "<p class=problem>All 4 test videos are taken for cat.</p>" in page


@pytest.mark.slow
def test_runs_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    search = write_search(tmp_path / "demo/search")
    training = write_training(tmp_path / "demo/train", search)
    assert find_runs([tmp_path, search]) == [search, training]
    page = tmp_path / "page.html"
    assert main(["report", str(tmp_path), "-o", str(page)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(page)
    assert page.read_text() == render_page([search, training])
    assert main(["report", str(tmp_path / "away")]) == 2
    assert "no such folder" in capsys.readouterr().err
    with pytest.raises(AutodasError, match="cannot be written"):
        write_page([search], tmp_path / "no/such/folder.html")


def test_a_logarithmic_axis() -> None:
    """Equal factors are equal distances, also where no floating-point number is large enough."""
    points = [(n, 10 ** (200 * n)) for n in range(4)]
    chart = line_chart("chart", "Chart", "x", "y", [Series("line", points)], log=True)
    heights = [float(y) for y in re.findall(r'cy="([\d.]+)"', chart)]
    steps = [a - b for a, b in pairwise(heights)]
    assert steps == pytest.approx([steps[0]] * 3, abs=0.2)
    assert steps[0] > 50


def test_numbers_that_are_none_are_not_drawn() -> None:
    points = [(0, float("nan")), (1, 2.0), (2, None), (3, float("inf")), (4, 5.0)]
    chart = line_chart("chart", "Chart", "x", "y", [Series("line", points)])
    assert len(re.findall("<circle", chart)) == 2
    assert "nan" not in chart.partition('href="data:')[0]
    assert line_chart("chart", "Chart", "x", "y", [Series("line", [(0, None)])]) == ""


def test_numbers_for_people() -> None:
    assert [short(999_999), short(1_234_000), short(10**400)] == ["999,999", "1.23 × 10⁶", "1.00 × 10⁴⁰⁰"]
    assert ticks(0, 10) == pytest.approx([0, 2, 4, 6, 8, 10])
    assert ticks(0.93, 1.02) == pytest.approx([0.94, 0.96, 0.98, 1.0, 1.02])
    assert ticks(3, 3) == [3]


@pytest.mark.slow
def test_a_long_search_is_a_small_page(tmp_path: Path) -> None:
    """50 epochs of CIFAR-10 at batch 64: 19,500 iterations, 34 decisions."""
    search = write_search(tmp_path / "search", epochs=50, length=390)
    assert sum(event["event"] == "architecture" for event in read_events(search)) >= 80
    page = render_page([search])
    assert LEFT_OUT not in page
    assert len(page.encode()) < 3_000_000


def test_runs_of_equal_folders_are_told_apart(tmp_path: Path) -> None:
    names = []
    for folder in ("compare/das/seed0/search", "compare/sdas-c/seed0/search", "mine"):
        (tmp_path / folder).mkdir(parents=True)
        names.append(read_run(tmp_path / folder).name)
    assert names == ["das/seed0/search", "sdas-c/seed0/search", "mine"]
