"""Tables of costs on published latencies: do they rank unseen cells, and are limits kept?

usage: python benchmarks/device_tables.py --latency FILE --accuracy FILE --output FILE

For each column of the latencies of NAS-Bench-201's cells, and for each of several draws, a table is fitted to
some cells and predicts all others. Then the cell with the highest accuracy among those predicted to keep a
limit is chosen, alone, or as the best of five finalists whose latencies are looked up; these may also be
predicted to exceed the limit by the error of the table.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
from sklearn.linear_model import Ridge

from autodas.benchmark_string import KIND, read_benchmark_string
from autodas.costs import Measurements, chosen_columns
from autodas.costs.fit import errors_of, fit_table
from autodas.spaces import get_space

CELLS, DRAWS = 100, 5
PERCENTILE, TOLERANCE, NEAR = 25, 1.05, 0.5
ACCURACY = "cifar100_test"
CHOICES = {"alone": (1, 0.0), "finalists": (5, 0.0), "finalists_beyond": (5, 1.0)}
"""Number of cells looked up, and how far beyond the limit they may be predicted, in median errors."""


def read(path: Path) -> dict[str, dict[str, float]]:
    """Return the columns of a table, each with a number for every architecture."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = [name for name in rows[0] if name != "architecture"]
    return {name: {row["architecture"]: float(row[name]) for row in rows} for name in columns}


def choose(
    predicted: Mapping[str, float],
    measured: Mapping[str, float],
    accuracy: Mapping[str, float],
    limit: float,
    finalists: int = 1,
    margin: float = 0.0,
) -> str:
    """Return the most accurate architecture of those predicted to keep a limit, widened by a relative margin.

    Several finalists are measured: the most accurate one wins that keeps the limit, and the fastest if none
    does.
    """
    widened = limit * (1 + margin)
    within = [a for a in predicted if predicted[a] <= widened] or [min(predicted, key=predicted.__getitem__)]
    best = sorted(within, key=accuracy.__getitem__, reverse=True)[:finalists]
    kept = [a for a in best if finalists == 1 or measured[a] <= limit]
    return kept[0] if kept else min(best, key=measured.__getitem__)


class Cells:
    """All cells of NAS-Bench-201.

    Args:
        names: their strings.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.space = get_space("nasbench201")
        self.genotypes = {name: read_benchmark_string(name) for name in names}
        cell = self.space.cell
        self.counted = {name: np.zeros((len(cell.edges), len(cell.operations))) for name in names}
        for name, genotype in self.genotypes.items():
            for edge, column in chosen_columns(genotype.cells[KIND], cell).items():
                self.counted[name][edge, column] = 1.0

    def predict_by_ridge(self, fitted: Mapping[str, float]) -> dict[str, float]:
        """Return predictions of ridge regression in which no cost depends on another."""
        model = Ridge(alpha=0.1).fit([self.counted[name].ravel() for name in fitted], list(fitted.values()))
        predicted = model.predict([rows.ravel() for rows in self.counted.values()])
        return dict(zip(self.counted, predicted.tolist(), strict=True))


def draw(
    cells: Cells, latencies: Mapping[str, float], others: Mapping[str, Mapping[str, float]], seed: int
) -> dict[str, Any]:
    """Return the results of one draw of measured cells.

    Args:
        cells: all cells.
        latencies: latency of each.
        others: accuracies and multiply-adds of each.
        seed: seed of the draw.
    """
    names, accuracy, work = list(latencies), others[ACCURACY], others["multiply_adds"]
    order = [names[place] for place in np.random.default_rng(seed).permutation(len(names))]
    fitted = {name: latencies[name] for name in order[:CELLS]}
    costs = tuple((cells.genotypes[name], cost) for name, cost in fitted.items())
    table = fit_table(Measurements("cells", "latency_ms", cells.space, costs))
    line = np.polyfit([work[name] for name in fitted], list(fitted.values()), 1)
    predictions = {
        "table": {name: table.predict(genotype) for name, genotype in cells.genotypes.items()},
        "ridge": cells.predict_by_ridge(fitted),
        "multiply_adds": {name: float(np.polyval(line, work[name])) for name in names},
    }
    limit = float(np.percentile(list(latencies.values()), PERCENTILE))
    best = max(accuracy[name] for name in names if latencies[name] <= limit)
    result: dict[str, Any] = {
        "seed": seed,
        "dead_parts": table.dead_parts,
        "held_out_error": table.fit["median_error"],
    }
    unseen = order[CELLS:]
    for predictor, predicted in predictions.items():
        errors = errors_of([predicted[name] for name in unseen], [latencies[name] for name in unseen])
        row: dict[str, Any] = {"rank_correlation": errors.rank_correlation, "median_error": errors.median}
        for name, (finalists, errors_beyond) in CHOICES.items():
            margin = errors_beyond * table.fit["median_error"]
            chosen = choose(predicted, latencies, accuracy, limit, finalists, margin)
            row[name] = {"of_limit": latencies[chosen] / limit, "regret": best - accuracy[chosen]}
        result[predictor] = row
    return result


def summary(devices: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return for each predictor the medians of each device, and the shares of choices above the limit."""
    found: dict[str, Any] = {}
    for predictor in ("table", "ridge", "multiply_adds"):
        rows = {device: [each[predictor] for each in draws] for device, draws in devices.items()}
        row: dict[str, Any] = {
            what: {device: median(one[what] for one in own) for device, own in rows.items()}
            for what in ("rank_correlation", "median_error")
        }
        every = [one for own in rows.values() for one in own]
        for name in CHOICES:
            chosen = [one[name] for one in every]
            kept = [each["of_limit"] <= TOLERANCE for each in chosen]
            near = [each["regret"] <= NEAR for each in chosen]
            row[name] = {
                "over_limit": 1 - fmean(kept),
                "kept_and_near_best": fmean(a and b for a, b in zip(kept, near, strict=True)),
            }
        found[predictor] = row
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--latency", type=Path, required=True)
    parser.add_argument("--accuracy", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    others = read(options.accuracy)
    latency = read(options.latency)
    cells = Cells(list(others[ACCURACY]))
    devices = {}
    for device, latencies in latency.items():
        devices[device] = [draw(cells, latencies, others, seed) for seed in range(DRAWS)]
        print(device, median(one["table"]["rank_correlation"] for one in devices[device]))
    setting = {"cells": CELLS, "draws": DRAWS, "limit_percentile": PERCENTILE, "accuracy": ACCURACY}
    document = {"setting": setting, "summary": summary(devices), "devices": devices}
    options.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
