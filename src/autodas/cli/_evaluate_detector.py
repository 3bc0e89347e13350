"""``autodas evaluate`` for a detector: the metrics of COCO on test images."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autodas.cli._code import allow_code_for
from autodas.cli._detector_settings import BoxTestDataConfig, check_compute
from autodas.cli._output import print_facts, unseen_first
from autodas.cli._settings import ComputeConfig
from autodas.cli.config._usage import Usage
from autodas.errors import AutodasError
from autodas.flags import note_line

if TYPE_CHECKING:
    from autodas.detection import DetectionDataset, Prediction


@dataclass(frozen=True)
class DetectorEvaluateConfig:
    """Evaluate a trained detector on the test images of a data set.

    Args:
        model: a run folder of 'autodas train --task detection', or a model.safetensors file.
        code: modules of your own, separated by commas, whose operations its genotype may name; those named in
            the configuration of its run are always allowed.
        batch_size: images per batch.
        json: print JSON.
    """

    model: str = field(metadata={"positional": True, "metavar": "RUN"})
    data: BoxTestDataConfig
    code: tuple[str, ...] = ()
    batch_size: int = 16
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    json: bool = False

    def __post_init__(self) -> None:
        check_compute(self.compute)
        if self.batch_size < 1:
            raise AutodasError(f"batch_size={self.batch_size} must be at least 1")


USAGE = Usage("evaluate", DetectorEvaluateConfig, given="with a detector")


def run(argv: list[str]) -> int:
    """Run the command."""
    config = USAGE.parse(argv)
    allow_code_for(config.code, config.model)
    from autodas.cli._setup import say_notes, use_compute
    from autodas.detection import (
        BoxLoader,
        Detection,
        Pixels,
        coco_metrics,
        find_boxes,
        load_detector,
        open_test_boxes,
    )

    device = use_compute(config.compute)
    detector, facts = load_detector(config.model)
    dataset = open_test_boxes(config.data.name, facts.classes, config.data.options)
    loader = BoxLoader(
        dataset.test,
        Pixels(dataset.test),
        batch_size=config.batch_size,
        image_size=facts.image_size,
        mean=facts.mean,
        std=facts.std,
        device=device,
        workers=config.data.workers,
    )
    predictions = find_boxes(detector.to(device), loader)
    found = coco_metrics(dataset.test, predictions, facts.classes)
    unseen = _unseen(config.model, dataset, predictions)
    notes = list(dataset.notes)
    if unseen:
        notes.append(
            f"{unseen['trained_on']} of {found.count} images were used to train {config.model}"
            + (": results are first those of the others" if "unseen" in unseen else "")
        )
    say_notes(notes)
    told = {"model": config.model, "data": config.data.name, **found.summary(), **unseen}
    print_facts(told if config.json else unseen_first(told), config.json)
    if not config.json:
        print("".join(f"{note_line(remark)}\n" for remark in Detection(facts.classes).remarks(found)), end="")
    return 0


def _unseen(model: str, dataset: DetectionDataset, predictions: list[Prediction]) -> dict[str, Any]:
    """Return the number of images the detector was trained on, and its metrics on the others."""
    from autodas.detection import coco_metrics
    from autodas.loop import trained_on
    from autodas.runs.folder import RunFolder

    folder = Path(model)
    seen = trained_on(RunFolder(folder.parent if os.path.isfile(folder) else folder), dataset)
    if not seen.any():
        return {}
    facts: dict[str, Any] = {"trained_on": int(seen.sum())}
    others = [number for number, known in enumerate(seen.tolist()) if not known]
    if not others:
        return facts
    images = [dataset.test[number] for number in others]
    alone = coco_metrics(images, [predictions[number] for number in others], dataset.classes)
    return facts | {"unseen": alone.summary()}
