"""Connection to a Ray cluster, and the share of each job in it."""

from __future__ import annotations

import math
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from autodas.cli.jobs._job import Resources
from autodas.errors import AutodasError

ADDRESS = "RAY_ADDRESS"
"""Environment variable with the address of the cluster."""

_PATIENCE = 5.0
"""Seconds after which an address that does not answer is given up. Ray itself tries for two minutes."""


def import_ray() -> Any:
    """Return the package.

    Raises:
        AutodasError: if it is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise AutodasError("`on=ray`: the package 'ray' is not installed: install autodas[ray]") from error
    return ray


@contextmanager
def connected(ray: Any, say: Callable[[str], None]) -> Iterator[None]:
    """Connect to the cluster that exists, or start one on this machine until the end.

    Raises:
        AutodasError: if the cluster cannot be reached.
    """
    address = _address()
    where = "on this machine" if address in (None, "auto") else f"at {address}"
    say(f"{'connecting to the' if address else 'starting a'} Ray cluster {where} ...")
    own = {} if address else {"include_dashboard": False}
    on_termination = signal.getsignal(signal.SIGTERM)
    # Ray prints pages about workers that have died, which its logs have as well.
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        try:
            ray.init(address or "local", log_to_driver=False, logging_level="error", **own)
        except (Exception, SystemExit) as error:
            problem = "cannot be reached" if address else "cannot be started"
            raise AutodasError(f"the Ray cluster {where} {problem}: {first_line(error)}") from error
        try:
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, on_termination)  # Ray has replaced it
            yield
        finally:
            ray.shutdown()


def first_line(error: BaseException) -> str:
    """Return the type of an error and the first line of its message."""
    return ": ".join(filter(None, [type(error).__name__, str(error).strip().partition("\n")[0]]))


def _address() -> str | None:
    """Return the address of the cluster that exists, as Ray chooses it; ``None`` without one.

    Raises:
        AutodasError: if nothing answers at the address.
    """
    given = os.environ.get(ADDRESS, "")
    if given in ("", "auto", "local"):
        if given != "local" and _started_here():
            return "auto"
        if given == "auto":
            raise AutodasError(
                f"{ADDRESS}=auto: no Ray cluster on this machine: start one with 'ray start --head', or "
                "unset the variable to have one for this command"
            )
        return None
    if "://" in given:
        raise AutodasError(
            f"{ADDRESS}={given}: expected HOST:PORT; Ray's client cannot run comparisons: run the command on "
            "a node of the cluster, for instance with 'ray job submit'"
        )
    problem = _problem(given)
    if problem is not None:
        raise AutodasError(
            f"{ADDRESS}={given}: no Ray cluster can be reached there: {problem}; correct the variable, or "
            "unset it to have a cluster on this machine for this command"
        )
    return given


def _started_here() -> bool:
    """Return whether the last cluster started by ``ray start`` on this machine still answers."""
    path = Path(os.environ.get("RAY_TMPDIR", "/tmp"), "ray", "ray_current_cluster")
    try:
        return _problem(path.read_text(encoding="utf-8").strip()) is None
    except OSError:
        return False


def _problem(address: str) -> str | None:
    """Return why nothing answers at an address, ``None`` if something does."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        return "it is not of the form HOST:PORT"
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE).close()
    except (OSError, OverflowError) as error:
        return getattr(error, "strerror", None) or str(error)
    return None


class Share(NamedTuple):
    """Part of a cluster for each job.

    Args:
        at_once: number of jobs that run at a time.
        cpus: CPUs of each job.
        gpus: GPUs of each job: 1, a half, a third, ..., or 0.
    """

    at_once: int
    cpus: int
    gpus: float

    def __str__(self) -> str:
        gpus = f" and {self.gpus:.3g} GPU" if self.gpus else ""
        return f"{self.at_once} at a time, each with {_cpus(self.cpus)}{gpus}"


def share_of(nodes: Sequence[tuple[int, int]], wanted: Resources) -> Share:
    """Return the share of each job: the largest with which so many jobs as wanted fit into the cluster.

    Args:
        nodes: CPUs and GPUs of each node.
        wanted: number of jobs at a time, usually one for each GPU, or for each CPU if there is none; their
            threads and their device.

    Raises:
        AutodasError: if no node has what a job needs.
    """
    gpus = sum(count for _, count in nodes) if wanted.device != "cpu" else 0
    if wanted.device == "cuda" and not gpus:
        raise AutodasError("`compute.device=cuda`: no node of the Ray cluster has a GPU")
    usable = [(cpus, count) for cpus, count in nodes if count or not gpus]
    at_once = wanted.at_once or gpus or sum(cpus for cpus, _ in usable) // (wanted.threads or 1)
    on_each_gpu = math.ceil(at_once / gpus) if gpus else 0

    def fitting(cpus: int) -> int:
        return sum(min(n // cpus, count * on_each_gpu if gpus else at_once) for n, count in usable)

    most = max((cpus for cpus, _ in usable), default=0)
    cpus = wanted.threads or max((c for c in range(1, most + 1) if fitting(c) >= at_once), default=1)
    if not fitting(cpus):
        threads = f"`compute.threads={cpus}`: " if wanted.threads else ""
        what = f"{_cpus(cpus)}{' and a GPU' if gpus else ''}"
        raise AutodasError(f"{threads}no node of the Ray cluster has {what}; the largest has {_cpus(most)}")
    # Rounded down, so that all parts of a GPU fit into it.
    share = math.floor(10_000 / on_each_gpu) / 10_000 if gpus else 0.0
    return Share(min(at_once, fitting(cpus)), cpus, share)


def _cpus(count: int) -> str:
    return f"{count} CPU{'s' * (count != 1)}"
