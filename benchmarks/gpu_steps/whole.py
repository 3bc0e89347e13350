"""Step 8: a complete search by the command line, killed once on the way and resumed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .tools import Check

TINY = [
    "--preset=quickstart",
    "--data.subset=60",
    "--batch_size=8",
    "--epochs=2",
    "--space.K=0",
    "--space.C1=4",
    "--space.C2=8",
]
METRICS = ("epoch", "iteration", "train_top1", "valid_top1")
"""What is told of the last epoch."""

KEPT = ("events.jsonl", "genotype.json", "environment.json")
"""Files of the run that are copied to the results."""

SPARE = 20
"""Seconds that are kept for the end of the step."""


def run(check: Check) -> None:
    """Tell how far the search came, and how fast."""
    if check.data is None and not check.tiny:
        return check.tell("search", skipped="no --data")
    folder = Path(tempfile.mkdtemp()) / "search"
    # By its number: a search that must not fall back to the CPU.
    command = [sys.executable, "-m", "autodas", "search", f"--compute.device={check.device}", "--quiet"]
    command += ["--strategy=sdas-c", f"--data={check.data or 'digits'}"]
    command += TINY if check.tiny else ["--preset=cifar10-search", "--checkpoint_every=391"]
    start = time.monotonic()
    killed = _killed_after_an_epoch(check, [*command, f"--run={folder}", "--overwrite"], folder)
    before = _events(folder)
    code: int | str = 0
    if killed:
        words = [*command, f"--run={folder}", "--resume=auto"]
        resumed = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        try:
            code = resumed.wait(max(1.0, check.left - SPARE))
        except subprocess.TimeoutExpired:
            resumed.kill()
            code = "no time was left"
    events = _events(folder)
    for name in KEPT:
        if (folder / name).exists():
            shutil.copy(folder / name, check.out / f"search-{name}")
    epochs = [event for event in events if event["event"] == "epoch"]
    return check.tell(
        "search",
        seconds=round(time.monotonic() - start, 1),
        killed=killed,
        code=code,
        epochs=len(epochs),
        last_epoch={name: epochs[-1].get(name) for name in METRICS} if epochs else None,
        kept=before[: len(events)] == events[: len(before)],
        genotype=(folder / "genotype.json").exists(),
    )


def _killed_after_an_epoch(check: Check, command: list[str], folder: Path) -> bool:
    """Start a search and kill it after its first epoch; return whether it was still running."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None and check.left > SPARE:
        if any(event["event"] == "epoch" for event in _events(folder)):
            process.kill()
            process.wait()
            return process.returncode != 0
        time.sleep(0.2)
    if process.poll() is None:
        process.kill()
    return False


def _events(folder: Path) -> list[dict[str, object]]:
    """Return the complete lines of the log up to its last epoch; a resumed run repeats later ones."""
    path = folder / "events.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    events = []
    for line in lines:
        try:
            events.append(json.loads(line))
        except ValueError:  # half written
            break
    for event in events:
        event.pop("volatile", None)
    last = max((i for i, event in enumerate(events) if event["event"] == "epoch"), default=-1)
    return events[: last + 1]
