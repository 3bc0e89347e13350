"""``autodas compare``: search methods on the same data, with the same number of epochs and seeds."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autodas.cli._code import code_of
from autodas.cli._jobs import Job, run_jobs
from autodas.cli._output import print_facts
from autodas.cli._resume import difference
from autodas.cli._settings import ComputeConfig, DataConfig, transient
from autodas.cli.config._arguments import peek, take_prefixed, wants
from autodas.cli.config._configuration import given, parse
from autodas.cli.config._schema import tree
from autodas.cli.search import SearchConfig
from autodas.cli.train import TrainConfig
from autodas.errors import AutodasError
from autodas.runs.folder import COMPARISON, COMPARISON_TABLE, CONFIGURATION, RunFolder
from autodas.spaces import get_skeleton
from autodas.strategies import strategy_info

PARTS = ("search", "train")
OWN = ("strategy", "strategy.name", "seed", "run", "resume", "overwrite", "dry_run", "quiet", "json")
"""Options of these commands that are set by the comparison."""


@dataclass(frozen=True)
class CompareConfig:
    """Compare search methods: search with each method and seed, train the results, and make a table.

    All methods search in one space, with the same halves of the training samples, for the same number of
    epochs; random search is always among them. --search.KEY and --train.KEY are options of autodas search and
    autodas train, for all methods alike. The same command resumes a stopped comparison; with more methods or
    seeds it extends the comparison.

    Args:
        methods: methods, separated by commas.
        seeds: number of seeds, from 0.
        preset: name of the shipped presets for searches and trainings.
        native_spaces: search with each method in the space of its paper, which the table shows.
        jobs: number of runs at a time, each with its share of the CPU cores.
        run: folder; by default a new one under runs/.
        quiet: print only the table.
        json: print the table as JSON.
    """

    data: DataConfig
    methods: str = "das,sdas-a,sdas-b,sdas-c,snas,pdarts,edas,hdas,pcdarts,random"
    seeds: int = 2
    preset: str = "quickstart"
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    native_spaces: bool = False
    jobs: int = 1
    run: str | None = transient(None)
    quiet: bool = transient(False)
    json: bool = transient(False)

    def __post_init__(self) -> None:
        for name in ("seeds", "jobs"):
            if getattr(self, name) < 1:
                raise AutodasError(f"{name}={getattr(self, name)} must be at least 1")


@dataclass(frozen=True)
class Entry:
    """One method with one seed.

    Args:
        method, seed: method and seed.
        folder: parent of the run folders ``search`` and ``train``.
        words: words of the commands ``search`` and ``train``.
        configurations: configurations of the two commands.
    """

    method: str
    seed: int
    folder: Path
    words: dict[str, tuple[str, ...]]
    configurations: dict[str, Any]

    def finished(self, part: str) -> bool:
        """Return whether a part is finished.

        Raises:
            AutodasError: if it was finished with other settings.
        """
        run = self.folder / part
        if not RunFolder(run).finished:
            return False
        changed = difference(part, run / CONFIGURATION, self.configurations[part])
        if changed:
            raise AutodasError(f"{run}: this run has other settings ({changed}); choose another --run")
        return True

    def notes(self) -> list[str]:
        """Return the notes of its runs on the data."""
        from autodas.loop import notes_of_run

        return [note for part in PARTS for note in notes_of_run(self.folder / part)]

    def job(self) -> Job | None:
        """Return the remaining work, ``None`` if there is none."""
        left = tuple(self.words[part] for part in PARTS if not self.finished(part))
        return Job(f"{self.method}, seed {self.seed}", left, self.folder / "log.txt") if left else None


def run(argv: list[str]) -> int:
    """Run the command."""
    options, rest = take_prefixed(argv, PARTS)
    config = parse("compare", CompareConfig, rest)
    from autodas.cli._setup import say_notes

    for part, words in options.items():
        for name in OWN:
            if peek(words, name) or wants(words, f"--{name}"):
                raise AutodasError(f"--{part}.{name}: is set by autodas compare itself")
    root = Path(config.run or f"runs/compare-{time.strftime('%Y%m%d-%H%M%S')}")
    shared = [
        f"--{key}={text}"
        for key, text in given(CompareConfig, rest).items()
        if key.startswith(("data.", "compute."))
    ]
    entries = [
        _entry(config, method, seed, root, shared, options)
        for seed in range(config.seeds)
        for method in _methods(config.methods)
    ]
    jobs = [job for entry in entries if (job := entry.job()) is not None]

    def say(line: str) -> None:
        if not config.quiet:
            print(line, flush=True)

    say(f"{len(entries)} searches, each with a training; {len(entries) - len(jobs)} are done; folder {root}")
    for job in jobs:
        job.log.parent.mkdir(parents=True, exist_ok=True)
    failed = run_jobs(jobs, config.jobs, say)
    if failed:
        names = "; ".join(f"{job.name} (see {job.log})" for job in failed)
        raise AutodasError(
            f"{len(failed)} of {len(jobs)} failed: {names}; run the same command again to resume"
        )
    say_notes(dict.fromkeys(note for entry in entries for note in entry.notes()))
    _write(root, entries, config.json, argv)
    return 0


def _methods(text: str) -> list[str]:
    """Return the methods, each once, ``random`` among them.

    Raises:
        AutodasError: if a method is unknown.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        strategy_info(name)
    return list(dict.fromkeys([*names, "random"]))


