"""``autodas device measure``: networks measured on this machine, or by a function of the user."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass, field
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from autodas.cli._output import print_facts
from autodas.errors import AutodasError, Interrupted
from autodas.measure_options import MeasureSettings
from autodas.stopping import StopRequest

if TYPE_CHECKING:
    from autodas.devices import FolderReport

SECONDS, MAX_FAILURES = 5.0, 0.1


@dataclass(frozen=True, kw_only=True)
class MeasureConfig(MeasureSettings):
    """Measure the networks of a folder, and write their latencies to its measurements.csv.

    Each is measured until the 95 % interval of its median is within 1 %, or its time is up. An interrupted
    command goes on when it is given again.

    Args:
        folder: folder of 'autodas device sample'.
        measure: python:package.module:function, a function of your own that measures a network elsewhere: it
            gets the path of an ONNX file and returns milliseconds, or a dictionary of metrics.
        seconds: most time for each network.
        minutes: most time for all networks; by default only that of each counts.
        memory: also measure the peak memory of each network, in a process of its own.
        max_failures: most networks for which the function may fail: a share if below 1, otherwise a number.
        overwrite: replace the measurements in the folder.
        code: modules of your own, separated by commas, whose operations the genotypes may name.
        quiet: print no progress.
        json: print JSON.
    """

    folder: Path = field(metadata={"positional": True, "metavar": "NETS"})
    measure: str | None = None
    seconds: float = SECONDS
    minutes: float | None = None
    memory: bool = False
    max_failures: float = MAX_FAILURES
    overwrite: bool = False
    code: tuple[str, ...] = ()
    quiet: bool = False
    json: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("seconds", "minutes"):
            if (value := getattr(self, name)) is not None and not 0 < value < inf:
                raise AutodasError(f"{name}={value} must be a number above 0")
        if not 0 <= self.max_failures < inf:
            raise AutodasError(f"max_failures={self.max_failures} must be a share, or a number of networks")
        if self.measure is None and self.max_failures != MAX_FAILURES:
            raise AutodasError("`max_failures` is for `measure`: leave it out")
        if self.measure is not None:
            here = {"seconds": SECONDS, "minutes": None, "memory": False, **asdict(MeasureSettings())}
            for name, default in here.items():
                if getattr(self, name) != default:
                    raise AutodasError(f"`{name}` is for this machine, not for `measure`: leave it out")


def run_measure(config: MeasureConfig) -> None:
    """Measure the networks of a folder on this machine, or by a function of your own."""
    from autodas.cli._setup import say_notes
    from autodas.user_code import allow_code

    allow_code(*config.code)
    with StopRequest() as stop:
        report = _measure(config, stop)
        if stop.requested and not report.complete:
            raise Interrupted(
                f"interrupted, {report.measured} of {report.networks} networks are measured; the same "
                "command goes on"
            )
    say_notes(_notes(report))
    facts = {"folder": str(config.folder), **asdict(report)}
    table = config.folder / "measurements.csv"
    if config.json:
        print_facts({**facts, "measurements": str(table)}, as_json=True)
        return
    print(f"{report.measured} of {report.networks} networks are measured: {table}")
    print(f"next:\n  autodas device fit {shlex.quote(str(table))} -o table.json")


def _measure(config: MeasureConfig, stop: StopRequest) -> FolderReport:
    from autodas.devices import measure_folder, measure_folder_with

    if config.measure is not None:
        return measure_folder_with(
            config.folder,
            config.measure,
            max_failures=config.max_failures,
            overwrite=config.overwrite,
            quiet=config.quiet,
            stop=lambda: stop.requested,
        )
    return measure_folder(
        config.folder,
        config.settings,
        seconds=config.seconds,
        minutes=inf if config.minutes is None else config.minutes,
        memory=config.memory,
        overwrite=config.overwrite,
        code=config.code,
        quiet=config.quiet,
        stop=lambda: stop.requested,
    )


def _notes(report: FolderReport) -> list[str]:
    """Return what is to be said about the quality of the measurements."""
    from autodas.devices import DRIFT

    notes = [f"{file}: not measured: {reason}" for file, reason in report.failures.items()]
    if report.failures:
        notes.append(
            f"{len(report.failures)} networks could not be measured; the same command tries them again"
        )
    elif not report.complete:
        notes.append("time is up before all networks are measured; the same command goes on")
    if report.uncertain:
        notes.append(
            f"the medians of {report.uncertain} networks are not known to 1 %: other programs may disturb "
            "this machine; more `seconds` may help"
        )
    if report.drift is not None and abs(report.drift) > DRIFT:
        change = "longer" if report.drift > 0 else "shorter"
        notes.append(
            f"the first networks took {abs(report.drift):.0%} {change} at the end than at the beginning: the "
            "machine has not been equally fast all the time (heat, other programs); measure again with "
            "`overwrite`"
        )
    return notes
