"""Sections shared by searches and trainings: results and origin."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from autodas.accuracy import in_words
from autodas.flags import with_flags
from autodas.report.drawing._cells import cells_of_genotype
from autodas.report.page._drawing import draw_tracks
from autodas.report.page._evolution import finished_track
from autodas.report.page._html import csv_link, escape, folded, paragraph, section, table
from autodas.runs.comparison import method_of
from autodas.runs.events import Epoch
from autodas.runs.folder import CONFIGURATION, GENOTYPE
from autodas.runs.reading import Run
from autodas.runs.scores import score_of

_MADE_OF = ("name", "cells", "parameters", "multiply_adds")


def facts(run: Run, prefix: str) -> str:
    """Description and results of the run."""
    start, summary = run.start, run.summary
    space = start.space or {}
    test = summary.get("test") or {}
    accuracies = summary.get("accuracies") or {}
    method = method_of(run) if start.strategy else ""
    genotype = run.genotype.name if run.genotype else start.genotype  # of a search named after its method
    told: list[tuple[str, Any]] = [
        ("command", run.command),
        ("data", start.data),
        ("task", start.task),
        ("method", method),
        (
            "space",
            ", ".join([str(space["name"]), *(f"{n}={space.get(n)}" for n in ("K", "C1", "C2"))])
            if space
            else "",
        ),
        ("genotype", "" if genotype == method else genotype),
        ("input", _input(start.input or {})),
        ("samples", ", ".join(f"{count} {part}" for part, count in (start.pictures or {}).items())),
        ("test accuracy, top-1", _accuracy(test, "top1", _samples(test)) if "top1" in test else ""),
        ("test", "" if "top1" in test else summary.get("result") or _numbers(test)),
        ("of single clips", f"{test['clip_top1']:.1f} %" if "clip_top1" in test else ""),
        (
            "discrete network, with the weights of the search",
            _of_search(run, accuracies) if accuracies else "",
        ),
        ("mean margin of the decisions", _rounded(summary.get("margin"))),
        ("time of the epochs", _spent(run)),
        ("processes", _processes(run)),
        ("state", "finished" if run.finished else "not finished" if run.events else ""),
    ]
    rows = [
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in told
        if value not in (None, "", {})
    ]
    remarks = [paragraph(_sentence(with_flags(str(r))), "problem") for r in summary.get("remarks") or ()]
    return f'<dl class="facts">{"".join(rows)}</dl>{"".join(remarks)}' if rows else ""


def _sentence(remark: str) -> str:
    """Return a remark as a sentence; on terminals it follows a word and has no full stop."""
    return f"{remark[:1].upper()}{remark[1:]}{'' if remark.endswith('.') else '.'}"


def _processes(run: Run) -> str:
    """Return processes, devices and speed of a run that several processes compute together."""
    start, epochs = run.start, run.events_of(Epoch)
    if start.processes is None:
        return ""
    speed = epochs[-1].spent("pictures_per_second") if epochs else None
    together = "" if speed is None else f"; {speed:,.0f} samples a second together"
    return f"{start.processes}: {', '.join(start.devices or ())}{together}"


def final_cells(run: Run, prefix: str) -> str:
    """Final cells."""
    if run.genotype is None:
        return ""
    cells = cells_of_genotype(run.genotype)
    drawn = draw_tracks(map(finished_track, cells), 0, f"{prefix}final-")
    text = run.genotype.to_json()
    link = (
        f'<a class="download" download="{GENOTYPE}" '
        f'href="data:application/json;charset=utf-8,{quote(text)}">{GENOTYPE}</a>'
    )
    return section(f"{prefix}cells", "Final cells", drawn, link)


def cost(run: Run, prefix: str) -> str:
    """Parameters and multiply-adds of each stage."""
    network = run.summary.get("network") or run.summary
    stages = network.get("stages")
    if not stages:
        return ""
    rows = [[stage[name] for name in _MADE_OF] for stage in stages]
    whole = ["all", sum(row[1] for row in rows), network["parameters"], network["multiply_adds"]]
    head = ["stage", "cells", "parameters", "multiply-adds"]
    where = "in the skeleton of the search" if run.command == "search" else "as it was trained"
    return section(
        f"{prefix}cost",
        "Cost of the network",
        table(head, [*rows, whole], f"Parameters and multiply-adds for one sample, {where}"),
        csv_link(f"{prefix}cost.csv", head, rows),
    )


def origin(run: Run, prefix: str) -> str:
    """Configuration and environment, and the commands to reproduce the run."""
    command = run.environment.get("command")
    parts = []
    if isinstance(command, list) and command:
        parts.append(paragraph("The command of this run:") + _code(shlex.join(map(str, command))))
    if run.configuration and run.command:
        again = ["autodas", run.command, "--config", str(run.folder / CONFIGURATION), "--run", "runs/again"]
        parts.append(paragraph("The same run from its effective configuration:") + _code(shlex.join(again)))
    if run.command == "search" and run.genotype is not None:
        parts.append(paragraph("Training of the resulting genotype:") + _code(shlex.join(_training_of(run))))
    if run.configuration:
        parts.append(folded("Configuration", _code(run.configuration)))
    if run.environment:
        parts.append(folded("Environment", _code(json.dumps(run.environment, indent=2, ensure_ascii=False))))
    return section(f"{prefix}origin", "How to reproduce it", *parts)


def _training_of(run: Run) -> list[str]:
    """Return the command that trains the result of a search; a configuration has its data."""
    words = ["autodas", "train", str(run.folder)]
    known_data = run.configuration or not run.start.data
    return words if known_data else [*words, "--data", run.start.data or ""]


def _accuracy(result: dict[str, Any], name: str, what: str) -> str:
    return in_words(result[name], result["count"], what)


def _of_search(run: Run, accuracies: dict[str, Any]) -> str:
    """Return the score of the derived network, with an interval if it is a share of the samples."""
    score = score_of(run.start.task)
    if score.proportion:
        return _accuracy(accuracies, "discrete", "samples")
    return f"{score.words} {accuracies['discrete']:.1f} % ({accuracies['count']:,} samples)"


def _numbers(test: Mapping[str, Any]) -> str:
    """Return the numbers of a task that the page does not know."""
    numbers = {name: value for name, value in test.items() if isinstance(value, int | float)}
    return ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in numbers.items())


def _samples(test: dict[str, Any]) -> str:
    return f"videos, {test['clips'] / test['count']:.3g} clips each" if "clips" in test else "samples"


def _input(shape: Mapping[str, Any]) -> str:
    """Return the input of the network: ``16 frames of 112 x 112, 3 channels, step 1, modality rgb``."""
    if "image_size" not in shape:
        return ""
    size = f"{shape['image_size']} x {shape['image_size']}"
    size = f"{shape['frames']} frames of {size}" if "frames" in shape else size
    rest = {k: v for k, v in shape.items() if k not in ("image_size", "frames", "channels") and v is not None}
    told = [
        size,
        f"{shape.get('channels')} channel{'' if shape.get('channels') == 1 else 's'}",
        *(f"{k.replace('_', ' ')} {v}" for k, v in rest.items()),
    ]
    return ", ".join(told)


def _rounded(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else ""


def _spent(run: Run) -> str:
    seconds = sum(event.spent("seconds") or 0 for event in run.events_of(Epoch))
    if not seconds:
        return ""
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"


def _code(text: str) -> str:
    return f'<pre tabindex="0"><code>{escape(text)}</code></pre>'
