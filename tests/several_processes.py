"""Several processes that compute together, forked from the one of the test."""

from __future__ import annotations

import os
import signal
import tempfile
import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed

from autodas.errors import AutodasError
from autodas.loop import Group, Several

PATIENCE = 120.0
"""Seconds after which processes count as hung."""

SILENCE = timedelta(seconds=30)


def together(work: Callable[[Group], Any], size: int = 2) -> list[Any]:
    """Return what a function returns in each of several connected processes, or the user error it raises.

    A process that is killed returns ``None``.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        processes = [_fork(work, rank, size, root) for rank in range(size)]
        limit = time.monotonic() + PATIENCE
        codes: dict[int, int] = {}
        while len(codes) < size:
            for rank, process in enumerate(processes):
                if rank not in codes:
                    ended, status = os.waitpid(process, os.WNOHANG)
                    if ended:
                        codes[rank] = os.waitstatus_to_exitcode(status)
                    elif time.monotonic() > limit:
                        os.kill(process, signal.SIGKILL)
            time.sleep(0.01)
        assert time.monotonic() < limit, "hangs"
        told = [path.read_text() for path in root.glob("failure-*")]
        assert not told, "\n".join(told)
        files = [root / f"result-{rank}" for rank in range(size)]
        return [torch.load(file, weights_only=False) if file.exists() else None for file in files]


def _fork(work: Callable[[Group], Any], rank: int, size: int, root: Path) -> int:
    process = os.fork()
    if process:
        return process
    try:
        torch.set_num_threads(1)
        torch.distributed.init_process_group(
            "gloo", init_method=f"file://{root}/store", rank=rank, world_size=size, timeout=SILENCE
        )
        try:
            result = work(Several())
        except AutodasError as error:
            result = error
        torch.save(result, root / f"result-{rank}")
    except BaseException:
        (root / f"failure-{rank}").write_text(traceback.format_exc())
    os._exit(0)
