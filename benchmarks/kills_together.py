"""Kills one of two processes under ``torchrun --max-restarts``; compares with a run that nobody disturbs.

``python benchmarks/kills_together.py`` kills a random process of a search at ten random moments, one a run.
The launcher starts both again, without a person; the search resumes from its last checkpoint. What is counted
is written to ``results/kills_together.json``. Wanted: no difference, no run that fails, no process that
survives another one for a minute.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from kills import differences

RESULTS = Path(__file__).parent / "results" / "kills_together.json"
PATIENCE = 300.0
"""Seconds after which a run counts as hung."""

WORDS = (
    "search",
    "--data=digits",
    "--data.subset=240",
    "--strategy=pdarts",
    "--strategy.learning_rate=0.05",
    "--strategy.skip_dropout=0.2,0.4,0.7",
    "--space.K=0",
    "--space.C1=4",
    "--space.C2=8",
    "--epochs=6",
    "--batch_size=20",
    "--checkpoint_every=7",
    "--compute.threads=1",
    "--tensorboard=false",
)
"""A search with random numbers of its own in each process."""


class Together:
    """Two processes under a launcher that starts them again.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.log = folder.with_suffix(".log")
        launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--max-restarts=3"]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [*launcher, "-m", "autodas", "--", *WORDS, f"--run={folder}"], stdout=log, stderr=log
            )

    def workers(self) -> list[int]:
        """Return the processes that compute."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        found = []
        for number in children.read_text().split():
            try:
                command = Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"search" in command:
                found.append(int(number))
        return found

    def wait(self) -> int:
        """Wait for the end; return the exit code."""
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return -1


def seconds_until_ended(processes: list[int]) -> float:
    """Return how long processes that lost another one go on."""
    start = time.monotonic()
    while any(_runs(process) for process in processes) and time.monotonic() - start < PATIENCE:
        time.sleep(0.02)
    return time.monotonic() - start


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _errors(log: Path) -> list[str]:
    return [line for line in log.read_text().splitlines() if line.startswith("autodas: error")]


def kill_once(root: Path, whole: Path, seconds: float, draw: random.Random, number: int) -> dict[str, Any]:
    """Kill one process at a random moment; return what is found."""
    folder = root / f"killed-{number}"
    run, moment, victim = Together(folder), draw.uniform(0, seconds), draw.randrange(2)
    time.sleep(moment)
    workers = run.workers()
    row: dict[str, Any] = {"after_seconds": round(moment, 2), "process": victim, "killed": False}
    if len(workers) == 2:
        os.kill(workers[victim], signal.SIGKILL)
        row |= {"killed": True, "others_ended_after": round(seconds_until_ended(workers), 2)}
    row["code"] = run.wait()
    row["differences"] = differences(whole, folder) if row["code"] == 0 else _errors(run.log)
    shutil.rmtree(folder, ignore_errors=True)
    return row


def _main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=10, help="how many at random times")
    parser.add_argument("--output", type=Path, default=RESULTS, help="file of the counts")
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="autodas-kills-together-"))
    whole, started, draw = root / "whole", time.monotonic(), random.Random(0)
    if Together(whole).wait() != 0:
        raise SystemExit(whole.with_suffix(".log").read_text())
    seconds, rows = time.monotonic() - started, []
    while sum(row["killed"] for row in rows) < options.kills:
        rows.append(kill_once(root, whole, seconds, draw, len(rows)))
        print(rows[-1], flush=True)
    killed = [row for row in rows if row["killed"]]
    found = {
        "kills": len(killed),
        "differences": sum(bool(row["differences"]) for row in killed),
        "failed": sum(row["code"] != 0 for row in killed),
        "others_ended_after_at_most": max(row["others_ended_after"] for row in killed),
        "seconds_undisturbed": round(seconds, 1),
        "command": " ".join(WORDS),
        "runs": killed,
    }
    options.output.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps({key: value for key, value in found.items() if key != "runs"}))
    shutil.rmtree(root)


if __name__ == "__main__":
    _main()
