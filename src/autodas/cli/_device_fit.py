"""Fit of a table of costs to measured networks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from autodas.cli._output import print_facts
from autodas.errors import AutodasError
from autodas.flags import note_line

if TYPE_CHECKING:
    from autodas.costs import CostTable, Measurements


@dataclass(frozen=True)
class FitConfig:
    """Fit a table of costs, a number for each operation on each edge, to measured networks.

    Args:
        measurements: CSV file of 'autodas device measure', or another with a column genotype or architecture
            (genotype files, genotypes as JSON, strings of NAS-Bench-201) and one for the metric.
        output: output file; an existing one is replaced.
        metric: column with the costs: latency_ms, energy_mj, peak_mib, flash_kib, ...
        space: space of the networks, such as cifar-o2d, if there is no network.json beside the measurements.
        max_error: median relative error for networks held out above which no table is written.
        page: output file for a page with the errors and the costs as pictures.
        json: print JSON.
    """

    measurements: Path = field(metadata={"positional": True})
    output: Path = field(default=Path("table.json"), metadata={"short": "-o"})
    metric: str = "latency_ms"
    space: str | None = None
    max_error: float = 0.15
    page: Path | None = None
    json: bool = False

    def __post_init__(self) -> None:
        if not self.max_error > 0:
            raise AutodasError(f"max_error={self.max_error} must be above 0")


def run_fit(config: FitConfig) -> None:
    """Fit a table of costs to measured networks, and test it on networks held out."""
    from autodas.costs import read_measurements
    from autodas.costs.fit import fit_table

    measurements = read_measurements(config.measurements, config.metric, config.space)
    table = fit_table(measurements)
    for note in _notes(measurements, table):
        print(note_line(note), file=sys.stderr)
    files = {"table": config.output}
    if config.page is not None:
        from autodas.report import render_costs
        from autodas.writing import write_whole

        write_whole(config.page, render_costs(table).encode("utf-8", "replace"))
        files["page"] = config.page
    if table.fit["median_error"] > config.max_error:
        error = 100 * table.fit["median_error"]
        raise AutodasError(
            f"{config.measurements}: for networks held out the table is wrong by {error:.1f} % in the "
            f"median, more than `max_error={config.max_error:g}` allows, and is not written: measure more "
            "networks, measure them again on a machine that does nothing else, or raise `max_error`"
        )
    table.save(config.output)
    facts = {"metric": table.metric, "space": measurements.space.name, **table.fit}
    del facts["held_out"]
    facts |= {"constant": table.constant, "dead_parts": table.dead_parts, **files}
    print_facts(facts, config.json)


def _notes(measurements: Measurements, table: CostTable) -> Iterator[str]:
    yield from measurements.notes
    if table.setting is None:
        yield (
            "there is no network.json beside the measurements: users of the table can check the space of a "
            "network, but not its skeleton and input"
        )
    networks, unknowns = table.fit["networks"], table.fit["unknowns"]
    if networks < unknowns:
        yield (
            f"{networks} networks for {unknowns} unknown costs: those of an operation on different edges are "
            "assumed to be similar"
        )
