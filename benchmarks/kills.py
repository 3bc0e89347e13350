"""Kills runs, lets them go on, and compares them with runs that nobody killed.

``python benchmarks/kills.py --kills 300`` kills at random times, over methods and commands, and then once
before each file-system call of two runs. What is counted is written to ``results/kills.json`` after every
round; the same command goes on where it stopped. Wanted: no difference, no folder that cannot go on, no
process that is left.

Each trial is the real command line, in a process of its own; it is forked from one that has imported torch,
which takes longer than the runs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch._dynamo
from PIL import Image

import autodas.cli.compare
import autodas.cli.evaluate
import autodas.cli.search
import autodas.cli.train
import autodas.report
import autodas.search
import autodas.training.recipe  # noqa: F401
from autodas.cli.main import main
from autodas.kernels import built_kernels

RESULTS = Path(__file__).parent / "results" / "kills.json"
PATIENCE = 300.0
"""Seconds after which a run counts as hung."""

GRACE = 5.0
"""Seconds that the processes of a run have to end after it."""

SIZE = ["--space.K=0", "--space.C1=4", "--space.C2=8"]
TRAINED = ["--skeleton.K=0", "--skeleton.C1=8", "--skeleton.C2=32", "--auxiliary=false"]
COMMON = ["--compute.threads=1", "--tensorboard=false"]
DIGITS = ["--data=digits", "--data.subset=60", "--batch_size=16"]
METHODS = {
    "das": [],
    "sdas-a": [],
    "sdas-b": ["--micro_batches=3"],
    "sdas-c": [],
    "pcdarts": ["--space.C2=32"],
    "pdarts": ["--strategy.skip_dropout=0.2,0.4,0.7"],
    "snas": [],
    "edas": ["--strategy.random_share=0.2"],
    "hdas": [
        "--space.name=cifar_stages-darts",
        "--space.K=1",
        "--space.C1=8",
        "--space.C2=32",
        "--strategy.cells_a_stage=2",
    ],
    "random": ["--strategy.candidates=2"],
}


@dataclass(frozen=True)
class Scenario:
    """A run that is killed.

    Args:
        name: of the scenario.
        words: the command, without its folder.
        weight: how often it is drawn.
        uninterrupted: words in place of others in the run that is compared with.
    """

    name: str
    words: tuple[str, ...]
    weight: int = 1
    uninterrupted: tuple[str, ...] = ()


def scenarios(root: Path) -> list[Scenario]:
    """Return all scenarios; their data and what they train are made below ``root``."""
    pictures, videos, cell = root / "pictures", root / "videos", root / "cell.json"
    if not cell.exists():
        _make_pictures(pictures)
        _make_videos(videos)
        _make_genotype(cell)
    rate = "--strategy.learning_rate=0.05"
    found = [
        Scenario(
            name,
            ("search", *DIGITS, *SIZE, *COMMON, "--epochs=2", "--checkpoint_every=1", f"--strategy={name}")
            + (() if name == "random" else (rate,))
            + tuple(words),
        )
        for name, words in METHODS.items()
    ]
    streamed = (
        f"--data=imagefolder:{pictures}",
        "--data.storage=stream",
        "--batch_size=8",
        "--data.image_size=16",
    )
    filmed = (f"--data=videofolder:{videos}", "--data.frames=4", "--data.image_size=16", "--batch_size=4")
    films = ("--space.name=video-o3d", "--space.K=0", "--space.C1=4", "--space.C2=8")
    train = ("train", str(cell), *TRAINED, *COMMON, "--epochs=3", "--drop_path=0.2")
    alone = ("--data.workers=0",)
    found += [
        Scenario("training", (*train, *DIGITS), 3),
        Scenario("training to the best epoch", (*train, *DIGITS, "--validation=0.3"), 2),
        Scenario(
            "pictures streamed",
            ("search", *streamed, *SIZE, *COMMON, "--epochs=2", "--strategy=das", rate),
            2,
        ),
        Scenario(
            "pictures streamed by workers",
            (
                "search",
                *streamed,
                *SIZE,
                *COMMON,
                "--epochs=2",
                "--strategy=sdas-c",
                rate,
                "--data.workers=2",
            ),
            2,
            alone,
        ),
        Scenario("training streamed by workers", (*train, *streamed, "--data.workers=2"), 2, alone),
        Scenario("videos", ("search", *filmed, *films, *COMMON, "--epochs=1", "--strategy=sdas-c", rate), 2),
        Scenario(
            "videos by workers",
            ("search", *filmed, *films, *COMMON, "--epochs=1", "--strategy=sdas-c", rate, "--data.workers=2"),
            2,
            alone,
        ),
        Scenario(
            "comparison",
            (
                "compare",
                "--methods=random",
                "--seeds=1",
                "--data=digits",
                "--data.subset=60",
                "--compute.threads=1",
                "--search.epochs=1",
                "--train.epochs=1",
                "--train.skeleton.K=0",
                "--train.skeleton.C1=8",
                "--train.skeleton.C2=32",
                *(word.replace("--space", "--search.space") for word in SIZE),
            ),
        ),
    ]
    return found


def _make_pictures(root: Path) -> None:
    draw = np.random.default_rng(0)
    for split, count in (("train", 16), ("test", 4)):
        for label in range(3):
            (root / split / f"class{label}").mkdir(parents=True)
            for i in range(count):
                pixels = draw.integers(0, 80, (24, 20, 3)) + 80 * label
                Image.fromarray(pixels.astype(np.uint8)).save(root / split / f"class{label}" / f"{i}.png")


def _make_videos(root: Path) -> None:
    draw = np.random.default_rng(0)
    for split, count in (("train", 5), ("test", 2)):
        for label in range(2):
            for i in range(count):
                folder = root / split / f"class{label}" / f"video{i}"
                folder.mkdir(parents=True)
                for frame in range(6):
                    pixels = draw.integers(0, 80, (24, 24, 3)) + 100 * label
                    Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{frame:03d}.png")


def _make_genotype(path: Path) -> None:
    from autodas.spaces import get_space

    get_space("cifar-o2d").random_genotype(random.Random(0), "drawn").save(path)


class Run:
    """One start of a command.

    Args:
        words: the command line.
        log: takes what it prints.
        before: is called in the new process before the command.
    """

    def __init__(self, words: list[str], log: Path, before: Callable[[], None] = lambda: None) -> None:
        self.process = os.fork()
        self.log = log
        self.code: int | None = None
        if self.process == 0:
            code = 1
            try:
                os.setsid()
                descriptor = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
                os.dup2(descriptor, 1)
                os.dup2(descriptor, 2)
                before()
                code = main(words)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)

    def wait(self, seconds: float) -> bool:
        """Return whether it has ended within that time."""
        limit = time.monotonic() + seconds
        while self.code is None:
            process, status = os.waitpid(self.process, os.WNOHANG)
            if process:
                self.code = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > limit:
                return False
            else:
                time.sleep(0.005)
        return True

    def others(self) -> list[int]:
        """Return the processes that it has started and that are there."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == self.process and fields[0] != "Z" and int(stat.parent.name) != self.process:
                found.append(int(stat.parent.name))
        return found

    def orphans(self) -> list[int]:
        """Return what is left of its processes after a while, and end it."""
        limit = time.monotonic() + GRACE
        while (left := self.others()) and time.monotonic() < limit:
            time.sleep(0.02)
        for process in left:
            os.kill(process, signal.SIGKILL)
        return left


