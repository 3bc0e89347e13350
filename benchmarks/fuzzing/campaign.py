"""Damaged files of every format that is read, many thousands, read in children with little memory and time.

    python benchmarks/fuzzing/campaign.py [--count 10000] [--only NAME] [--output FILE]

What counts as a fault: an error that is not one of the program's own (a traceback), a reader that takes
longer than the limit, a child that dies, memory beyond the limit, a program that is started. Formats that are
done stand in the output file and are not done again: a campaign that was stopped goes on.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from damage import MARK
from formats import Format, formats
from mutations import damaged_bytes

from autodas.kernels import built_kernels

MEMORY = 1 << 30
"""Bytes of address space that one input may take beyond what the process has when it begins."""

SECONDS = 60.0
"""Of the clock, for one input."""

BATCH = 250
"""Inputs that one child reads."""

_STARTS = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen")


def main() -> None:
    """Run the campaign."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", help="part of the name of a format")
    parser.add_argument("--seeds", type=Path, default=Path(tempfile.gettempdir()) / "autodas-fuzz-seeds")
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[1] / "results" / "fuzz.json")
    options = parser.parse_args()
    built_kernels()  # here, so that no child starts a compiler
    done = json.loads(options.output.read_text()) if options.output.exists() else {}
    for each in formats(options.seeds):
        if options.only and not any(part in each.name for part in options.only):
            continue
        if done.get(each.name, {}).get("inputs") == options.count and not done[each.name]["faults"]:
            continue
        done[each.name] = run(each, options.count, options.seed)
        options.output.write_text(json.dumps(done, indent=1) + "\n")
        told = {name: value for name, value in done[each.name].items() if name != "faults"}
        print(f"{each.name}: {told}", flush=True)
        for fault, example in done[each.name]["faults"].items():
            print(f"    {fault}  {example}", flush=True)


def run(each: Format, count: int, seed: int) -> dict[str, Any]:
    """Read damaged files of one format; return how often what happened.

    Args:
        each: the format.
        count: how many.
        seed: of the damage.
    """
    found: Counter[str] = Counter()
    faults: dict[str, str] = {}
    start, first, peak = time.monotonic(), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        while first < count:
            outcomes = _child(each, range(first, min(count, first + BATCH)), seed, Path(folder))
            for number, outcome, memory in outcomes:
                kind, _, what = outcome.partition(": ")
                found[kind] += 1
                peak = max(peak, memory)
                if kind not in ("read", "refused"):
                    faults.setdefault(f"{kind}: {what}"[:300], f"input {number}")
            first = outcomes[-1][0] + 1
        executed = sum(1 for _ in Path(folder).rglob(MARK))
    return {
        "inputs": count,
        "read": found["read"],
        "refused": found["refused"],
        "tracebacks": found["traceback"],
        "hangs": found["hang"],
        "crashes": found["crash"],
        "out of memory": found["memory"],
        "executed": found["executed"] + executed,
        "most memory, MiB": peak >> 10,
        "seconds": round(time.monotonic() - start, 1),
        "faults": faults,
    }


def _child(each: Format, numbers: range, seed: int, folder: Path) -> list[tuple[int, str, int]]:
    """Read some inputs in a child; return the number of each, what happened, and the memory that it took."""
    receive, send = os.pipe()
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        os.close(receive)
        code = 1
        try:
            _read_all(each, numbers, seed, folder, send)
            code = 0
        finally:
            os._exit(code)
    os.close(send)
    outcomes, text = [], b""
    while True:
        ready, _, _ = select.select([receive], [], [], SECONDS)
        part = os.read(receive, 65536) if ready else None
        if part:
            text += part
            continue
        lines = text.decode().splitlines()
        outcomes = [tuple(json.loads(line)) for line in lines]
        if part is None:
            os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        os.close(receive)
        if len(outcomes) < len(numbers):
            what = "hang" if part is None else f"crash: status {status}"
            outcomes.append((numbers[len(outcomes)], what, 0))
        return outcomes


def _read_all(each: Format, numbers: range, seed: int, folder: Path, send: int) -> None:
    started: list[str] = []
    sys.addaudithook(lambda event, _: started.append(event) if event in _STARTS else None)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    (work / "tmp").mkdir(parents=True)
    os.chdir(work / "tmp")
    if not each.writes:
        # A good file first: libraries start their threads, whose room is no input's.
        _outcome(each, _place_input(each, sorted(each.seeds)[0].read_bytes(), work))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in numbers:
        # Made without the limit: the damage is not what is measured.
        path = _input(each, number, seed, work)
        started.clear()
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        outcome = _outcome(each, path)
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        if started:
            outcome = f"executed: {started}"
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        os.write(send, (json.dumps([number, outcome, memory]) + "\n").encode())


def _input(each: Format, number: int, seed: int, work: Path) -> Path:
    random = Random(f"{seed} {each.name} {number}")
    seed_file = random.choice(sorted(each.seeds)).read_bytes()
    try:
        content = each.damage(seed_file, random)
    except RecursionError:  # what came out is too deep to be written
        content = damaged_bytes(seed_file, random)
    return _place_input(each, content, work)


def _place_input(each: Format, content: bytes, work: Path) -> Path:
    place = work / "input"
    if each.writes or each.around is None:
        shutil.rmtree(place, ignore_errors=True)
    if each.around is not None and not place.exists():
        shutil.copytree(each.around, place)
    path = place / each.place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _outcome(each: Format, path: Path) -> str:
    from autodas.errors import AutodasError, Interrupted

    try:
        with contextlib.redirect_stdout(None), contextlib.redirect_stderr(None):
            each.read(path)
        return "read"
    except (AutodasError, Interrupted):
        return "refused"
    except MemoryError:
        return f"memory: {_place(sys.exception())}"
    except BaseException as error:
        return f"traceback: {type(error).__name__}: {str(error)[:100]} in {_place(error)}"


def _place(error: BaseException | None) -> str:
    frames = traceback.extract_tb(error.__traceback__) if error is not None else []
    own = [frame for frame in frames if "autodas" in frame.filename]
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(own[-3:]))


if __name__ == "__main__":
    main()
