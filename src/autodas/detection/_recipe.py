"""Recipe from a network and images with boxes to a tested detector in a run folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autodas.backbones import Resolved
from autodas.data.augmentation._random import SPLIT, permutation
from autodas.detection._detector import TIMM, TimmBackbone
from autodas.detection._file import DetectorFacts, save_detector
from autodas.detection._fit import DetectorFit, evaluate_detector
from autodas.detection._images import AnnotatedImage
from autodas.detection._loader import BoxLoader
from autodas.detection._metrics import DetectionEvaluation
from autodas.detection._open import DetectionDataset
from autodas.detection._pixels import CHANNELS, Pixels, colour_of
from autodas.detection._task import Detection
from autodas.detection_options import BoxAugmentation, DetectorSettings
from autodas.errors import AutodasError
from autodas.limits import MOST_THREADS
from autodas.loop import (
    FOR_A_THREAD,
    Compute,
    Keeping,
    check_same_data,
    explain_out_of_memory,
    seed_everything,
    use_single_precision,
    write_data,
    write_environment,
)
from autodas.networks import CellBlueprint
from autodas.optional_imports import import_optional
from autodas.runs.folder import GENOTYPE, MODEL, SUMMARY
from autodas.settings import AdamWSettings, EvaluationPlan


class DetectorTraining:
    """Training of a detector around a network, and its test; :meth:`run` does both.

    All training images are used, and the last epoch's weights are tested, unless the evaluation plan holds
    some out for validation: then the best epoch on those is tested.

    Args:
        network: a reference resolved by :func:`autodas.backbones.resolve`, whose weights are kept if it is
            trained, or a network of timm with new weights.
        dataset: images with boxes to train and to test on.
        keeping: what is kept of the run; :meth:`run` requires its folder to exist.
        epochs: number of epochs.
        settings: sizes of the detector.
        image_size: side of the square to which images are stretched.
        batch_size: images in each step.
        optim: settings of the optimiser.
        augmentation: augmentation of training images.
        evaluation: images held out, and how often the test images are evaluated.
        seed: seed of all random numbers.
        compute: where to compute, in single precision and by one process.

    Raises:
        AutodasError: if the arguments do not fit together, or a library is missing; nothing has been written
            then.
    """

    def __init__(
        self,
        network: Resolved | TimmBackbone,
        dataset: DetectionDataset,
        *,
        keeping: Keeping,
        epochs: int,
        settings: DetectorSettings | None = None,
        image_size: int = 640,
        batch_size: int = 16,
        optim: AdamWSettings | None = None,
        augmentation: BoxAugmentation | None = None,
        evaluation: EvaluationPlan | None = None,
        seed: int = 0,
        compute: Compute | None = None,
    ) -> None:
        settings, evaluation = settings or DetectorSettings(), evaluation or EvaluationPlan()
        compute = (compute or Compute()).placed()
        _check_compute(compute)
        settings.check_image_size(image_size)
        import_optional("faster_coco_eval", "detection")
        self.dataset, self.keeping, self.folder, self.seed = dataset, keeping, keeping.folder, seed
        if keeping.resume:
            check_same_data(self.folder, dataset)
        trained = None if isinstance(network, TimmBackbone) else network.trained
        if settings.frozen_norm and trained is None:
            raise AutodasError("frozen_norm is for trained networks: new weights need their normalisation")
        self.notes = _notes(dataset, settings)
        seed_everything(seed)
        use_single_precision()
        held_out, used = _divided(dataset.train, evaluation.validation, seed)
        self.trained_on = len(used)
        pixels = Pixels(dataset.train)
        mean, std = colour_of(pixels)
        if trained is not None and trained.facts.channels == CHANNELS:
            # The weights are used to them.
            mean, std = trained.facts.mean, trained.facts.std
        blueprint = network if isinstance(network, TimmBackbone) else network.blueprint
        self.facts = DetectorFacts(blueprint, settings, dataset.classes, image_size, mean, std)
        self.detector = self.facts.build()
        if trained is not None:
            self.detector.load_network(trained.file)
            self.notes.append(f"weights of {trained.file}")
        self.detector.to(compute.place)
        self.detector.use_compiled_kernels()

        def loader(
            images: Sequence[AnnotatedImage], pixels: Pixels, own: BoxAugmentation | None
        ) -> BoxLoader:
            return BoxLoader(
                images,
                pixels,
                batch_size=batch_size,
                image_size=image_size,
                mean=mean,
                std=std,
                seed=seed,
                augmentation=own,
                device=compute.place,
                workers=compute.workers,
            )

        self.test = loader(dataset.test, Pixels(dataset.test), None)
        self.task = Detection(dataset.classes)
        self.fit = DetectorFit(
            self.detector,
            loader(used, pixels.some(used), augmentation or BoxAugmentation()),
            self.task,
            epochs=epochs,
            optim=optim or AdamWSettings(),
            keeping=keeping,
            compute=compute,
            validation=loader(held_out, pixels.some(held_out), None) if held_out else None,
            watched=self.test if evaluation.test_every else None,
            watch_every=evaluation.test_every,
        )

    def run(self) -> dict[str, Any]:
        """Train, test and write the run folder; return the summary as in ``summary.json``.

        Raises:
            AutodasError: if the loss is not finite, the disk is full, or memory runs out.
        """
        with self.fit.compute.threaded(_work):
            return self._run()

    def _run(self) -> dict[str, Any]:
        start = {
            "data": self.dataset.name,
            "task": self.task.name,
            "genotype": self.name,
            "classes": len(self.dataset.classes),
            "pictures": {"train": self.trained_on, "test": len(self.dataset.test)},
            "input": {"image_size": self.facts.image_size, "channels": CHANNELS},
            "test_watched": self.fit.watched is not None,
            "notes": self.dataset.notes,
        }
        if not self.keeping.resume:
            write_environment(self.folder, self.fit.device)
            write_data(self.folder, self.dataset)
            if isinstance(self.facts.network, CellBlueprint):
                self.folder.write(GENOTYPE, self.facts.network.genotype.to_json())
        with explain_out_of_memory(lambda: "less is needed with a smaller `batch_size` or `data.image_size`"):
            self.fit.run(start, self.notes)
            quiet, classes = self.keeping.quiet, self.dataset.classes
            evaluation = evaluate_detector(self.detector, self.test, classes, quiet)
        return self._write(evaluation)

    @property
    def name(self) -> str:
        """Name of the network."""
        network = self.facts.network
        return f"{TIMM}{network.name}" if isinstance(network, TimmBackbone) else network.name

    def _write(self, evaluation: DetectionEvaluation) -> dict[str, Any]:
        """Write the detector and the result; return the summary."""
        save_detector(self.folder.path / MODEL, self.detector, self.facts)
        summary = {
            "command": "train",
            "task": self.task.name,
            "genotype": self.name,
            "data": self.dataset.name,
            "epochs": self.fit.epochs,
            "best_epoch": self.fit.best.get("epoch"),
            "parameters": sum(weight.numel() for weight in self.detector.parameters()),
            "network_parameters": self.detector.network_parameters,
            "test_watched": self.fit.watched is not None,
            "test": evaluation.summary(),
            "remarks": self.task.remarks(evaluation),
        }
        self.folder.write_json(SUMMARY, summary)
        return summary


def _check_compute(compute: Compute) -> None:
    if compute.group.size > 1:
        raise AutodasError("detectors are trained by a single process: start it without torchrun")
    if compute.precision != "fp32":
        raise AutodasError("detectors are trained in single precision: leave out `compute.precision`")


def _work() -> int:
    """Return work for all threads: the images of detectors are large."""
    return FOR_A_THREAD * MOST_THREADS


def _divided(
    images: Sequence[AnnotatedImage], share: float, seed: int
) -> tuple[list[AnnotatedImage], list[AnnotatedImage]]:
    """Return the images that are held out, and the others."""
    count = round(share * len(images))
    if share and not 0 < count < len(images):
        raise AutodasError(
            f"validation={share} of {len(images)} images is none or all of them: choose another share"
        )
    held_out = set(permutation(len(images), SPLIT, seed, 0)[:count].tolist())
    return (
        [image for number, image in enumerate(images) if number in held_out],
        [image for number, image in enumerate(images) if number not in held_out],
    )


def _notes(dataset: DetectionDataset, settings: DetectorSettings) -> list[str]:
    most = max(len(image.boxes) for image in (*dataset.train, *dataset.test))
    if most <= settings.queries:
        return []
    return [
        f"some images have {most} boxes, but at most {settings.queries} can be found in one: raise "
        "`detector.queries`"
    ]
