"""Sections of a search."""

from __future__ import annotations

from typing import Any

from autodas.accuracy import wilson_interval
from autodas.flags import with_flags
from autodas.reading import known
from autodas.report.page._budget import budget
from autodas.report.page._charts import Series, line_chart
from autodas.report.page._drawing import draw_evolution, slider_of
from autodas.report.page._evolution import evolution_of
from autodas.report.page._html import FrameLink, csv_link, folded, items, paragraph, section, table
from autodas.report.page._metrics import grid, metric_charts
from autodas.report.page._weights import draw_weights
from autodas.runs.events import Candidate, Decision, Epoch, LateDecisions, Stopped, Warned
from autodas.runs.history import in_words
from autodas.runs.leaders import WINDOW
from autodas.runs.reading import Run
from autodas.runs.scores import score_of
from autodas.tables import METRIC

_ACCURACIES = {
    "relaxed": "relaxed: the supernet before derivation",
    "discrete": "discrete: the derived network, with the running statistics of the search",
    "reestimated": "re-estimated: with statistics estimated again on the training half",
    "rebuilt": "rebuilt: built from genotype.json with copied weights",
}


def evolution(run: Run, prefix: str) -> str:
    """Evolution of the architecture."""
    history = evolution_of(run)
    if len(history.frames) < 2 or not history.tracks:
        return ""
    return section(f"{prefix}evolution", "Evolution", draw_evolution(history, prefix))


def warnings(run: Run, prefix: str) -> str:
    """Warnings of a collapse."""
    texts = [f"Iteration {event.iteration}: {with_flags(event.text)}" for event in run.events_of(Warned)]
    texts += [
        f"Iteration {event.iteration}: the phase was stopped, since {event.kind} cells would have had "
        f"{event.skips} skip connections."
        for event in run.events_of(Stopped)
    ]
    return section(f"{prefix}warnings", "Warnings", items(texts)) if texts else ""


def decisions(run: Run, prefix: str) -> str:
    """List of decisions."""
    late = {step: event for event in run.events_of(LateDecisions) for step in event.steps}
    head = ["step", "iteration", "epoch", "cell", "decision", "won by", "architectures left"]
    taken = run.events_of(Decision)
    rows: list[list[Any]] = [
        [d.step, d.iteration, d.epoch, d.kind, in_words(d), d.priority, d.remaining] for d in taken
    ]
    if late:
        words = score_of(run.start.task).words
        head += [f"{words} before", f"{words} after"]
        for row in rows:
            event = late.get(row[0], LateDecisions())
            row += [event.before, event.after]
    if not rows:
        return ""
    frames = {frame.decision: number for number, frame in enumerate(evolution_of(run).frames)}
    linked = [
        [*row[:4], FrameLink(row[4], slider_of(prefix), frames[d.line]), *row[5:]]
        if d.line in frames
        else row
        for d, row in zip(taken, rows, strict=True)
    ]
    return section(
        f"{prefix}decisions",
        "Decisions",
        folded("All decisions", table(head, linked, "Decisions in order; each leads to its step above")),
        paragraph(
            "“Won by” is the lead of the operation or edge that won. Scores, in percent on a part of the "
            "validation half, are measured only if few iterations follow a decision.",
            "note",
        ),
        csv_link(f"{prefix}decisions.csv", head, rows),
    )


def remaining(run: Run, prefix: str) -> str:
    """Size of the remaining space."""
    points: list[tuple[float, float | None]] = [(0, run.start.remaining)]
    points += [
        (event.iteration, event.remaining) for event in run.events if isinstance(event, Decision | Epoch)
    ]
    if len({value for _, value in points}) < 2:
        return ""
    chart = line_chart(
        f"{prefix}remaining-space",
        "Remaining valid architectures",
        "iteration",
        "architectures",
        [Series("architectures", points)],
        log=True,
        steps=True,
    )
    return section(f"{prefix}remaining", "Remaining space", chart)


def curves(run: Run, prefix: str) -> str:
    """Metrics of both steps."""
    steps = {"train": "weight step", "valid": "architecture step"}
    charts = metric_charts(run, prefix, steps)
    # Methods that train both on one batch have no step on the validation half.
    two = any(event.metric("valid_loss") is not None for event in run.events_of(Epoch))
    note = paragraph(
        "An iteration has two steps: the weight step trains the weights of all candidates on the training "
        "half, the architecture step trains the architecture on the validation half.",
        "note",
    )
    return section(f"{prefix}curves", "Both steps", note if two else "", charts) if charts else ""