def _entry(
    config: CompareConfig,
    method: str,
    seed: int,
    root: Path,
    shared: Sequence[str],
    options: dict[str, list[str]],
) -> Entry:
    folder = root / method / f"seed{seed}"
    searched, trained = str(folder / "search"), str(folder / "train")
    threads = f"--compute.threads={max(1, (os.cpu_count() or 1) // config.jobs)}"
    common = [f"--preset={config.preset}", threads, *shared, f"--seed={seed}"]
    how = ["--resume=auto", "--quiet"]
    search = [*common, f"--strategy={method}", *options["search"]]
    if config.native_spaces and not peek(search, "space.name", "space"):
        info = strategy_info(method)
        skeleton = _parsed("search", SearchConfig, search).space.name.partition("-")[0]
        stages = "_stages" if info.native_kinds else ""
        search.append(f"--space.name={skeleton}{stages}-{info.native_cell}")
    train = [searched, *common, *options["train"]]
    searching = _parsed("search", SearchConfig, search)
    if (code := code_of(tree(searching))) and not peek(train, "code"):
        train.append(f"--code={','.join(code)}")
    if not peek(train, "skeleton", "skeleton.name"):
        # Results of a search in another skeleton than the preset's are trained in that skeleton.
        train.insert(1, f"--skeleton.name={searching.space.name.partition('-')[0]}")
    size = _parsed("train", TrainConfig, train).skeleton
    get_skeleton(size.name).with_size(size.K, size.C1, size.C2)  # reject invalid sizes before the search
    return Entry(
        method,
        seed,
        folder,
        {
            "search": ("search", *search, f"--run={searched}", *how),
            "train": ("train", *train, f"--run={trained}", *how),
        },
        {
            "search": searching,
            "train": _parsed("train", TrainConfig, train),
        },
    )


def _parsed(part: str, config_class: Any, words: Sequence[str]) -> Any:
    try:
        return parse(part, config_class, words, presets=part)
    except AutodasError as error:
        raise AutodasError(f"{part}: {error}") from None


def _write(root: Path, entries: Sequence[Entry], as_json: bool, argv: list[str]) -> None:
    from autodas.loop import write_environment
    from autodas.report import Comparison, read_method_run

    comparison = Comparison(
        tuple(read_method_run(e.method, e.seed, e.folder / "search", e.folder / "train") for e in entries)
    )
    folder = RunFolder(root)
    write_environment(folder)
    facts = {"command": ["autodas", "compare", *argv], **comparison.to_dict()}
    folder.write(COMPARISON, json.dumps(facts, indent=2) + "\n")
    page = f"{comparison.table()}\n\n{comparison.verdict()}\n"
    path = folder.write(COMPARISON_TABLE, page)
    if as_json:
        print_facts(facts, as_json=True)
    else:
        print(f"{page}\nwritten to {path}")
