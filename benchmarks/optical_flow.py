"""Presets of DIS beside TV-L1: CPU time of a frame, error on known shifts, difference on real clips.

    python benchmarks/optical_flow.py FOLDER --output benchmarks/results/optical_flow.json

All solvers take turns on the same pairs of frames, each time in another order; one thread.

- Known shifts: fine noise, smoothed with a standard deviation of a pixel, moved by whole pixels in any
  direction; the error is the mean end-point error away from the borders.
- Real clips: pairs of consecutive frames from the middle of videos, resized to the short side. The difference
  is the mean end-point difference from TV-L1, beside the mean length of displacements, and the correlation
  of both components.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from random import Random

import cv2
import numpy as np

from autodas.data.frames._flow import flow_solver
from autodas.data.frames._sources import VideoFiles
from autodas.loop import environment

Solver = Callable[[np.ndarray, np.ndarray], np.ndarray]
SHIFTS = {36: (1, 2), 128: (2, 6, 9)}  # lengths in pixels, by short side


def preset(value: int) -> Solver:
    """Return DIS with one of OpenCV's presets."""

    def solve(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        # A solver that has seen small frames keeps the scales that it has chosen for them.
        solver = cv2.DISOpticalFlow_create(value)
        grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (one, other)]
        return np.asarray(solver.calc(*grey, None))

    return solve


def shifted(side: int, length: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return two frames and the displacement between them."""
    noise = cv2.GaussianBlur(random.normal(size=(side + 32, side * 4 // 3 + 32)), (0, 0), 1)
    values = np.uint8(np.clip(127.5 + 45 * noise / noise.std(), 0, 255))
    angle = random.uniform(0, 2 * np.pi)
    across, down = np.rint(length * np.array([np.cos(angle), np.sin(angle)])).astype(int)
    frames = [
        values[16 - y : side + 16 - y, 16 - x : values.shape[1] - 16 - x] for x, y in ((0, 0), (across, down))
    ]
    one, other = (np.repeat(frame[..., None], 3, axis=2) for frame in frames)
    return one, other, np.array([across, down], np.float32)


def main() -> None:
    """Measure all solvers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--every", type=int, default=6, help="use every n-th video")
    parser.add_argument("--pairs", type=int, default=2, help="pairs of frames of each video")
    parser.add_argument("--shifts", type=int, default=10, help="pairs of frames of each known shift")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    presets = {
        name: getattr(cv2, f"DISOPTICAL_FLOW_PRESET_{name.upper()}")
        for name in ("ultrafast", "fast", "medium")
    }
    solvers = {"tvl1": flow_solver("tvl1"), **{f"dis, {name}": preset(v) for name, v in presets.items()}}
    order, random = Random(0), np.random.default_rng(0)
    seconds: dict[str, dict[int, list[float]]] = {name: {side: [] for side in SHIFTS} for name in solvers}

    def solve_all(one: np.ndarray, other: np.ndarray, side: int) -> dict[str, np.ndarray]:
        flows = {}
        for name in order.sample(list(solvers), len(solvers)):
            start = time.process_time()
            flows[name] = solvers[name](one, other)
            seconds[name][side].append(time.process_time() - start)
        return flows

    errors: dict[str, dict[str, list[float]]] = {name: {} for name in solvers}
    for side, lengths in SHIFTS.items():
        for length in lengths:
            for _ in range(options.shifts):
                one, other, shift = shifted(side, length, random)
                for name, flow in solve_all(one, other, side).items():
                    inside = flow[12:-12, 12:-12] - shift
                    error = float(np.linalg.norm(inside, axis=-1).mean())
                    errors[name].setdefault(f"{length} of {side} pixels", []).append(error)
    source = VideoFiles(sorted(str(path) for path in options.folder.rglob("*.mp4"))[:: options.every])
    found: dict[str, dict[int, list[np.ndarray]]] = {name: {side: [] for side in SHIFTS} for name in solvers}
    for index in range(len(source)):
        for side in SHIFTS:
            first = source.count(index) // 2
            frames = source.read(index, range(first, first + options.pairs + 1), side)
            for pair in pairwise(frames):
                for name, flow in solve_all(*pair, side).items():
                    found[name][side].append(flow.reshape(-1, 2))
    real = {
        name: {side: np.concatenate(flows) for side, flows in sides.items()} for name, sides in found.items()
    }
    machine = environment()
    facts = {
        "command": [options.folder.name if w == str(options.folder) else w for w in machine.pop("command")],
        "machine": machine,
        "opencv": cv2.__version__,
        "videos": len(source),
        "solvers": {
            name: {
                "cpu_milliseconds_a_frame": {
                    f"short side {side}": 1000 * statistics.mean(values)
                    for side, values in seconds[name].items()
                },
                "error_on_known_shifts": {
                    shift: statistics.mean(values) for shift, values in errors[name].items()
                },
                "real_clips": {
                    f"short side {side}": {
                        "length": float(np.linalg.norm(flow, axis=1).mean()),
                        "difference_to_tvl1": float(np.linalg.norm(flow - real["tvl1"][side], axis=1).mean()),
                        "correlation_with_tvl1": float(
                            np.corrcoef(flow.ravel(), real["tvl1"][side].ravel())[0, 1]
                        ),
                    }
                    for side, flow in real[name].items()
                },
            }
            for name in solvers
        },
    }
    options.output.write_text(json.dumps(facts, indent=1) + "\n")
    for name, numbers in facts["solvers"].items():
        print(name, json.dumps(numbers))


if __name__ == "__main__":
    main()