def accuracies(run: Run, prefix: str) -> str:
    """Relaxed and discrete scores."""
    results = run.summary.get("accuracies")
    if not isinstance(results, dict):
        return ""
    rows = [(text, results[name]) for name, text in _ACCURACIES.items() if results.get(name) is not None]
    candidates = [
        [event.phase, event.file]
        + [event.facts.get(key) for key in _ACCURACIES]
        + ["yes" if event.derived else "no"]
        for event in run.events_of(Candidate)
    ]
    score, interval = score_of(run.start.task), ""
    if score.proportion:
        low, high = wilson_interval(results["discrete"], results["count"])
        interval = f"; 95 % interval of the discrete network {low:.1f} to {high:.1f} %"
    name = "top-1" if score.proportion else score.words
    more = (
        folded(
            "All candidates",
            table(["phase", "file", *_ACCURACIES, "derived"], candidates, "Networks at the end of phases"),
        )
        if len(candidates) > 1
        else ""
    )
    return section(
        f"{prefix}accuracies",
        f"Relaxed and discrete {score.words}",
        table(["network", f"{name}, %"], rows, "With the weights of the search"),
        paragraph(
            f"On the validation half: {results['count']:,} samples{interval}. The network is trained from "
            "scratch before use, so these numbers only tell what the derivation changes.",
            "note",
        ),
        more,
    )


def certainty(run: Run, prefix: str) -> str:
    """Entropy and margin of the open edges, stability of the leading operations, and skips."""
    charts = []
    for name, title, label in (
        ("entropy", "Entropy of the mixing weights of open edges", "share of the largest"),
        ("margin", "Margin: lead of the strongest operation of open edges", "weight"),
        ("stability", f"Stability: same leading operation in the last {WINDOW} epochs", "share of edges"),
        ("skips", "Skip connections that would be kept", "edges of a cell"),
    ):
        kinds = dict.fromkeys(kind for event in run.events_of(Epoch) for kind in event.kinds or {})
        lines = [
            Series(
                kind,
                [(e.iteration, known(e.kinds, [kind, name])) for e in run.events_of(Epoch)],
            )
            for kind in kinds
        ]
        charts.append(line_chart(f"{prefix}{name}", title, "iteration", label, lines))
    told = paragraph(
        "How sure the search is: entropy falls and the margin grows when it comes to prefer one operation on "
        "each edge; at a stability of 1 the preferences have stopped changing. Many skip connections are the "
        "sign of a collapse.",
        "note",
    )
    drawn = grid([*charts, *_looked_up(run, prefix)])
    title = "Entropy, margin, stability, skip connections"
    return section(f"{prefix}certainty", title, told, drawn) if drawn else ""


def _looked_up(run: Run, prefix: str) -> list[str]:
    """Accuracy, in a table, of the architecture that would have been derived after each epoch."""
    epochs = run.events_of(Epoch)
    names = sorted({name for e in epochs for name in e.metrics or {} if name.startswith(METRIC)})
    lines = [
        Series(name.removeprefix(METRIC), [(e.iteration, known(e.metrics, [name])) for e in epochs])
        for name in names
    ]
    title = "Accuracy in the table of what would be derived"
    return [line_chart(f"{prefix}table", title, "iteration", "percent", lines)] if lines else []


def weights(run: Run, prefix: str) -> str:
    """Weights of every edge, alpha and beta."""
    drawn = draw_weights(run, prefix)
    return section(f"{prefix}weights", "Alpha and beta of every edge", drawn) if drawn else ""


def costs(run: Run, prefix: str) -> str:
    """Time of an iteration, and memory."""
    seconds: list[tuple[float, float | None]] = []
    cpu: list[tuple[float, float | None]] = []
    memory: list[tuple[float, float | None]] = []
    before = 0
    for event in run.events_of(Epoch):
        count = max(1, event.iteration - before)
        before = event.iteration
        for points, name, unit in (
            (seconds, "seconds", count),
            (cpu, "cpu_seconds", count),
            (memory, "memory_bytes", 2**20),
        ):
            spent = event.spent(name)
            if spent is not None:
                points.append((event.iteration, spent / unit))
    charts = [
        line_chart(
            f"{prefix}time",
            "Time of an iteration, mean of each epoch",
            "iteration",
            "seconds",
            [Series("wall time", seconds), Series("CPU time of all threads", cpu)],
        ),
        line_chart(
            f"{prefix}memory",
            "Memory, on CUDA the peak of each epoch",
            "iteration",
            "MiB",
            [Series("memory", memory)],
        ),
    ]
    return section(f"{prefix}costs", "Time and memory", grid(charts))


SEARCH_SECTIONS = (
    warnings,
    evolution,
    decisions,
    remaining,
    curves,
    accuracies,
    budget,
    certainty,
    weights,
    costs,
)
"""Sections in the order of the page; each takes a run and the prefix of identifiers."""
