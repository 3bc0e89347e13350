"""Networks to measure on a device, and their measurement, on this machine or by a function of the user."""

from autodas.devices._device import describe_device, is_this_device
from autodas.devices._measure import Measurement, measure_architectures, measure_networks
from autodas.devices._measure_folder import measure_folder
from autodas.devices._own_function import measure_folder_with
from autodas.devices._random_network import describe_network
from autodas.devices._results import FolderReport
from autodas.devices._sample import sample_networks
from autodas.devices._spread import spread_architectures
from autodas.devices._turns import DRIFT
from autodas.measure_options import MeasureSettings

__all__ = [
    "DRIFT",
    "FolderReport",
    "MeasureSettings",
    "Measurement",
    "describe_device",
    "describe_network",
    "is_this_device",
    "measure_architectures",
    "measure_folder",
    "measure_folder_with",
    "measure_networks",
    "sample_networks",
    "spread_architectures",
]
