"""One run at a time in a folder."""

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
"""Seconds between two signs of life, for other machines that share the folder."""

_SHAPE = Fields({"host": TEXT, "machine": Items(TEXT), "process": Whole(1), "started": Optional(TEXT)})

SILENCE = 300.0
"""After so many seconds without one, a run of another machine is taken for dead."""


class RunLock:
    """Says in a folder which process runs there.

    What a process has left that was killed is taken over: whether one of this machine lives is asked of the
    system; one of another machine gives signs of life.

    Args:
        path: the file that says it; it is there as long as the run goes on.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mine = ""
        self._released = threading.Event()

    def check(self) -> str:
        """Return what a dead holder has left, empty for nothing.

        Raises:
            AutodasError: if a run goes on here.
        """
        try:
            text = read_text(self.path, MEBIBYTE)
            age = time.time() - self.path.stat().st_mtime
        except (AutodasError, OSError) as error:
            cause = error.__cause__ if isinstance(error, AutodasError) else error
            if isinstance(cause, FileNotFoundError | NotADirectoryError):
                return ""
            raise
        try:
            holder = parse_json(text, str(self.path))
            _SHAPE.check(holder, str(self.path))
        except AutodasError:
            # Files of this name are put in place whole: this is none of ours.
            raise AutodasError(f"{self.path}: does not say who runs here; delete it if nobody does") from None
        place = {"host": holder["host"], "machine": holder["machine"]}
        process, started = holder["process"], holder["started"]
        if place == _place():
            if _start_of(process) == started:
                raise AutodasError(
                    f"{self.path.parent}: process {process} is running there: wait until it ends, or choose "
                    "another --run folder"
                )
        elif age < SILENCE:
            raise AutodasError(
                f"{self.path.parent}: process {process} of {place['host']} is running there: wait until "
                f"it ends, or choose another --run folder; if it has died, delete {self.path}"
            )
        return text

    def acquire(self) -> None:
        """Take the folder; raises as :meth:`check`."""
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
                    # A file system without links.
                    os.replace(own, self.path)
                break
            for file in self.path.parent.glob(f"{self.path.name}.*.tmp"):
                file.unlink(missing_ok=True)
        except OSError as error:
            raise AutodasError(f"{self.path}: cannot be written: {error.strerror}") from error
        threading.Thread(target=self._beat, name="sign of life", daemon=True).start()

    def _remove(self, left: str) -> bool:
        """Remove what a dead holder has left; return whether it was that."""
        moved = self.path.with_name(f"{self.path.name}.{os.getpid()}.left.tmp")
        try:
            os.rename(self.path, moved)
        except FileNotFoundError:
            return True
        if moved.read_text(encoding="utf-8") != left:
            # Another process was quicker, and this is its own.
            os.rename(moved, self.path)
            return False
        moved.unlink()
        return True

    def _beat(self) -> None:
        while not self._released.wait(BEAT):
            with suppress(OSError):
                os.utime(self.path)

    def owns(self, name: str) -> bool:
        """Return whether a file of this name is the lock, or the beginning of one."""
        return name == self.path.name or (name.startswith(f"{self.path.name}.") and name.endswith(".tmp"))

    def release(self) -> None:
        """Give the folder back."""
        self._released.set()
        with suppress(OSError):
            if self.path.read_text(encoding="utf-8") == self._mine:
                self.path.unlink()


def _place() -> dict[str, Any]:
    """Return where processes are numbered: containers and machines each count their own."""
    machine = []
    with suppress(OSError):
        machine.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        machine.append(os.readlink("/proc/self/ns/pid"))
    return {"host": socket.gethostname(), "machine": machine}


def _start_of(process: int) -> str | None:
    """Return when a process was started, ``None`` where there is none; numbers are used again."""
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
