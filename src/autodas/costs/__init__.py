"""Tables of costs: what each operation on each edge adds to the latency, energy or memory of a network.

The costs are measured on a device; nothing here measures, or needs torch. :mod:`autodas.costs.fit` fits a
table to measurements.
"""

from autodas.costs._live import chosen_columns, live_columns
from autodas.costs._measurements import Measurements, read_measurements
from autodas.costs._setting import NetworkSetting
from autodas.costs._table import CostTable, read_table

__all__ = [
    "CostTable",
    "Measurements",
    "NetworkSetting",
    "chosen_columns",
    "live_columns",
    "read_measurements",
    "read_table",
]
