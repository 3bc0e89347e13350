"""Measurement of all networks of a folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from random import Random

from autodas.devices._clock import clock_for
from autodas.devices._device import describe_device
from autodas.devices._folder import LATENCY, NetworkFolder
from autodas.devices._interval import is_narrow
from autodas.devices._measure import results_of
from autodas.devices._memory import peak_memory
from autodas.devices._random_network import facts_of
from autodas.devices._results import FolderReport, Results
from autodas.devices._runtimes import forward_of, network_for, prepared
from autodas.devices._turns import FEWEST, Turn, drift, rounds, take_turn, times, unfinished
from autodas.errors import AutodasError
from autodas.measure_options import MeasureSettings
from autodas.progress import Progress
from autodas.training.model_file import ModelFacts

PEAK = "peak_mib"
_LOW, _HIGH, _PASSES = "latency_low_ms", "latency_high_ms", "latency_passes"
_BETWEEN_SAVES = 10.0


def measure_folder(
    path: str | Path,
    settings: MeasureSettings,
    *,
    seconds: float,
    minutes: float = inf,
    memory: bool = False,
    overwrite: bool = False,
    code: Sequence[str] = (),
    quiet: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> FolderReport:
    """Measure the networks of a folder on this machine, in turns, and write what is known as it goes.

    A folder that was measured in part goes on where it was stopped.

    Args:
        path: folder of :func:`~autodas.devices.sample_networks`.
        settings: how the networks are measured.
        seconds: most time for each network.
        minutes: most time for all of them in this call.
        memory: whether their peak memory is measured, too.
        overwrite: whether results of another device or other settings are replaced.
        code: modules with operations of the user, which other processes may import.
        quiet: whether to print no progress.
        stop: whether to stop after this turn.

    Raises:
        AutodasError: if the folder is not one of networks, is used by another process, or was measured
            otherwise; if a network cannot be computed.
    """
    if memory and settings.runtime == "torch-compile":
        raise AutodasError(
            "`memory` of compiled networks would be that of the compiler: choose `runtime=torch`"
        )
    end = time.monotonic() + 60 * minutes

    def ends() -> bool:
        return stop() or time.monotonic() >= end

    folder = NetworkFolder(path)
    setting = folder.setting
    with folder.locked():
        results, exported = Results(folder, describe_device(settings)), settings.runtime == "onnxruntime"
        networks = {name: facts_of(folder.genotype(row), setting) for name, row in results.rows.items()}
        files = {name: results.onnx_file(name) if exported else None for name in networks}
        results.claim(overwrite=overwrite)
        turns = results.turns()
        pending = unfinished(turns, seconds)
        work = _Work(results, settings, networks, files, quiet, ends)
        try:
            with prepared(settings):
                work.take_turns(turns, pending, seconds)
                if memory:
                    work.measure_memory(tuple(code))
        finally:
            _enter(results, turns)
    timed = not unfinished(turns, seconds)
    known = [own for own in times(turns).values() if len(own) >= FEWEST]
    return FolderReport(
        len(turns),
        len(known),
        timed and (not memory or all(results.has(name, [PEAK]) for name in networks)),
        sum(not is_narrow(own) for own in known),
        drift(turns, pending) if timed else None,
    )


@dataclass(frozen=True)
class _Work:
    """Work on the networks of a folder.

    Args:
        results: where the results are written.
        settings: how networks are measured.
        networks: description of each network.
        files: ONNX file of each network for ONNX Runtime, else ``None``.
        quiet: whether to print no progress.
        ends: whether to end as soon as possible.
    """

    results: Results
    settings: MeasureSettings
    networks: Mapping[str, ModelFacts]
    files: Mapping[str, Path | None]
    quiet: bool
    ends: Callable[[], bool]

    def take_turns(self, turns: Mapping[str, list[Turn]], pending: Sequence[str], seconds: float) -> None:
        """Take turns with some of the networks, and write them."""
        if len(passes := self._passes(pending)) < len(pending):
            return
        clock = clock_for(self.settings).read
        saved = begin = time.monotonic()
        taken = rounds(
            turns,
            pending,
            lambda name, number: take_turn(passes[name], number, clock),
            seconds=seconds,
            generator=Random(0),
        )
        total = round(seconds * len(pending))
        with Progress(total, quiet=self.quiet, what="measuring, seconds") as progress:
            for name, turn in taken:
                self.results.add_turn(name, turn)
                now = time.monotonic()
                progress.advance(int(now - begin) - progress.done)
                if self.ends():
                    break
                if now - saved >= _BETWEEN_SAVES:
                    _enter(self.results, turns)
                    saved = time.monotonic()

    def _passes(self, pending: Sequence[str]) -> dict[str, Callable[[], None]]:
        """Return a pass of each network, of fewer if the work is to end before all are prepared."""
        passes: dict[str, Callable[[], None]] = {}
        with Progress(len(pending), quiet=self.quiet, what="preparing networks") as progress:
            for name in pending:
                if self.ends():
                    break
                facts = self.networks[name]
                network = network_for(facts, self.settings, self.files[name])
                passes[name] = forward_of(network, facts, self.settings)
                progress.advance()
        return passes

    def measure_memory(self, code: tuple[str, ...]) -> None:
        """Measure the peak memory of networks for which it is not known, and write it."""
        pending = [name for name in self.networks if not self.results.has(name, [PEAK])]
        with Progress(len(pending), quiet=self.quiet, what="measuring memory") as progress:
            for name in pending:
                if self.ends():
                    return
                peak = peak_memory(self.networks[name], self.settings, self.files[name], code)
                if peak is None:
                    raise AutodasError("`memory` is not available here: this system has no /proc/self/status")
                self.results.set(name, {PEAK: peak})
                self.results.save()
                progress.advance()


def _enter(results: Results, turns: Mapping[str, Sequence[Turn]]) -> None:
    """Enter what the turns have shown into the table, and write it."""
    for name, found in results_of(turns).items():
        if len(turns[name]) >= FEWEST:
            columns = {LATENCY: found.milliseconds, _LOW: found.low, _HIGH: found.high, _PASSES: found.passes}
            results.set(name, columns)
    results.save()
