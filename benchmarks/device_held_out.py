"""Errors of tables of costs on measured networks that they were not fitted to.

usage: python benchmarks/device_held_out.py MEASUREMENTS [MEASUREMENTS ...] --output FILE [--fitted 40]
           [--draws 10]

Each MEASUREMENTS is the CSV of a folder of ``autodas device measure``. In each draw a table is fitted to some
random networks, and predicts the others.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from autodas.costs import Measurements, read_measurements
from autodas.costs.fit import Errors, errors_of, fit_table


def errors(measurements: Measurements, fitted: int, seed: int) -> Errors:
    """Return the errors on the networks that a random draw leaves out."""
    drawn = Random(seed).sample(measurements.costs, len(measurements.costs))
    table = fit_table(replace(measurements, costs=tuple(drawn[:fitted])))
    others = drawn[fitted:]
    return errors_of([table.predict(genotype) for genotype, _ in others], [cost for _, cost in others])


def described(measurements: Measurements, fitted: int, draws: int) -> dict[str, Any]:
    """Return the errors in all draws, and what was measured."""
    found = [errors(measurements, fitted, seed) for seed in range(draws)]
    assert measurements.setting is not None
    return {
        "space": measurements.space.name,
        "network": measurements.setting.to_dict(),
        "device": dict(measurements.device),
        "networks": len(measurements.costs),
        "fitted": fitted,
        **{name: median(getattr(each, name) for each in found) for name in Errors._fields},
        "draws": [each._asdict() for each in found],
        "measured": [cost for _, cost in measurements.costs],
    }


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("measurements", nargs="+", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--fitted", type=int, default=40)
    parser.add_argument("--draws", type=int, default=10)
    arguments = parser.parse_args(argv)
    rows = [
        described(read_measurements(path), arguments.fitted, arguments.draws)
        for path in arguments.measurements
    ]
    for row in rows:
        what, rank = f"{row['space']}, {row['device'].get('runtime')}", row["rank_correlation"]
        print(f"{what}: rank correlation {rank:.3f}, median error {row['median']:.1%}")
    arguments.output.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
