"""Runs beside each other: which belong together, and what each came to."""

from __future__ import annotations

import json
import math
from pathlib import Path
from statistics import stdev

from autodas.runs.comparison import Entry, entries_of, repetitions, spread_of
from autodas.runs.reading import read_run

PARTS = ("search", "train")


def test_spread() -> None:
    assert spread_of([]) == (None, None)
    assert spread_of([3.0]) == (3.0, None)
    assert spread_of([1.0, 2.0, 6.0]) == (3.0, stdev([1.0, 2.0, 6.0]))


def test_a_training_stands_with_its_search(recorded: Path) -> None:
    entries = entries_of([read_run(name) for name in ("train", "search", "video")])
    assert [(e.method, e.data) for e in entries] == [("sdas-b", "digits"), ("das", "moving-digits")]
    both, alone = entries
    assert both.search is not None
    assert both.search.folder == Path("search")
    assert alone.training is None
    summary = json.loads(Path("train/summary.json").read_text())
    assert (both.score, both.count) == (summary["test"]["top1"], summary["test"]["count"])
    assert (both.parameters, both.multiply_adds) == (summary["parameters"], summary["multiply_adds"])
    # Of a search that nobody has trained the result of: in its own skeleton.
    summary = json.loads(Path("video/summary.json").read_text())
    assert alone.parameters == summary["network"]["parameters"]
    assert (alone.score, alone.count) == (None, None)
    assert (alone.relaxed, alone.discrete, alone.margin) == (
        summary["accuracies"]["relaxed"],
        summary["accuracies"]["discrete"],
        summary["margin"],
    )


def test_what_compare_says_is_what_the_page_says(recorded: Path) -> None:
    """Every number of the table of ``compare``, read by the entries that the page is made of."""
    runs = [read_run(f"compare/{method}/seed0/{part}") for method in ("sdas-c", "random") for part in PARTS]
    entries = entries_of(runs)
    assert [entry.method for entry in entries] == ["sdas-c", "random"]
    table = json.loads(Path("compare/comparison.json").read_text())["runs"]
    for entry, wanted in zip(entries, table, strict=True):
        assert entry.score is not None
        assert 100 - entry.score == wanted["error"]
        for name in set(wanted) - {"method", "seed", "error"}:
            assert getattr(entry, name) == wanted[name], name


def test_repetitions(recorded: Path) -> None:
    """Another seed or lossless storage is a repetition, another number of epochs or lossy storage is not."""
    runs = []
    for name, seed, epochs, storage in (
        ("a", 0, 50, "stream"),
        ("b", 1, 50, "cache"),
        ("c", 0, 60, "auto"),
        ("d", 0, 50, "compressed"),
    ):
        folder = Path(name)
        folder.mkdir()
        for file in ("events.jsonl", "summary.json", "genotype.json"):
            (folder / file).write_bytes((Path("train") / file).read_bytes())
        (folder / "config.yaml").write_text(
            f"genotype: search\nseed: {seed}\nepochs: {epochs}\ndata:\n  storage: {storage}\n"
        )
        runs.append(read_run(folder))
    differ, groups = repetitions(entries_of(runs))
    assert differ == ["epochs", "storage"]
    found = [(group.settings, len(group.entries)) for group in groups]
    assert found == [(("50", ""), 2), (("60", ""), 1), (("50", "compressed"), 1)]


def test_nothing_is_known_of_nothing(tmp_path: Path) -> None:
    entry = Entry("das", read_run(tmp_path), None)
    numbers = (
        "score",
        "count",
        "parameters",
        "multiply_adds",
        "relaxed",
        "discrete",
        "margin",
        "skips",
        "space",
    )
    assert [getattr(entry, name) for name in numbers] == [None] * len(numbers)
    assert (entry.data, entry.seconds) == ("", 0.0)


def test_skips_of_a_space_that_is_not_known(recorded: Path) -> None:
    log = Path("video/events.jsonl")
    log.write_text(log.read_text().replace('"name": "video-oadv"', '"name": "newer"', 1))
    assert Entry("das", read_run("video"), None).skips is None


def test_numbers_that_are_none(recorded: Path) -> None:
    summary = json.loads(Path("train/summary.json").read_text())
    Path("train/summary.json").write_text(json.dumps({**summary, "test": [], "parameters": "many"}))
    entry = Entry("x", None, read_run("train"))
    assert (entry.score, entry.parameters) == (None, None)
    assert math.isclose(entry.multiply_adds or 0, summary["multiply_adds"])
