"""``autodas device``: networks as fast as a device."""

from __future__ import annotations

from autodas.cli._device_fit import FitConfig, run_fit
from autodas.cli._device_measure import MeasureConfig, run_measure
from autodas.cli._device_predict import PredictCostConfig, run_predict
from autodas.cli._device_sample import SampleConfig, run_sample
from autodas.cli.config._verbs import Verb, run_verbs, usages_of


def run(argv: list[str]) -> int:
    """Run the command."""
    return run_verbs("device", argv, VERBS)


VERBS = {
    "sample": Verb(SampleConfig, run_sample),
    "measure": Verb(MeasureConfig, run_measure),
    "fit": Verb(FitConfig, run_fit),
    "predict": Verb(PredictCostConfig, run_predict),
}
USAGES = usages_of("device", VERBS)
