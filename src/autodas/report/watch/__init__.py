"""Live view of run folders in a browser, by a small read-only server."""

from __future__ import annotations

from autodas.report.watch._runs import WatchedRuns
from autodas.report.watch._server import WatchServer

__all__ = ["WatchServer", "WatchedRuns"]
