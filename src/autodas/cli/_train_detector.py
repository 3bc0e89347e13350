"""``autodas train --task detection``: train a detector around the network of a genotype."""

from __future__ import annotations

import shlex
from dataclasses import fields
from typing import TYPE_CHECKING

from autodas.cli._code import allow_code_for
from autodas.cli._detector_settings import DetectorTrainConfig
from autodas.cli._output import print_facts
from autodas.cli._settings import SkeletonConfig
from autodas.cli.config._arguments import peek
from autodas.cli.config._usage import Usage
from autodas.errors import AutodasError
from autodas.flags import note_line
from autodas.launched import process_count
from autodas.runs.folder import MODEL

if TYPE_CHECKING:
    from autodas.backbones import Resolved
    from autodas.detection import TimmBackbone


_COMMON = (
    *("data.name", "task", "data.image_size", "epochs", "batch_size", "optim.lr", "validation"),
    *("compute.device", "seed", "run", "resume", "overwrite"),
)

USAGE = Usage("train", DetectorTrainConfig, presets="train", given="--task detection", common=_COMMON)


def run(words: list[str]) -> int:
    """Run the command, given its words with ``--resume`` expanded."""
    config = USAGE.parse(words)
    if process_count() > 1:
        raise AutodasError("detectors are trained by a single process: start it without torchrun")
    allow_code_for(config.code, config.genotype)
    from autodas.cli._setup import choose_folder, open_folder, say_notes, use_compute
    from autodas.detection import Detection, DetectorTraining, TimmBackbone, open_boxes
    from autodas.loop import ALONE, Compute, Keeping

    network = _network(config, words)
    name = network.name if isinstance(network, TimmBackbone) else network.blueprint.name
    device = use_compute(config.compute)
    kind = config.data.name.partition(":")[0]
    folder, resumed = choose_folder("train", config, f"detection-{kind}-{name or 'network'}")
    dataset = open_boxes(config.data.name, config.data.options)
    say_notes(dataset.notes)
    training = DetectorTraining(
        network,
        dataset,
        keeping=Keeping(folder, config.checkpoint_every, resumed, config.tensorboard, quiet=config.quiet),
        epochs=config.epochs,
        settings=config.detector,
        image_size=config.data.image_size,
        batch_size=config.batch_size,
        optim=config.optim,
        augmentation=config.data.augmentation,
        evaluation=config.evaluation,
        seed=config.seed,
        compute=Compute(device, micro_batches=config.micro_batches, workers=config.data.workers),
    )
    with open_folder(folder, config, ALONE):
        summary = training.run()
    if config.json:
        print_facts({"run": str(folder.path), **summary}, as_json=True)
        return 0
    if config.test_every:
        print("note: the metrics of the test were monitored during training (--test-every)")
    print(Detection(dataset.classes).result_line(summary["test"]))
    for remark in summary["remarks"]:
        print(note_line(remark))
    print(f"weights: {folder.path / MODEL}")
    path = shlex.quote(str(folder.path))
    print(f"next:\n  autodas report {path}\n  autodas predict {path} FILE ... --draw FOLDER")
    return 0


def _network(config: DetectorTrainConfig, words: list[str]) -> Resolved | TimmBackbone:
    """Return the network: one of timm, a trained one, or that of a genotype in the skeleton."""
    from autodas.backbones import Resolved, is_trained, resolve
    from autodas.cli._blueprint import blueprint_of
    from autodas.detection import TIMM, TimmBackbone

    timm = config.genotype.startswith(TIMM)
    if not timm and not is_trained(config.genotype):
        return Resolved(blueprint_of(config.genotype, config.skeleton, None))
    # That of a preset is for genotypes.
    for name in ("skeleton", *(f"skeleton.{each.name}" for each in fields(SkeletonConfig))):
        if peek(words, name):
            raise AutodasError(f"{name} is for genotypes, but {config.genotype} has its own: leave it out")
    return TimmBackbone(config.genotype.removeprefix(TIMM)) if timm else resolve(config.genotype)
