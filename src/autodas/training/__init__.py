"""The train loop, and what it hands out."""

from autodas.training._files import write_whole
from autodas.training.run_folder import RunFolder
from autodas.training.run_log import RunLog, read_events

__all__ = ["RunFolder", "RunLog", "read_events", "write_whole"]
