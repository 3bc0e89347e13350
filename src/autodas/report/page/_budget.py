"""Section on the budget of a search: what the result uses of it, and its front of several limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from autodas.reading import known
from autodas.report.page._charts import Dot, scatter_chart
from autodas.report.page._html import paragraph, section, table
from autodas.runs.events import Candidate
from autodas.runs.reading import Run
from autodas.runs.scores import score_of


class Choice(NamedTuple):
    """Architecture that a search derived for one of several limits.

    Attributes:
        file: file of its genotype, relative to the run folder.
        limit: the limit.
        amount: predicted cost.
        measured: measured cost, if it was measured.
        score: score with the weights of the search and re-estimated statistics, in percent.
    """

    file: str
    limit: float
    amount: float
    measured: float | None
    score: float


def front(run: Run) -> tuple[str, list[Choice]]:
    """Return the metric of the limits, and the architectures for them, the tightest limit first."""
    metric, found = "", []
    for event in run.events_of(Candidate):
        facts, amounts = event.facts, event.facts.get("amounts")
        names = [*amounts] if isinstance(amounts, dict) else [""]
        limit, amount, score = facts.get("limit"), known(amounts, names[-1:]), facts.get("reestimated")
        if limit is not None and amount is not None and score is not None:
            metric = names[-1]
            found.append(Choice(str(event.file), limit, amount, facts.get("measured"), score))
    return metric, sorted(found, key=lambda choice: choice.limit)


def front_chart(run: Run, identifier: str) -> str:
    """Return a chart of scores against costs; empty if the search had fewer than two limits."""
    metric, found = front(run)
    if len(found) < 2:
        return ""
    score = score_of(run.start.task)

    def dots() -> Iterator[Dot]:
        for each in found:
            name = f"limit {each.limit:g}"
            yield Dot("predicted", name, each.amount, each.score, each.score, each.score)
            if each.measured is not None:
                yield Dot("measured", f"{name}, measured", each.measured, each.score, each.score, each.score)

    title = f"{score.words} against {metric}, one architecture for each limit"
    return scatter_chart(identifier, title, metric, f"{score.words}, %", list(dots()))


def budget(run: Run, prefix: str) -> str:
    """Resources of the result, and the architectures for several limits."""
    spent = run.summary.get("budget")
    if not isinstance(spent, list) or not spent:
        return ""
    rows = [[each.get(key) for key in ("resource", "limit", "amount", "measured")] for each in spent]
    parts = [
        table(["resource", "limit", "counted or predicted", "measured"], rows, "Network of the result"),
    ]
    metric, found = front(run)
    if len(found) > 1:
        columns = ["limit", "file", "predicted", "measured", f"{score_of(run.start.task).words}, %"]
        lines: list[list[Any]] = [[c.limit, c.file, c.amount, c.measured, c.score] for c in found]
        parts += [
            front_chart(run, f"{prefix}front"),
            table(columns, lines, f"Architectures for several limits of {metric}"),
            paragraph(
                "Scores are those with the weights of the search and re-estimated statistics, on the "
                "validation half: train the networks to compare them.",
                "note",
            ),
        ]
    return section(f"{prefix}budget", "Budget", *parts)
