"""Tables with the accuracies of all architectures of a space, measured by others. No torch."""

from __future__ import annotations

from autodas.tables._table import METRIC, Place, Table, open_table

__all__ = ["METRIC", "Place", "Table", "open_table"]
