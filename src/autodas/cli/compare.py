"""``autodas compare``: search methods on the same data, with the same number of epochs and seeds."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from autodas.cli._budget import with_network_of_table
from autodas.cli._code import code_of
from autodas.cli._output import print_facts
from autodas.cli._resume import difference
from autodas.cli._settings import ComputeConfig, DataConfig, transient
from autodas.cli.config._arguments import peek, take_prefixed, wants
from autodas.cli.config._configuration import given, parse
from autodas.cli.config._schema import tree
from autodas.cli.config._usage import Usage
from autodas.cli.jobs import Job, Resources, run_in_ray, run_locally, write_slurm_script
from autodas.cli.search import SearchConfig
from autodas.cli.train import TrainConfig
from autodas.errors import AutodasError
from autodas.runs.folder import COMPARISON, COMPARISON_PAGE, COMPARISON_TABLE, CONFIGURATION, RunFolder
from autodas.runs.significance import LEVEL
from autodas.spaces import get_skeleton, get_space
from autodas.strategies import strategy_info
from autodas.train_command import skeleton_words

if TYPE_CHECKING:
    from autodas.report import Comparison, TableComparison
    from autodas.runs.agreement import Agreement
    from autodas.tables import Table

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
        table: table in which what was found is looked up instead of training it: nasbench201:FILE, a CSV of
            architectures and their accuracies. Random search is replaced by its expectation.
        on: where the runs are: local, this machine; ray, the cluster in RAY_ADDRESS or one started here;
            slurm writes a script with a job array, to be read and submitted.
        jobs: number of runs at a time, each with its share of the CPU cores, and on one of the GPUs; by
            default one, with ray one for each GPU, or for each CPU if there is none.
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
    table: str | None = None
    on: Literal["local", "ray", "slurm"] = "local"
    jobs: int | None = None
    run: str | None = transient(None)
    quiet: bool = transient(False)
    json: bool = transient(False)

    def __post_init__(self) -> None:
        for name in ("seeds", "jobs"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise AutodasError(f"{name}={value} must be at least 1")
        if self.on == "slurm" and self.jobs is not None:
            raise AutodasError(
                f"`jobs={self.jobs}`: Slurm decides how many runs there are at a time; to have fewer, add "
                f"%{self.jobs} to the line of the script that requests the array"
            )
        if self.on != "local" and ":" in self.compute.device:
            raise AutodasError(
                f"`compute.device={self.compute.device}`: with `on={self.on}` each run sees only the GPU "
                "that it is given; write `compute.device=cuda`"
            )


@dataclass(frozen=True)
class Entry:
    """One method with one seed.

    Args:
        method, seed: method and seed.
        folder: parent of the run folders ``search`` and ``train``.
        words: words of the commands ``search`` and ``train``.
        configurations: configurations of the two commands.

    With a table there is no training.
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

        return [note for part in self.words for note in notes_of_run(self.folder / part)]

    def job(self) -> Job | None:
        """Return the remaining work, ``None`` if there is none."""
        left = [part for part in self.words if not self.finished(part)]
        return Job(f"{self.method}, seed {self.seed}", self.folder, self.words) if left else None


_COMMON = (
    *("data.name", "data.task", "data.subset", "methods", "seeds", "preset", "table", "on", "jobs"),
    *("compute.device", "run"),
)

USAGES = (Usage("compare", CompareConfig, forwarded=PARTS, withheld=OWN, common=_COMMON),)


def run(argv: list[str]) -> int:
    """Run the command."""
    options, rest = take_prefixed(argv, PARTS)
    config = USAGES[0].parse(rest)
    from autodas.cli._setup import say_notes
    from autodas.tables import open_table

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
    table = None if config.table is None else open_table(config.table)
    if table is not None and (note := table.note(config.data.name)) is not None:
        say_notes([note])
    entries = [
        _entry(config, method, seed, root, shared, options, table)
        for seed in range(config.seeds)
        for method in _methods(config)
    ]
    jobs = [job for entry in entries if (job := entry.job()) is not None]

    output = sys.stdout  # not Ray's, which is another while it runs

    def say(line: str) -> None:
        if not config.quiet:
            print(line, file=output, flush=True)

    training = "" if config.table is not None else ", each with a training"
    say(f"{len(entries)} searches{training}; {len(entries) - len(jobs)} are done; folder {root}")
    for job in jobs:
        job.folder.mkdir(parents=True, exist_ok=True)
    wanted = Resources(config.jobs, config.compute.threads, config.compute.device)
    if config.on == "slurm" and jobs:
        script = write_slurm_script(jobs, wanted, root)
        again = "the same command" if config.run else f"the same command with --run={shlex.quote(str(root))}"
        say(
            f"written: {script}, a job array for {len(jobs)} of them\n"
            f"next: read it, submit it (sbatch {shlex.quote(str(script))}), and when its jobs have ended run "
            f"{again} again: for the table, or a script for what is left"
        )
        return 0
    run_jobs = run_in_ray if config.on == "ray" else run_locally
    failed = run_jobs(jobs, wanted, say) if jobs else []
    if failed:
        names = "; ".join(f"{job.name} (see {job.log})" for job in failed)
        raise AutodasError(
            f"{len(failed)} of {len(jobs)} failed: {names}; run the same command again to resume"
        )
    say_notes(dict.fromkeys(note for entry in entries for note in entry.notes()))
    compared = _compared(entries, table, config.data.name)
    _write(root, compared, _agreements(entries), config.json, argv)
    return 0


