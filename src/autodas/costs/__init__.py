"""Tables of costs: what each operation on each edge adds to the latency, energy or memory of a network.

The costs are measured on a device; nothing here measures, or needs torch.
"""

from autodas.costs._live import live_columns
from autodas.costs._setting import NetworkSetting
from autodas.costs._table import CostTable, read_table

__all__ = ["CostTable", "NetworkSetting", "live_columns", "read_table"]
