"""Networks to measure on a device, and their measurement on this machine."""

from autodas.devices._device import describe_device, is_this_device
from autodas.devices._measure import Measurement, measure_architectures, measure_networks
from autodas.devices._random_network import describe_network
from autodas.measure_options import MeasureSettings

__all__ = [
    "MeasureSettings",
    "Measurement",
    "describe_device",
    "describe_network",
    "is_this_device",
    "measure_architectures",
    "measure_networks",
]
