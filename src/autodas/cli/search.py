"""``autodas search``: search for a genotype for a data set."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from autodas.cli._budget import BudgetConfig, budget_of, with_network_of_table
from autodas.cli._output import print_facts
from autodas.cli._resume import resumed_words
from autodas.cli._settings import ComputeConfig, DataConfig, transient
from autodas.cli.config._arguments import peek
from autodas.cli.config._usage import Usage
from autodas.flags import note_line
from autodas.presets import presets_of_method
from autodas.runs.folder import GENOTYPE
from autodas.settings import OptimSettings, SupernetSettings
from autodas.strategies import FinalistsSettings, StrategyChoice

if TYPE_CHECKING:
    import torch

    from autodas.data import Augmentation, ImageDataset
    from autodas.loop import Group
    from autodas.runs.folder import RunFolder
    from autodas.search import Search, SearchResult
    from autodas.search._reach import Reach
    from autodas.spaces import Space


@dataclass(frozen=True)
class SpaceConfig:
    """The search space.

    Args:
        name: space, as skeleton-cellspace: cifar-o2d, cifar-darts, imagenet-o2d, ...; or nasbench201.
        K: normal cells in each stage.
        C1: channels of the stem's first convolution.
        C2: channels of the first cell's output, four times the width of its nodes.
    """

    name: str = "cifar-o2d"
    K: int | None = None
    C1: int | None = None
    C2: int | None = None


@dataclass(frozen=True)
class SearchSpaceConfig(SpaceConfig):
    """The search space.

    Args:
        operations: candidate operations of every edge, separated by commas, in place of those of the space;
            python:package.module:name for one of your own.
    """

    operations: tuple[str, ...] = ()


@dataclass(frozen=True)
class SearchConfig:
    """Search for a network for a data set.

    Args:
        epochs: number of epochs, each over one half of the training samples.
        batch_size: samples in each gradient step.
        micro_batches: number of parts in which each batch is computed, one after the other, to save memory.
        seed: seed of all random numbers.
        checkpoint_every: iterations between checkpoints; 0 for one after every epoch.
        tensorboard: write TensorBoard files if tensorboard is installed.
        run: run folder; by default a new one under runs/.
        resume: resume the run in this folder; auto resumes the run in --run, if any.
        overwrite: replace the run in --run.
        dry_run: estimate memory and time with a few iterations, then stop; nothing is written.
        stop_at_skips: stop the search once its normal cells would have this many skip connections; 0 for
            never.
        check_memory: refuse to start if less memory is available than estimated.
        table: table in which the search looks up the cell that it would derive, after every epoch:
            nasbench201:FILE, a CSV of architectures and their accuracies.
        train_preset: preset with which 'autodas train' trains the resulting network by default.
        quiet: print no progress.
        json: print the result as JSON.
    """

    data: DataConfig
    space: SearchSpaceConfig = field(default_factory=SearchSpaceConfig)
    strategy: StrategyChoice = field(default_factory=StrategyChoice)
    finalists: FinalistsSettings = field(default_factory=FinalistsSettings)
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    epochs: int = 50
    batch_size: int = 64
    micro_batches: int = 1
    optim: OptimSettings = field(default_factory=OptimSettings)
    supernet: SupernetSettings = field(default_factory=SupernetSettings)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    stop_at_skips: int = 0
    seed: int = 0
    checkpoint_every: int = 0
    tensorboard: bool = True
    table: str | None = None
    train_preset: str | None = None
    run: str | None = transient(None)
    resume: str = transient("never")
    overwrite: bool = transient(False)
    dry_run: bool = transient(False)
    check_memory: bool = transient(True)
    quiet: bool = transient(False)
    json: bool = transient(False)


_COMMON = (
    *("data.name", "data.task", "data.subset", "strategy.name", "space.name", "epochs", "batch_size"),
    *("budget.parameters", "budget.multiply_adds", "budget.table", "budget.limit"),
    *("compute.device", "seed", "run", "resume", "overwrite", "dry_run"),
)

USAGES = (Usage("search", SearchConfig, presets="search", common=_COMMON),)


def run(argv: list[str]) -> int:
    """Run the command."""
    words = resumed_words(argv)
    config = USAGES[0].parse(words)
    for preset in [] if config.quiet else peek(words, "preset"):
        name = config.strategy.name
        if own := presets_of_method("search", name, preset):
            note = f"{name} has presets of its own ({', '.join(own)}); {preset} is another method's"
            print(note_line(note), file=sys.stderr)
    config = replace(config, budget=with_network_of_table(config.budget))
    if config.dry_run:
        _dry_run(config)
        return 0
    folder, result, foretold = run_search(config)
    facts = {
        "run": str(folder.path),
        "genotype": str(folder.path / GENOTYPE),
        "accuracies": result.accuracies.to_dict(),
        "margin": result.margin,
        "decisiveness": result.decisiveness and result.decisiveness.to_dict(),
    }
    if config.json:
        print_facts(facts, as_json=True)
    else:
        print("\n".join([*report(folder, result, foretold), *next_steps(folder)]))
    return 0


class Searched(NamedTuple):
    """Result of a search: run folder, result, and whether its decisions were remarked on before it."""

    folder: RunFolder
    result: SearchResult
    foretold: bool


def run_search(config: SearchConfig) -> Searched:
    """Run a search."""
    from autodas.cli._setup import (
        choose_folder,
        connect,
        open_data,
        open_folder,
        say_notes,
        tell_kernels,
        use_compute,
    )

    device = use_compute(config.compute)
    group = connect("search", config, device)
    data = config.data.name.partition(":")[0]
    # Before opening the data, since storing them may take hours.
    folder, resumed = choose_folder("search", config, f"search-{data}-{config.strategy.name}", group)
    opened = group.after_first(lambda: open_data(config.data, config.seed))
    device = _device(config, device, opened[0])
    tell_kernels(device)
    search = _search_of(config, *opened, device, folder, group, resumed)
    remarks = [] if resumed else _remarks(search.reach())
    if not resumed:
        say_notes([*_ranges(search), *remarks])
    with open_folder(folder, config, group):
        return Searched(folder, search.run(), foretold=bool(remarks))


def _ranges(search: Search) -> list[str]:
    """Return how the budget lies in the space."""
    from autodas.strategies._network_budget import cost_ranges

    return [] if search.budget is None else [each.told() for each in cost_ranges(search.space, search.budget)]


def _remarks(reach: Reach | None) -> list[str]:
    """Return a remark if the search is so short that its cell is close to a random choice."""
    remark = None if reach is None else reach.remark()
    return [] if remark is None else [remark]


def _search_of(
    config: SearchConfig,
    dataset: ImageDataset,
    augmentation: Augmentation,
    device: torch.device,
    folder: RunFolder,
    group: Group,
    resumed: bool = False,
) -> Search:
    """Return the configured search, not started yet."""
    from autodas.cli._setup import compute_of, keeping_of, say_notes
    from autodas.loop import check_space
    from autodas.report import CellPictures, can_draw
    from autodas.search import Search
    from autodas.tables import open_table

    space = _space(config.space)
    check_space(dataset, space)
    table = None if config.table is None else open_table(config.table)
    if table is not None and (note := table.note(dataset.name)) is not None:
        say_notes([note])
    pictures = CellPictures(folder.path) if can_draw() else None
    return Search(
        dataset,
        space,
        replace(config.strategy, finalists=config.finalists),
        keeping=keeping_of(config, folder, resumed, pictures, table),
        epochs=config.epochs,
        batch_size=config.batch_size,
        optim=config.optim,
        augmentation=augmentation,
        supernet=config.supernet,
        budget=budget_of(config.budget, space, dataset, group),
        stop_at_skips=config.stop_at_skips,
        seed=config.seed,
        compute=replace(
            compute_of(config, device, group), check_memory=config.check_memory and not config.dry_run
        ),
    )


def _space(config: SearchSpaceConfig) -> Space:
    from autodas.spaces import get_space

    space = get_space(config.name).with_size(config.K, config.C1, config.C2)
    return space.with_operations(config.operations)


def _device(config: SearchConfig, device: torch.device, dataset: ImageDataset) -> torch.device:
    from autodas.cli._setup import device_for
    from autodas.loop import InputShape, check_space
    from autodas.loop.tasks import task_of
    from autodas.search import SearchSize

    space, task = _space(config.space), task_of(dataset, config.optim)
    check_space(dataset, space)
    shape = InputShape.of(dataset)
    size = SearchSize(space, config.strategy, task, shape, config.batch_size, config.supernet)
    samples = config.epochs * len(dataset.train)
    return device_for(
        config.compute, device, lambda: size.work(1), samples=samples, batch_size=config.batch_size
    )


def report(folder: RunFolder, result: SearchResult, foretold: bool) -> list[str]:
    """Return the lines that are printed at the end of a search.

    Args:
        folder: the run folder.
        result: the result.
        foretold: whether remarks on its decisions have been made before the search.
    """
    from autodas.benchmark_string import benchmark_string

    accuracies, interval = result.accuracies, ""
    if accuracies.interval is not None:
        low, high = accuracies.interval
        interval = f" (95 % interval of the final network: {low:.1f} to {high:.1f} %)"
    lines = [
        f"{accuracies.task.score_words} on {accuracies.count} samples of the validation half, with the "
        f"weights of the search{interval}:",
        f"  relaxed, before derivation        {accuracies.relaxed:5.1f} %",
        f"  final network                     {accuracies.discrete:5.1f} %",
        f"  with statistics re-estimated      {accuracies.reestimated:5.1f} %",
        f"  rebuilt from genotype.json        {accuracies.rebuilt:5.1f} %  "
        f"(logits {'equal to the bit' if accuracies.rebuilt_equal else 'DIFFER'})",
    ]
    if result.decisiveness is not None:
        lines += result.decisiveness.told()
    lines += [] if foretold else [note_line(remark) for remark in result.remarks]
    if len(result.candidates) > 1 and result.chooses == "best":
        origin = next(c.origin for c in result.candidates if c.genotype == result.genotype)
        of = "candidates" if origin is None else "finalists"
        best = f"best of {len(result.candidates)} {of} on the validation half"
        lines.append(best if origin is None else f"{best}: {origin}")
    string = benchmark_string(result.genotype)
    lines += [] if string is None else [f"NAS-Bench-201: {string}"]
    lines += [] if result.table is None else result.table.told()
    lines += [each.told() for each in result.spent]
    return [*lines, f"genotype: {folder.path / GENOTYPE}"]


def next_steps(folder: RunFolder) -> list[str]:
    """Return the commands that follow a search, ready to be pasted. A training takes its options over."""
    path = str(folder.path)
    commands = (["autodas", "train", path], ["autodas", "draw", path, "-o", "cell.svg"])
    return ["next:", *(f"  {shlex.join(words)}" for words in commands)]


def _dry_run(config: SearchConfig) -> None:
    from autodas.cli._dry_run import data_facts, open_unstored, storing_facts, time_facts
    from autodas.cli._setup import connect, say_notes, use_compute
    from autodas.loop import free_memory
    from autodas.runs.folder import RunFolder
    from autodas.search import estimate_time
    from autodas.search._memory import in_words

    device = use_compute(config.compute)
    group = connect("search", config, device)
    dataset, augmentation, opening = open_unstored(config.data, config.seed)
    device = _device(config, device, dataset)
    search = _search_of(config, dataset, augmentation, device, RunFolder("nowhere"), group)
    memory, free = search.size.estimate(), free_memory(device)
    each = f" for each of {group.size} processes" if group.size > 1 else ""

    facts: dict[str, Any] = {
        **data_facts(dataset),
        **storing_facts(dataset, config.data),
        "iterations": search.iterations,
        "architectures": search.space.architectures,
        "memory_bytes": memory.total,
        "memory": f"{memory} beyond Python, torch and the {dataset.what}, in the first iterations{each}",
        "free_memory_bytes": free,
        "free_memory": "unknown" if free is None else f"{in_words(free)}{each}",
    }
    if free is None or memory.total <= free:
        facts |= time_facts(estimate_time(search), opening)
    else:
        facts["time"] = "unknown: not enough memory for a trial"
    reach = search.reach()
    if reach is not None:
        facts["reach"] = round(reach.movement, 4)
    print_facts(facts, config.json)
    say_notes([*_ranges(search), *_remarks(reach)])
