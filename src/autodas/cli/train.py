"""``autodas train``: train the network of a genotype from scratch, and test it."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from autodas.cli import _train_detector
from autodas.cli._code import allow_code_for
from autodas.cli._detector_settings import trains_detector
from autodas.cli._output import print_facts
from autodas.cli._resume import resumed_words
from autodas.cli._searched import words_of_run
from autodas.cli._settings import ComputeConfig, DataConfig, SkeletonConfig, transient
from autodas.cli._trained import TEST_CLIPS, check_test_clips
from autodas.cli.config._usage import Usage
from autodas.errors import AutodasError
from autodas.flags import note_line
from autodas.runs.folder import MODEL
from autodas.settings import EmbeddingSettings, EvaluationPlan, OptimSettings, TeacherSettings

if TYPE_CHECKING:
    import torch

    from autodas.data import Augmentation, ImageDataset
    from autodas.loop import Group
    from autodas.loop.tasks import Task
    from autodas.networks import Blueprint
    from autodas.runs.folder import RunFolder
    from autodas.training.recipe import Training


@dataclass(frozen=True)
class TrainConfig:
    """Train the network of a genotype on all training samples, and test the weights of the last epoch once.

    A genotype from a run folder is trained on the data of that run, unless --data names others. The result of
    a search is trained with the preset that matches that of the search, unless --preset names another.

    Args:
        genotype: a genotype file, a run folder, a name from the zoo, a string of NAS-Bench-201, or a
            hand-crafted network such as resnet50-3d, which has no skeleton, drop path or auxiliary head.
        width: channels of a hand-crafted network, as a fraction of the published ones; 0.25 by default.
        code: modules of your own, separated by commas, whose operations the genotype may name; those named in
            the configuration of a run are always allowed.
        epochs: number of epochs.
        batch_size: samples in each gradient step.
        micro_batches: number of parts in which each batch is computed, one after the other, to save memory.
        drop_path: final rate of drop path; it rises linearly from 0.
        auxiliary: add the auxiliary head if the feature maps are large enough.
        auxiliary_weight: weight of the auxiliary head's loss.
        weights: a trained network to start from, as a run folder or a model file; networks for images can
            initialise networks for videos.
        test_clips: clips of each test video, whose scores are averaged.
        test_crops: crops of each of these clips: 1 for the centre, 3 along the longer side.
        validation: share of the training samples to hold out; the best epoch on them is tested.
        test_every: also evaluate on the test samples every so many epochs, for curves; the run is marked
            accordingly.
        seed: seed of all random numbers.
        checkpoint_every: epochs between checkpoints.
        tensorboard: write TensorBoard files if tensorboard is installed.
        run: run folder; by default a new one under runs/.
        resume: resume the run in this folder; auto resumes the run in --run, if any.
        overwrite: replace the run in --run.
        dry_run: estimate time with a few iterations, then stop; nothing is written.
        quiet: print no progress.
        json: print the result as JSON.
    """

    genotype: str = field(metadata={"positional": True})
    data: DataConfig
    skeleton: SkeletonConfig = field(default_factory=SkeletonConfig)
    width: float | None = None
    code: tuple[str, ...] = ()
    epochs: int = 600
    batch_size: int = 96
    micro_batches: int = 1
    optim: OptimSettings = field(default_factory=OptimSettings)
    drop_path: float = 0.0
    auxiliary: bool = True
    auxiliary_weight: float = 0.4
    embedding: EmbeddingSettings = field(default_factory=EmbeddingSettings)
    teacher: TeacherSettings = field(default_factory=TeacherSettings)
    weights: str | None = None
    test_clips: int = TEST_CLIPS
    test_crops: int = 1
    validation: float = 0.0
    test_every: int = 0
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    seed: int = 0
    checkpoint_every: int = 1
    tensorboard: bool = True
    run: str | None = transient(None)
    resume: str = transient("never")
    overwrite: bool = transient(False)
    dry_run: bool = transient(False)
    quiet: bool = transient(False)
    json: bool = transient(False)

    def __post_init__(self) -> None:
        if self.teacher.name is None and self.teacher != TeacherSettings():
            raise AutodasError("`teacher.weight` and `teacher.temperature` need a `teacher`")
        _ = self.evaluation  # reject invalid values before the data are read

    @property
    def evaluation(self) -> EvaluationPlan:
        """Validation share, and clips, crops and epochs of the test."""
        return EvaluationPlan(self.validation, self.test_clips, self.test_crops, self.test_every)


_COMMON = (
    *("data.name", "data.task", "data.subset", "weights", "epochs", "batch_size", "optim.lr", "validation"),
    *("compute.device", "seed", "run", "resume", "overwrite", "dry_run"),
)

USAGES = (Usage("train", TrainConfig, presets="train", common=_COMMON), _train_detector.USAGE)


def run(argv: list[str]) -> int:
    """Run the command."""
    words = resumed_words(argv)
    if trains_detector(words):
        return _train_detector.run(words)
    taken_over = words_of_run(TrainConfig, words)
    config = USAGES[0].parse([*taken_over, *words])
    allow_code_for(config.code, config.weights)
    if taken_over and not config.quiet:
        print(f"options from {config.genotype}: {shlex.join(taken_over)}", file=sys.stderr)
    if config.dry_run:
        _dry_run(config)
        return 0
    folder, summary, task = run_train(config)
    if config.json:
        print_facts({"run": str(folder.path), **summary}, as_json=True)
        return 0
    if config.test_every:
        print(f"note: test {task.score_words} was monitored during training (--test-every)")
    print(task.result_line(summary["test"]))
    for remark in summary["remarks"]:
        print(note_line(remark))
    print(f"weights: {folder.path / MODEL}")
    path = shlex.quote(str(folder.path))
    print(f"next:\n  autodas report {path}\n  autodas predict {path} FILE ...")
    return 0


class Trained(NamedTuple):
    """Result of a training: run folder, summary and task."""

    folder: RunFolder
    summary: dict[str, Any]
    task: Task[Any]


def run_train(config: TrainConfig) -> Trained:
    """Run a training."""
    from autodas.cli._setup import (
        choose_folder,
        connect,
        open_data,
        open_folder,
        say_notes,
        tell_kernels,
        use_compute,
    )
    from autodas.loop import changed_since
    from autodas.runs.folder import RunFolder

    blueprint = _blueprint(config)
    device = use_compute(config.compute)
    group = connect("train", config, device)
    data = config.data.name.partition(":")[0]
    # Before opening the data, since storing them may take hours.
    folder, resumed = choose_folder("train", config, f"train-{data}-{blueprint.name or 'network'}", group)
    dataset, augmentation = group.after_first(lambda: open_data(config.data, config.seed))
    note = changed_since(RunFolder(config.genotype), dataset)
    if note is not None:
        say_notes([note])
        dataset = replace(dataset, notes=(*dataset.notes, note))
    device = _device(config, device, blueprint, dataset)
    tell_kernels(device)
    training = _training_of(config, blueprint, dataset, augmentation, device, folder, group, resumed)
    with open_folder(folder, config, group):
        return Trained(folder, training.run(), training.task)


def _device(
    config: TrainConfig, device: torch.device, blueprint: Blueprint, dataset: ImageDataset
) -> torch.device:
    from autodas.cli._setup import device_for

    def cost() -> int:
        network = blueprint.profile(
            classes=len(dataset.classes),
            channels=dataset.channels,
            image_size=dataset.image_size,
            frames=dataset.frames,
        )
        return network.multiply_adds

    samples = config.epochs * len(dataset.train)
    return device_for(config.compute, device, cost, samples=samples, batch_size=config.batch_size)


def _blueprint(config: TrainConfig) -> Blueprint:
    from autodas.cli._blueprint import blueprint_of

    return blueprint_of(config.genotype, config.skeleton, config.width)


def _training_of(
    config: TrainConfig,
    blueprint: Blueprint,
    dataset: ImageDataset,
    augmentation: Augmentation,
    device: torch.device,
    folder: RunFolder,
    group: Group,
    resumed: bool = False,
) -> Training:
    """Return the configured training, not started yet."""
    from autodas.cli._setup import compute_of, keeping_of
    from autodas.training.fit import Regularisation
    from autodas.training.recipe import Training
    from autodas.training.teacher import Distillation, open_teacher

    check_test_clips(dataset.clips is not None, config.test_clips, config.test_crops)
    distillation = None
    if config.teacher.name is not None:
        distillation = Distillation(open_teacher(config.teacher.name, dataset), config.teacher)
    return Training(
        blueprint,
        dataset,
        keeping=keeping_of(config, folder, resumed),
        epochs=config.epochs,
        batch_size=config.batch_size,
        optim=config.optim,
        augmentation=augmentation,
        regularisation=Regularisation(config.drop_path, config.auxiliary, config.auxiliary_weight),
        distillation=distillation,
        embedding=config.embedding,
        evaluation=config.evaluation,
        weights=config.weights,
        seed=config.seed,
        compute=compute_of(config, device, group),
    )


def _dry_run(config: TrainConfig) -> None:
    from autodas.cli._dry_run import data_facts, open_unstored, storing_facts, time_facts
    from autodas.cli._setup import connect, use_compute
    from autodas.loop import used_memory
    from autodas.runs.folder import RunFolder

    blueprint, device = _blueprint(config), use_compute(config.compute)
    group = connect("train", config, device)
    dataset, augmentation, opening = open_unstored(config.data, config.seed)
    device = _device(config, device, blueprint, dataset)
    training = _training_of(config, blueprint, dataset, augmentation, device, RunFolder("nowhere"), group)
    estimate = training.estimate_time()
    cost, memory = training.facts.profile(), used_memory(device)
    facts = {
        **data_facts(dataset),
        **storing_facts(dataset, config.data),
        "iterations": training.fit.iterations,
        "parameters": cost.parameters,
        "multiply_adds": cost.multiply_adds,
        "memory_bytes": memory,
        "memory": "unknown" if memory is None else f"{memory / 2**20:,.0f} MiB in all, after some iterations",
        **time_facts(estimate, opening),
    }
    print_facts(facts, config.json)