def _methods(config: CompareConfig) -> list[str]:
    """Return the methods, each once; ``random`` among them, unless a table has its expectation.

    Raises:
        AutodasError: if a method is unknown.
    """
    names = [name.strip() for name in config.methods.split(",") if name.strip()]
    for name in names:
        strategy_info(name)
    return list(dict.fromkeys(names if config.table is not None else [*names, "random"]))


def _entry(
    config: CompareConfig,
    method: str,
    seed: int,
    root: Path,
    shared: Sequence[str],
    options: dict[str, list[str]],
    table: Table | None,
) -> Entry:
    folder = root / method / f"seed{seed}"
    searched, trained = str(folder / "search"), str(folder / "train")
    common = [f"--preset={config.preset}", *shared, f"--seed={seed}"]
    how = ["--resume=auto", "--quiet"]
    search = [*common, f"--strategy={method}", *options["search"]]
    if config.native_spaces and not peek(search, "space.name", "space"):
        info = strategy_info(method)
        skeleton = _parsed("search", SearchConfig, search).space.name.partition("-")[0]
        stages = "_stages" if info.native_kinds else ""
        search.append(f"--space.name={skeleton}{stages}-{info.native_cell}")
    searching = _parsed("search", SearchConfig, search)
    searching = replace(searching, budget=with_network_of_table(searching.budget))
    looked_up = [] if table is None else [f"--table={config.table}"]
    searches = ("search", *search, *looked_up, f"--run={searched}", *how)
    if table is not None:
        table.check(get_space(searching.space.name).cell.genotype_space)
        return Entry(method, seed, folder, {"search": searches}, {"search": searching})
    train = [searched, *common, *skeleton_words(tree(searching)), *options["train"]]
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
            "search": searches,
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


def _compared(entries: Sequence[Entry], table: Table | None, data: str) -> Comparison | TableComparison:
    from autodas.report import Comparison, TableComparison, read_found_run, read_method_run

    if table is None:
        return Comparison(
            tuple(read_method_run(e.method, e.seed, e.folder / "search", e.folder / "train") for e in entries)
        )
    judge = table.column(data)
    found = (read_found_run(e.method, e.seed, e.folder / "search", table, judge) for e in entries)
    return TableComparison(tuple(found), table, judge)


def _agreements(entries: Sequence[Entry]) -> dict[str, Agreement]:
    """Return the agreement of the seeds of each method that decides on edges."""
    from autodas.runs.agreement import agreement, decided_operations
    from autodas.runs.reading import read_run

    operations: dict[str, list[Any]] = {}
    for entry in entries:
        if found := decided_operations(read_run(entry.folder / "search")):
            operations.setdefault(entry.method, []).append(found)
    agreed = {method: agreement(seeds) for method, seeds in operations.items()}
    return {method: each for method, each in agreed.items() if each is not None}


def _agreement_in_words(agreements: Mapping[str, Agreement]) -> str:
    """Return the sentences on the agreement of seeds; empty without any."""
    if not agreements:
        return ""
    each = "; ".join(f"{method} {found.in_words()}" for method, found in agreements.items())
    text = f"Agreement of seeds, the share of edges with the same operation: {each}."
    draws = [method for method, found in agreements.items() if found.p > LEVEL]
    if draws:
        text += (
            f" Not more than the frequencies of the operations explain: {', '.join(draws)}. There seeds "
            "agree at most on how often an operation is chosen, not on where: another seed would probably "
            "find another cell, however clear and stable the decisions are."
        )
    return f"\n{text}\n"


def _write(
    root: Path,
    comparison: Comparison | TableComparison,
    agreements: Mapping[str, Agreement],
    as_json: bool,
    argv: list[str],
) -> None:
    from autodas.loop import write_environment
    from autodas.report import TableComparison, render_table_comparison

    folder = RunFolder(root)
    write_environment(folder)
    facts = {
        "command": ["autodas", "compare", *argv],
        **comparison.to_dict(),
        "agreement": {method: found._asdict() for method, found in agreements.items()},
    }
    folder.write(COMPARISON, json.dumps(facts, indent=2) + "\n")
    agreed = _agreement_in_words(agreements)
    page = f"{comparison.table()}\n\n{comparison.verdict()}\n{agreed}"
    path = folder.write(COMPARISON_TABLE, page)
    if isinstance(comparison, TableComparison):
        path = folder.write(COMPARISON_PAGE, render_table_comparison(comparison, agreed))
    if as_json:
        print_facts(facts, as_json=True)
    else:
        print(f"{page}\nwritten to {path}")
