"""The sections of a search."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from autodas.accuracy import wilson_interval
from autodas.report.page._charts import Series, line_chart
from autodas.report.page._drawing import draw_evolution
from autodas.report.page._evolution import evolution_of, told
from autodas.report.page._html import csv_link, folded, items, paragraph, section, table
from autodas.report.page._run import Event, Run
from autodas.report.page._weights import draw_weights

_ACCURACIES = {
    "relaxed": "relaxed: the supernet before derivation",
    "discrete": "discrete: the network that was derived, with the running statistics of the search",
    "reestimated": "re-estimated: with statistics estimated anew on the training half",
    "rebuilt": "rebuilt: built from genotype.json with copied weights",
}


def evolution(run: Run, prefix: str) -> str:
    """The evolution of the architecture."""
    found = evolution_of(run)
    if len(found.frames) < 2 or not found.tracks:
        return ""
    return section(f"{prefix}evolution", "Evolution", draw_evolution(found, prefix))


def warnings(run: Run, prefix: str) -> str:
    """Warnings of a collapse."""
    texts = [f"Iteration {event['iteration']}: {event['text']}" for event in run.events_of("warning")]
    texts += [
        f"Iteration {event['iteration']}: the phase was stopped, {event['kind']} cells would have had "
        f"{event['skips']} skip connections."
        for event in run.events_of("stopped")
    ]
    return section(f"{prefix}warnings", "Warnings", items(texts)) if texts else ""


def decisions(run: Run, prefix: str) -> str:
    """The list of decisions."""
    events = run.events_of("decision")
    late = {step: event for event in run.events_of("late_decisions") for step in event["steps"]}
    head = ["step", "iteration", "epoch", "cell", "decision", "won by", "architectures left"]
    rows: list[list[Any]] = [
        [event[key] for key in ("step", "iteration", "epoch", "kind")]
        + [told(event), event["priority"], event["remaining"]]
        for event in events
    ]
    if late:
        head += ["accuracy before", "accuracy after"]
        for row in rows:
            event = late.get(row[0], {})
            row += [event.get("before"), event.get("after")]
    if not rows:
        return ""
    return section(
        f"{prefix}decisions",
        "Decisions",
        folded("All decisions", table(head, rows, "Decisions in their order")),
        paragraph(
            "What stands under “won by” is the lead of the operation or edge that won. Accuracies, in "
            "percent on a part of the validation half, are measured where few iterations follow a decision.",
            "note",
        ),
        csv_link(f"{prefix}decisions.csv", head, rows),
    )


def remaining(run: Run, prefix: str) -> str:
    """The size of the space that remains."""
    points: list[tuple[float, float | None]] = [(0, run.start.get("remaining"))]
    points += [
        (event["iteration"], event.get("remaining"))
        for event in run.events
        if event.get("event") in ("decision", "epoch")
    ]
    if len({value for _, value in points}) < 2:
        return ""
    chart = line_chart(
        f"{prefix}remaining-space",
        "Valid architectures that remain",
        "iteration",
        "architectures",
        [Series("architectures", points)],
        log=True,
        steps=True,
    )
    return section(f"{prefix}remaining", "Remaining space", chart)


def curves(run: Run, prefix: str) -> str:
    """Loss and accuracy of both steps."""
    steps = {"train": "weight step", "valid": "architecture step"}
    charts = [
        _curve(run, f"{prefix}{value}", title, label, {f"{s}_{value}": name for s, name in steps.items()})
        for value, title, label in (
            ("loss", "Loss", "cross-entropy"),
            ("top1", "Accuracy, top-1", "percent"),
            ("top5", "Accuracy, top-5", "percent"),
        )
    ]
    return section(f"{prefix}curves", "Both steps", grid(charts))


def accuracies(run: Run, prefix: str) -> str:
    """Relaxed and discrete accuracies."""
    found = run.summary.get("accuracies")
    if not isinstance(found, dict):
        return ""
    rows = [(text, found[name]) for name, text in _ACCURACIES.items() if found.get(name) is not None]
    candidates = [
        [event.get(key) for key in ("phase", "file", *_ACCURACIES)]
        + ["yes" if event.get("derived") else "no"]
        for event in run.events_of("candidate")
    ]
    low, high = wilson_interval(found["discrete"], found["count"])
    more = (
        folded(
            "All candidates",
            table(["phase", "file", *_ACCURACIES, "derived"], candidates, "Networks that phases ended in"),
        )
        if len(candidates) > 1
        else ""
    )
    return section(
        f"{prefix}accuracies",
        "Relaxed and discrete accuracy",
        table(["network", "top-1, %"], rows, "Accuracies with the weights of the search"),
        paragraph(
            f"On the validation half: {found['count']:,} items; 95 % interval of the discrete network "
            f"{low:.1f} to {high:.1f} %.",
            "note",
        ),
        more,
    )


def certainty(run: Run, prefix: str) -> str:
    """Entropy and margin of the open edges."""
    charts = []
    for name, title in (
        ("entropy", "Entropy of the mixing weights of open edges"),
        ("margin", "Margin: lead of the strongest operation of open edges"),
        ("skips", "Skip connections that would be kept"),
    ):
        kinds = dict.fromkeys(kind for event in run.events_of("epoch") for kind in event.get("kinds") or {})
        lines = [
            Series(
                kind,
                [(e["iteration"], (e["kinds"].get(kind) or {}).get(name)) for e in run.events_of("epoch")],
            )
            for kind in kinds
        ]
        label = {"entropy": "share of the largest", "margin": "weight", "skips": "edges of a cell"}[name]
        charts.append(line_chart(f"{prefix}{name}", title, "iteration", label, lines))
    return section(f"{prefix}certainty", "Entropy, margin, skip connections", grid(charts))


def weights(run: Run, prefix: str) -> str:
    """The weights of every edge, alpha and beta."""
    drawn = draw_weights(run, prefix)
    return section(f"{prefix}weights", "Alpha and beta of every edge", drawn) if drawn else ""


def costs(run: Run, prefix: str) -> str:
    """The time of an iteration, and the memory."""
    seconds: list[tuple[float, float | None]] = []
    cpu: list[tuple[float, float | None]] = []
    memory: list[tuple[float, float | None]] = []
    before = 0
    for event in run.events_of("epoch"):
        times, iteration = event.get("volatile") or {}, event["iteration"]
        count = max(1, iteration - before)
        before = iteration
        for points, name in ((seconds, "seconds"), (cpu, "cpu_seconds")):
            if times.get(name) is not None:
                points.append((iteration, times[name] / count))
        if times.get("memory_bytes") is not None:
            memory.append((iteration, times["memory_bytes"] / 2**20))
    charts = [
        line_chart(
            f"{prefix}time",
            "Time of an iteration, mean of each epoch",
            "iteration",
            "seconds",
            [Series("on the clock", seconds), Series("of all threads", cpu)],
        ),
        line_chart(
            f"{prefix}memory",
            "Memory, on CUDA the most of each epoch",
            "iteration",
            "MiB",
            [Series("memory", memory)],
        ),
    ]
    return section(f"{prefix}costs", "Time and memory", grid(charts))


def _curve(run: Run, identifier: str, title: str, label: str, names: dict[str, str]) -> str:
    rows: Sequence[Event] = run.events_of("epoch")
    lines = [Series(name, [(r["iteration"], r.get(key)) for r in rows]) for key, name in names.items()]
    if not rows:  # the log is lost, the table may be there
        lines = [
            Series(name, [(r["step"], r.get(key)) for r in run.metrics if r.get("step") is not None])  # type: ignore[misc]
            for key, name in names.items()
        ]
    return line_chart(identifier, title, "iteration", label, lines)


def grid(charts: Iterable[str]) -> str:
    """Return charts side by side where there is room; nothing where there are none."""
    found = "".join(charts)
    return f'<div class="charts">{found}</div>' if found else ""


SEARCH_SECTIONS = (
    warnings,
    evolution,
    decisions,
    remaining,
    curves,
    accuracies,
    certainty,
    weights,
    costs,
)
"""In the order of the page; each takes a run and what identifiers begin with."""
