"""Share of a search's epochs that is spent waiting for clips, by storage and number of workers.

    python benchmarks/video_waiting.py videofolder:PATH --output benchmarks/results/video_waiting.json

Runs ``autodas search`` with the preset ``video-quickstart`` once for each, all of them in turn, and reads the
seconds of waiting from their logs. The first epoch, in which workers start, is listed separately.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import fmean

from autodas.loop import environment
from autodas.runs.events import Epoch
from autodas.runs.reading import read_run

KINDS = {
    "stream, in the process": ("stream", 0),
    "stream, 1 worker": ("stream", 1),
    "compressed, in the process": ("compressed", 0),
    "compressed, 1 worker": ("compressed", 1),
    "cache, in the process": ("cache", 0),
    "cache, 1 worker": ("cache", 1),
}


def search(words: list[str], folder: Path) -> list[Epoch]:
    """Run a search; return its epochs."""
    command = [sys.executable, "-m", "autodas", "search", *words, f"--run={folder}", "--quiet"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return list(read_run(folder).events_of(Epoch))


def main() -> None:
    """Run all searches."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--image_size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--turns", type=int, default=2)
    options = parser.parse_args()
    words = ["--preset=video-quickstart", "--batch_size=16", "--compute.threads=1", "--tensorboard=false"]
    words += [f"--data.image_size={options.image_size}", f"--epochs={options.epochs}"]
    batches = 0  # of an epoch: one of each half in every iteration
    seconds: dict[str, dict[str, list[list[float]]]] = {name: {"first": [], "later": []} for name in KINDS}
    with tempfile.TemporaryDirectory() as temporary:
        own = [f"--data={options.data}", f"--data.cache={temporary}/cache"]
        for turn in range(options.turns):
            for number, (name, (storage, workers)) in enumerate(KINDS.items()):
                more = [f"--data.storage={storage}", f"--data.workers={workers}"]
                epochs = search([*own, *words, *more], Path(temporary, f"{turn}-{number}"))
                batches = 2 * epochs[0].iteration
                for each in epochs:
                    part = seconds[name]["first" if each is epochs[0] else "later"]
                    part.append([each.spent("waiting_seconds") or 0.0, each.spent("seconds") or 0.0])
    kind, _, path = options.data.partition(":")
    machine = environment()
    facts = {
        "command": [f"{kind}:{Path(path).name}" if w == options.data else w for w in machine.pop("command")],
        "machine": machine,
        "options": words,
        "waiting_share": {
            name: {part: sum(w for w, _ in pairs) / sum(s for _, s in pairs) for part, pairs in parts.items()}
            for name, parts in seconds.items()
        },
        "batches_an_epoch": batches,
        "milliseconds_a_batch_after_the_first_epoch": {
            name: 1000 * fmean(waiting for waiting, _ in parts["later"]) / batches
            for name, parts in seconds.items()
        },
        "seconds_waiting_and_in_all": seconds,
    }
    options.output.write_text(json.dumps(facts, indent=1) + "\n")
    for name, parts in facts["waiting_share"].items():
        print(f"{parts['first']:8.1%} {parts['later']:8.1%}  {name}")


if __name__ == "__main__":
    main()
