"""Run folders, the only channel between commands: what is in one, writing it, and reading it. No torch."""

from autodas.runs.comparison import Entry, entries_of
from autodas.runs.events import Event
from autodas.runs.finding import find_runs, is_run, runs_below
from autodas.runs.folder import RunFolder
from autodas.runs.history import Moment, history_of, history_of_run
from autodas.runs.log import RunLog
from autodas.runs.reading import Run, name_of, read_events, read_run, read_start

__all__ = [
    "Entry",
    "Event",
    "Moment",
    "Run",
    "RunFolder",
    "RunLog",
    "entries_of",
    "find_runs",
    "history_of",
    "history_of_run",
    "is_run",
    "name_of",
    "read_events",
    "read_run",
    "read_start",
    "runs_below",
]
