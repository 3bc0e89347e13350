"""Run folders shown in a browser while the runs go on: a small server that only reads."""

from __future__ import annotations

from autodas.report.watch._runs import WatchedRuns
from autodas.report.watch._server import WatchServer

__all__ = ["WatchServer", "WatchedRuns"]
