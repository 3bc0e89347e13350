"""Configuration of trainings for detection, and whether a command line is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeVar

from autodas.cli._settings import ComputeConfig, SkeletonConfig
from autodas.cli.config._arguments import peek
from autodas.cli.config._layers import read_documents
from autodas.data_options import transient
from autodas.detection_options import BoxAugmentation, BoxDataOptions, BoxTestOptions, DetectorSettings
from autodas.errors import AutodasError
from autodas.settings import AdamWSettings, EvaluationPlan

T = TypeVar("T")

DETECTION = "detection"


def trains_detector(words: Sequence[str]) -> bool:
    """Return whether the words of ``autodas train`` mean detection: by option, configuration or preset."""
    named = peek(words, "task")
    if not named:
        contents = [document.content for document in read_documents(words, "train")]
        named = [content["task"] for content in contents if isinstance(content.get("task"), str)]
    return named[-1:] == [DETECTION]


@dataclass(frozen=True, kw_only=True)
class BoxTestDataConfig(BoxTestOptions):
    """The images with boxes to test on.

    Args:
        name: voc:PATH, a folder in the layout of Pascal VOC, or coco:PATH, one in that of COCO.
        workers: threads that read images ahead.
    """

    name: str
    workers: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.workers < 0:
            raise AutodasError(f"workers={self.workers} must be at least 0")

    @property
    def options(self) -> BoxTestOptions:
        """Options for :func:`autodas.detection.open_test_boxes`."""
        return _part_of(self, BoxTestOptions)


@dataclass(frozen=True, kw_only=True)
class BoxDataConfig(BoxTestDataConfig, BoxDataOptions, BoxAugmentation):
    """The images with boxes, and their augmentation.

    Args:
        image_size: side of the square to which images are stretched, in pixels, a multiple of the largest of
            the detector's strides.
    """

    image_size: int = 640

    def __post_init__(self) -> None:
        super().__post_init__()
        BoxAugmentation.__post_init__(self)
        if self.image_size < 1:
            raise AutodasError(f"image_size={self.image_size} must be at least 1")

    @property
    def options(self) -> BoxDataOptions:
        """Options for :func:`autodas.detection.open_boxes`."""
        return _part_of(self, BoxDataOptions)

    @property
    def augmentation(self) -> BoxAugmentation:
        """Augmentation of training images."""
        return _part_of(self, BoxAugmentation)


def _part_of(config: Any, kind: type[T]) -> T:
    """Return the settings of one of the classes that a configuration is made of."""
    return kind(**{each.name: getattr(config, each.name) for each in fields(kind)})  # type: ignore[arg-type]


@dataclass(frozen=True)
class DetectorTrainConfig:
    """Train a detector (RT-DETR) around the network of a genotype, and test it.

    Args:
        genotype: a genotype file, a run folder of a search, a name from the zoo, or timm:NAME, all with new
            weights; or a run folder of a training, or a model file, whose weights and skeleton are kept.
        code: modules of your own, separated by commas, whose operations the genotype may name; those named in
            the configuration of a run are always allowed.
        task: detection.
        epochs: number of epochs.
        batch_size: images in each gradient step.
        micro_batches: number of parts in which each batch is computed, one after the other, to save memory;
            each part counts by its images, and its losses by its own boxes.
        validation: share of the training images to hold out; the best epoch on them is tested.
        test_every: also evaluate on the test images every so many epochs, for curves; the run is marked
            accordingly.
        seed: seed of all random numbers.
        checkpoint_every: epochs between checkpoints.
        tensorboard: write TensorBoard files if tensorboard is installed.
        run: run folder; by default a new one under runs/.
        resume: resume the run in this folder; auto resumes the run in --run, if any.
        overwrite: replace the run in --run.
        quiet: print no progress.
        json: print the result as JSON.
    """

    genotype: str = field(metadata={"positional": True})
    data: BoxDataConfig
    task: Literal["detection"] = "detection"
    # That for large images, whose maps have the strides of detectors.
    skeleton: SkeletonConfig = field(default_factory=lambda: SkeletonConfig(name="imagenet"))
    code: tuple[str, ...] = ()
    detector: DetectorSettings = field(default_factory=DetectorSettings)
    epochs: int = 72
    batch_size: int = 16
    micro_batches: int = 1
    optim: AdamWSettings = field(default_factory=AdamWSettings)
    validation: float = 0.0
    test_every: int = 0
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    seed: int = 0
    checkpoint_every: int = 1
    tensorboard: bool = True
    run: str | None = transient(None)
    resume: str = transient("never")
    overwrite: bool = transient(False)
    quiet: bool = transient(False)
    json: bool = transient(False)

    def __post_init__(self) -> None:
        self.detector.check_image_size(self.data.image_size)
        check_compute(self.compute)
        _ = self.evaluation  # reject invalid values before the data are read

    @property
    def evaluation(self) -> EvaluationPlan:
        """Validation share, and epochs of the test."""
        return EvaluationPlan(self.validation, test_every=self.test_every)


def check_compute(config: ComputeConfig) -> None:
    """Raise AutodasError for settings that have no effect on detectors."""
    for name in ("precision", "graphs"):
        value = getattr(config, name)
        if value != getattr(ComputeConfig, name):
            raise AutodasError(f"compute.{name}={value} is not for detectors: leave it out")
