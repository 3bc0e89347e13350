"""Lock of a run folder: one run at a time."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from autodas.errors import AutodasError
from autodas.reading import MEBIBYTE, TEXT, Fields, Items, Optional, Whole, parse_json, read_text

BEAT = 30.0
"""Seconds between heartbeats, for other machines that share the folder."""

_SHAPE = Fields({"host": TEXT, "machine": Items(TEXT), "process": Whole(1), "started": Optional(TEXT)})

SILENCE = 300.0
"""Seconds without a heartbeat after which a run on another machine is considered dead."""


class RunLock:
    """Lock file that names the process running in a folder.

    The lock of a killed process is taken over: the system knows whether a process of this machine is alive;
    processes of other machines send heartbeats.

    Args:
        path: lock file, which exists while the run is in progress.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mine = ""
        self._released = threading.Event()

    def check(self) -> str:
        """Return the content of a dead process's lock, empty without one.

        Raises:
            AutodasError: if a run is in progress in the folder.
        """
        try:
            text = read_text(self.path, MEBIBYTE)
            age = time.time() - self.path.stat().st_mtime
        except (AutodasError, OSError) as error:
            cause = error.__cause__ if isinstance(error, AutodasError) else error
            if isinstance(cause, FileNotFoundError | NotADirectoryError):
                return ""
            raise
        holder = self._holder(text)
        place = {"host": holder["host"], "machine": holder["machine"]}
        process, started = holder["process"], holder["started"]
        if place == _place():
            if _start_of(process) == started:
                raise AutodasError(
                    f"{self.path.parent}: process {process} is running there: wait until it ends, or choose "
                    "another folder"
                )
        elif age < SILENCE:
            raise AutodasError(
                f"{self.path.parent}: process {process} of {place['host']} is running there: wait until "
                f"it ends, or choose another folder; if it has died, delete {self.path}"
            )
        return text

    def _holder(self, text: str) -> dict[str, Any]:
        """Return the facts about the process that holds the lock."""
        try:
            holder: dict[str, Any] = parse_json(text, str(self.path))
            _SHAPE.check(holder, str(self.path))
        except AutodasError:
            # Lock files are written atomically, so this file is not one of ours.
            raise AutodasError(f"{self.path}: invalid lock; delete it if no run is in progress") from None
        return holder

    def acquire(self) -> None:
        """Acquire the lock; raises as :meth:`check`."""
        self._mine = json.dumps(
            {**_place(), "process": os.getpid(), "started": _start_of(os.getpid()), "since": time.time()}
        )
        own = self.path.with_name(f"{self.path.name}.{os.getpid()}.tmp")
        try:
            while True:
                left = self.check()
                own.write_text(self._mine, encoding="utf-8")
                if left and not self._remove(left):
                    continue
                try:
                    os.link(own, self.path)
                except (FileExistsError, FileNotFoundError):
                    continue
                except OSError:
                    # A file system without hard links.
                    os.replace(own, self.path)
                break
            for file in self.path.parent.glob(f"{self.path.name}.*.tmp"):
                file.unlink(missing_ok=True)
        except OSError as error:
            raise AutodasError(f"{self.path}: cannot be written: {error.strerror}") from error
        threading.Thread(target=self._beat, name="sign of life", daemon=True).start()

    def _remove(self, left: str) -> bool:
        """Remove a dead process's lock; return ``False`` if another process has acquired it meanwhile."""
        moved = self.path.with_name(f"{self.path.name}.{os.getpid()}.left.tmp")
        try:
            os.rename(self.path, moved)
        except FileNotFoundError:
            return True
        if moved.read_text(encoding="utf-8") != left:
            # Another process was faster, and this is its lock.
            os.rename(moved, self.path)
            return False
        moved.unlink()
        return True

    def remove_of(self, host: str, process: int) -> None:
        """Remove the lock if a process that has died holds it, which need not be of this machine."""
        try:
            text = read_text(self.path, MEBIBYTE)
        except AutodasError as error:
            if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
                return
            raise
        holder = self._holder(text)
        if (holder["host"], holder["process"]) == (host, process):
            self._remove(text)

    def _beat(self) -> None:
        while not self._released.wait(BEAT):
            with suppress(OSError):
                os.utime(self.path)

    def owns(self, name: str) -> bool:
        """Return whether a file of this name is the lock, or a temporary file of it."""
        return name == self.path.name or (name.startswith(f"{self.path.name}.") and name.endswith(".tmp"))

    def release(self) -> None:
        """Release the lock."""
        self._released.set()
        with suppress(OSError):
            if self.path.read_text(encoding="utf-8") == self._mine:
                self.path.unlink()


def _place() -> dict[str, Any]:
    """Return the namespace of process numbers, which is separate for each machine and container."""
    machine = []
    with suppress(OSError):
        machine.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        machine.append(os.readlink("/proc/self/ns/pid"))
    return {"host": socket.gethostname(), "machine": machine}


def _start_of(process: int) -> str | None:
    """Return the start time of a process, ``None`` if it is dead; process numbers alone are reused."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] == "Z" else fields[19]
    except (OSError, IndexError):
        if Path("/proc/self/stat").exists():
            return None
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass
    return "unknown"
