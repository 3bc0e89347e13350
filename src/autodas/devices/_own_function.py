"""Measurements by a function of the user, for instance on a board elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import isfinite
from numbers import Real
from pathlib import Path
from typing import Any

from autodas.devices._folder import DESCRIPTION, LATENCY, NetworkFolder
from autodas.devices._results import FolderReport, Results
from autodas.errors import AutodasError
from autodas.progress import Progress
from autodas.user_code import import_function, what_failed

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+")


class Failed(Exception):  # noqa: N818
    """Failure of the measurement of one network; the others may succeed."""


def measure_folder_with(
    path: str | Path,
    function: str,
    *,
    max_failures: float = 0.1,
    overwrite: bool = False,
    quiet: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> FolderReport:
    """Measure the networks of a folder with a function of the user; those measured before are skipped.

    Args:
        path: folder of :func:`~autodas.devices.sample_networks` with ONNX files.
        function: ``python:package.module:function``, from the path of an ONNX file to milliseconds, or to a
            mapping from names of metrics to numbers.
        max_failures: most networks whose measurement may fail: a share of all if below 1, else a number.
        overwrite: whether results of another device are replaced.
        quiet: whether to print no progress.
        stop: whether to stop before the next network.

    Raises:
        AutodasError: if the function cannot be imported or fails too often; if the folder is not one of
            networks, is used by another process, or was measured otherwise.
    """
    measure = import_function(function, "measure")
    folder = NetworkFolder(path)
    _ = folder.setting  # refuse other folders before one is locked
    with folder.locked():
        results = Results(folder, {"function": function})
        files = {name: results.onnx_file(name) for name in results.rows}
        results.claim(overwrite=overwrite)
        allowed = max_failures if max_failures >= 1 else int(max_failures * len(files))
        failures, complete = _measure(results, measure, files, allowed, quiet, stop)
    measured = sum(results.has(name, results.metrics) for name in files)
    return FolderReport(len(files), measured, complete, failures=failures)


def _measure(
    results: Results,
    measure: Callable[..., Any],
    files: Mapping[str, Path],
    allowed: float,
    quiet: bool,
    stop: Callable[[], bool],
) -> tuple[dict[str, str], bool]:
    """Measure networks that have no results, and return the failures, and whether it came to its end."""
    failures: dict[str, str] = {}
    pending = [name for name in files if not results.has(name, results.metrics)]
    with Progress(len(pending), quiet=quiet, what="measuring networks") as progress:
        for name in pending:
            if stop():
                return failures, False
            try:
                results.set(name, metrics_of(measure, str(files[name])))
            except Failed as failed:
                if stop():  # Ctrl-C also ends programs that the function has started
                    return failures, False
                failures[files[name].name] = str(failed)
                if len(failures) > allowed:
                    raise AutodasError(
                        f"measure: failed for {len(failures)} networks, more than `max_failures` allows; the "
                        f"last one is {files[name]}: {failed}"
                    ) from failed
            results.save()
            progress.advance()
    return failures, True


def metrics_of(function: Callable[..., Any], path: str) -> dict[str, float]:
    """Return the metrics of a network, as a function of the user measures them.

    Args:
        function: function from the path of an ONNX file to milliseconds, or to a mapping from the names of
            metrics with their units, such as ``energy_mj``, to numbers.
        path: path of the file.

    Raises:
        Failed: if the function raises an exception, or returns anything else.
    """
    try:
        returned = function(path)
    except Exception as error:  # code of the user
        raise Failed(what_failed(error)) from error
    metrics = returned if isinstance(returned, Mapping) else {LATENCY: returned}
    if not metrics:
        raise Failed("an empty mapping was returned")
    return {_name(name): _number(value, str(name)) for name, value in metrics.items()}


def _name(name: Any) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in DESCRIPTION:
        raise Failed(f"{name!r} is not the name of a metric with its unit, such as {LATENCY} or energy_mj")
    return name


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not isfinite(value) or value < 0:
        raise Failed(f"{name}: a finite number of at least 0 is expected, found {value!r:.60}")
    return float(value)
