"""``autodas device``: networks as fast as a device."""

from __future__ import annotations

from autodas.cli._device_measure import MeasureConfig, run_measure
from autodas.cli._device_sample import SampleConfig, run_sample
from autodas.cli.config._verbs import run_verbs


def run(argv: list[str]) -> int:
    """Run the command."""
    return run_verbs(
        "device", argv, {"sample": (SampleConfig, run_sample), "measure": (MeasureConfig, run_measure)}
    )
