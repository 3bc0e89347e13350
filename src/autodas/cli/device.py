"""``autodas device``: networks as fast as a device."""

from __future__ import annotations

from autodas.cli._device_fit import FitConfig, run_fit
from autodas.cli._device_measure import MeasureConfig, run_measure
from autodas.cli._device_predict import PredictCostConfig, run_predict
from autodas.cli._device_sample import SampleConfig, run_sample
from autodas.cli.config._verbs import run_verbs


def run(argv: list[str]) -> int:
    """Run the command."""
    return run_verbs(
        "device",
        argv,
        {
            "sample": (SampleConfig, run_sample),
            "measure": (MeasureConfig, run_measure),
            "fit": (FitConfig, run_fit),
            "predict": (PredictCostConfig, run_predict),
        },
    )