class Counts:
    """What has been found, kept in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}

    def add(self, part: str, name: str, **more: Any) -> None:
        """Add to the numbers of a scenario; lists grow, too."""
        row = self.found.setdefault(part, {}).setdefault(name, {})
        for key, value in more.items():
            row[key] = row.get(key, type(value)()) + value

    def total(self, part: str, key: str) -> int:
        """Return a number over all scenarios."""
        return sum(row.get(key, 0) for row in self.found.get(part, {}).values())

    def save(self) -> None:
        """Write the file."""
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text(json.dumps(self.found, indent=2) + "\n")
        os.replace(temporary, self.path)


def differences(whole: Path, other: Path) -> list[str]:
    """Return the files in which two finished runs differ, times left aside."""
    found = []
    for path in sorted(whole.rglob("*")):
        name = str(path.relative_to(whole))
        # The names of these files hold times and numbers of processes.
        if (
            path.is_dir()
            or "tfevents" in path.name
            or path.name
            in (
                "environment.json",
                "config.yaml",
                "comparison.json",
                "comparison.md",
                "log.txt",
            )
        ):
            continue
        if not (other / name).exists():
            found.append(f"{name} is missing")
        elif _content(path) != _content(other / name):
            found.append(name)
    left = [p for p in other.rglob("*") if p.name.endswith(".tmp") or p.name == "running.json"]
    return found + [f"{p.relative_to(other)} is left" for p in left]


def _content(path: Path) -> Any:
    if path.name == "events.jsonl":
        return [{**json.loads(line), "volatile": None} for line in path.read_text().splitlines()]
    if path.suffix == ".pt":
        return _plain(torch.load(path, weights_only=True)["state"])
    return path.read_bytes()


def _plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.dtype, value.shape, value.numpy().tobytes()
    if isinstance(value, dict):
        # Times, and the lengths of files that hold times.
        return {k: _plain(v) for k, v in value.items() if k not in ("clock", "log")}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def words_of(scenario: Scenario, folder: Path) -> list[str]:
    """Return the command that starts a run or goes on with it."""
    resume = [] if scenario.name == "comparison" else ["--resume=auto"]
    return [*scenario.words, f"--run={folder}", *resume]


def whole_run(scenario: Scenario, root: Path) -> tuple[Path, float]:
    """Return the folder of a run that nobody has killed, and how long it takes."""
    folder = root / "whole" / scenario.name.replace(" ", "-")
    took = folder.with_suffix(".seconds")
    if not took.exists():
        folder.parent.mkdir(exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)  # of another campaign that was ended
        started = time.monotonic()
        words = [*words_of(scenario, folder), *scenario.uninterrupted]
        run = Run(words, folder.with_suffix(".log"))
        if not run.wait(PATIENCE) or run.code != 0:
            raise SystemExit(f"{scenario.name}: fails without a kill: {run.log.read_text()[-2000:]}")
        took.write_text(str(time.monotonic() - started))
    return folder, float(took.read_text())


def finish(scenario: Scenario, folder: Path, whole: Path, log: Path, counts: Counts, part: str) -> None:
    """Let a run go on to its end, and count what is wrong."""
    run = Run(words_of(scenario, folder), log)
    done = run.wait(PATIENCE)
    if not done or run.code not in (0,):
        text = log.read_text(errors="replace")
        finished = "its run is finished" in text
        if not finished:
            counts.add(part, scenario.name, stuck=1, notes=[text.strip()[-300:]])
            if not done:
                os.kill(run.process, signal.SIGKILL)
                run.wait(10)
            return
    orphans = run.orphans()
    wrong = differences(whole, folder)
    counts.add(part, scenario.name, differences=int(bool(wrong)), stuck=0, orphans=len(orphans), notes=wrong)


def random_kills(chosen: list[Scenario], root: Path, counts: Counts, wanted: int) -> None:
    """Kill at random times until so many kills have been made."""
    draw = random.Random(counts.total("random", "kills"))
    while counts.total("random", "kills") < wanted:
        # The one that has had the fewest for its weight.
        done = counts.found.get("random", {})
        scenario = min(chosen, key=lambda s: done.get(s.name, {}).get("rounds", 0) / s.weight)
        whole, seconds = whole_run(scenario, root)
        with tempfile.TemporaryDirectory(dir=root) as place:
            folder, log = Path(place) / "run", Path(place) / "log"
            kills = 0
            for _ in range(draw.choice((1, 2, 3, 4))):
                run = Run(words_of(scenario, folder), log)
                if run.wait(draw.uniform(0, seconds)):
                    break
                victim = run.process
                number = draw.choices((signal.SIGKILL, signal.SIGTERM, signal.SIGINT), (8, 1, 1))[0]
                others = run.others()
                if others and draw.random() < 0.3:
                    victim, number = draw.choice(others), signal.SIGKILL
                try:
                    os.kill(victim, number)
                except ProcessLookupError:
                    continue
                kills += 1
                if not run.wait(PATIENCE):
                    counts.add("random", scenario.name, stuck=1, notes=[f"hangs after signal {number}"])
                    os.kill(run.process, signal.SIGKILL)
                    run.wait(10)
                text = log.read_text(errors="replace")
                counts.add(
                    "random",
                    scenario.name,
                    kills=1,
                    of_children=int(victim != run.process),
                    orphans=len(run.orphans()),
                    tracebacks=int("Traceback" in text),
                    notes=[text[-600:]] if "Traceback" in text else [],
                )
            finish(scenario, folder, whole, log, counts, "random")
            counts.add("random", scenario.name, rounds=1)
        counts.save()
        print(f"{scenario.name}: {kills} kills; {counts.total('random', 'kills')} of {wanted}", flush=True)


class Trap:
    """Counts the file-system calls of this process below a folder, and kills it before one of them."""

    EVENTS = frozenset(
        f"os.{name}"
        for name in (
            "rename",
            "mkdir",
            "remove",
            "rmdir",
            "truncate",
            "link",
            "symlink",
            "utime",
            "chmod",
            "scandir",
            "listdir",
        )
    ) | {"open", "shutil.rmtree"}

    def __init__(self, folder: Path, last: int, report: Path | None = None) -> None:
        self.folder, self.last, self.report, self.count = str(folder), last, report, 0

    def set(self) -> None:
        """Begin. What is written and flushed counts, too."""
        sys.addaudithook(self._heard)
        synchronise, write = os.fsync, os.write
        os.fsync = lambda file: (self._call(), synchronise(file))[1]  # type: ignore[assignment]
        os.write = lambda file, data: (self._call(), write(file, data))[1]  # type: ignore[assignment]

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in self.EVENTS and any(
            isinstance(a, str | os.PathLike) and str(a).startswith(self.folder) for a in arguments
        ):
            self._call()

    def _call(self) -> None:
        self.count += 1
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)


def every_call(scenario: Scenario, root: Path, counts: Counts, step: int) -> None:
    """Kill a run before each of its file-system calls, one run a call."""
    part = "calls"
    whole, _ = whole_run(scenario, root)
    reached = counts.found.get(part, {}).get(scenario.name, {}).get("reached", 0)
    while True:
        with tempfile.TemporaryDirectory(dir=root) as place:
            folder, log = Path(place) / "run", Path(place) / "log"
            number = reached + step
            run = Run(words_of(scenario, folder), log, Trap(folder, number).set)
            if not run.wait(PATIENCE):
                raise SystemExit(f"{scenario.name}: hangs")
            if run.code == 0:
                break  # it has no more calls
            if run.code != -signal.SIGKILL:
                counts.add(part, scenario.name, stuck=1, notes=[f"call {number}: {log.read_text()[-300:]}"])
            counts.add(part, scenario.name, kills=1, orphans=len(run.orphans()), reached=step)
            finish(scenario, folder, whole, log, counts, part)
            reached = number
        counts.save()
        print(f"{scenario.name}: killed before file-system call {number}", flush=True)


def _main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=300, help="how many at random times")
    parser.add_argument("--only", default="", help="scenarios, separated by commas; all by default")
    parser.add_argument("--calls", default="sdas-c,training", help="scenarios that are killed at every call")
    parser.add_argument("--step", type=int, default=1, help="calls from one kill to the next")
    parser.add_argument("--folder", type=Path, help="for the runs; a new one by default")
    parser.add_argument("--output", type=Path, default=RESULTS, help="file of the counts")
    options = parser.parse_args()
    torch.set_num_threads(1)
    built_kernels()
    root = (options.folder or Path(tempfile.mkdtemp(prefix="autodas-kills-"))).absolute()
    root.mkdir(parents=True, exist_ok=True)
    counts, known = Counts(options.output), scenarios(root)
    names = {name for name in options.only.split(",") if name}
    random_kills([s for s in known if not names or s.name in names], root, counts, options.kills)
    for name in filter(None, options.calls.split(",")):
        every_call(next(s for s in known if s.name == name), root, counts, options.step)
    for part in ("random", "calls"):
        sums = {
            key: counts.total(part, key) for key in ("kills", "differences", "stuck", "orphans", "tracebacks")
        }
        print(part, ", ".join(f"{key} {value}" for key, value in sums.items()))


if __name__ == "__main__":
    _main()
