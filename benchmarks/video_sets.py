"""The three operation sets for video on moving digits: search, train, test; the small counterpart of Table 6.

    python benchmarks/video_sets.py --output benchmarks/results/video_sets.json

A pair is a motion and the same motion played backwards. A network that looks at frames one by one cannot tell
the two: within a pair it is at chance.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

SETS = ("o2d_video", "o3d", "oadv")


def run(*words: str) -> float:
    start = time.monotonic()
    subprocess.run([sys.executable, "-m", "autodas", *words], check=True)
    return time.monotonic() - start


def measure(operations: str, seed: int, threads: int, folder: Path) -> dict[str, object]:
    common = ["--data", "moving-digits", "--preset", "video-quickstart", "--seed", str(seed), "--quiet"]
    common += ["--compute.threads", str(threads)]
    search, train = str(folder / f"search-{operations}-{seed}"), str(folder / f"train-{operations}-{seed}")
    search_seconds = run("search", *common, "--space.name", f"video-{operations}", "--run", search)
    train_seconds = run("train", search, *common, "--run", train)
    summary = json.loads((Path(train) / "summary.json").read_text())
    table = pq.read_table(Path(train) / "predictions.parquet")
    labels = table["label"].to_numpy()
    scores = np.array(table["probabilities"].to_pylist())
    rows = np.arange(len(labels))
    partner = labels ^ 1
    return {
        "operations": operations,
        "seed": seed,
        "label": 100 * float((scores.argmax(1) == labels).mean()),
        "pair": 100 * float((scores.argmax(1) // 2 == labels // 2).mean()),
        "within_pair": 100 * float((scores[rows, labels] > scores[rows, partner]).mean()),
        "videos": len(labels),
        "parameters": summary["parameters"],
        "multiply_adds": summary["multiply_adds"],
        "search_seconds": search_seconds,
        "train_seconds": train_seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(options.seeds):
            for operations in SETS:
                rows.append(measure(operations, seed, options.threads, Path(folder)))
                print(json.dumps(rows[-1]), flush=True)
                options.output.write_text(
                    json.dumps({"threads": options.threads, "rows": rows}, indent=1) + "\n"
                )


if __name__ == "__main__":
    main()
