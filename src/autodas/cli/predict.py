"""``autodas predict``: classes, labels or targets of new images or videos."""

from __future__ import annotations

from dataclasses import dataclass, field

from autodas.cli import _predict_detector
from autodas.cli._along import predict_along
from autodas.cli._code import allow_code_for
from autodas.cli._detector_model import names_detector
from autodas.cli._durations import seconds_of
from autodas.cli._files import files_of
from autodas.cli._predictions import Form, Predictions
from autodas.cli._settings import ComputeConfig
from autodas.cli._trained import TEST_CLIPS, check_test_clips
from autodas.cli.config._usage import Usage
from autodas.errors import AutodasError


@dataclass(frozen=True)
class PredictConfig:
    """Print the most likely classes of new images or videos, all of their labels, or their targets.

    Args:
        model: a run folder of 'autodas train', a model.safetensors file, or a file of 'autodas export'.
        files: images or videos, or folders of them; a folder of frames is a video.
        top: number of classes for each; by default 5, or all labels above their thresholds.
        code: modules of your own, separated by commas, whose operations its genotype may name; those named in
            the configuration of its run are always allowed.
        test_clips: clips of each video, whose scores are averaged.
        test_crops: crops of each of these clips: 1 for the centre, 3 along the longer side.
        every: interval, such as 1s, 0.5s or 2min, of predictions along each video, in place of a single
            prediction for the whole video.
        value_range: values of black and white in images with more than 8 bits; by default as in training.
        json: print JSON.
        csv: print CSV.
    """

    model: str = field(metadata={"positional": True, "metavar": "RUN"})
    files: tuple[str, ...] = field(metadata={"positional": True, "metavar": "FILE", "nargs": "+"})
    top: int | None = None
    code: tuple[str, ...] = ()
    test_clips: int = TEST_CLIPS
    test_crops: int = 1
    every: str | None = None
    value_range: tuple[float, float] | None = None
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    json: bool = False
    csv: bool = False

    def __post_init__(self) -> None:
        for name in ("top", "test_clips", "test_crops"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise AutodasError(f"{name}={getattr(self, name)} must be at least 1")
        if self.json and self.csv:
            raise AutodasError("json and csv are mutually exclusive: leave one of them out")
        if self.every is not None:
            seconds_of("every", self.every)
            if self.test_clips != PredictConfig.test_clips:
                raise AutodasError("every uses one clip for each part of a video: leave out test_clips")


USAGES = (Usage("predict", PredictConfig), _predict_detector.USAGE)


def run(argv: list[str]) -> int:
    """Run the command."""
    if names_detector(argv):
        return _predict_detector.run(argv)
    config = USAGES[0].parse(argv)
    allow_code_for(config.code, config.model)
    import torch

    from autodas.cli._setup import use_compute
    from autodas.export import open_model

    device = use_compute(config.compute)
    network, facts = open_model(config.model)
    network.to(device)
    form: Form = "json" if config.json else "csv" if config.csv else "text"
    unreadable = 0
    check_test_clips(facts.clips is not None, config.test_clips, config.test_crops)
    paths = files_of(config.files, videos=facts.clips is not None)
    if config.every is not None:
        if facts.clips is None:
            raise AutodasError(f"{config.model}: its network is for images, but --every is for videos")
        every, crops = seconds_of("every", config.every), config.test_crops
        return predict_along(
            network, facts, paths, every=every, crops=crops, top=config.top, form=form, device=device
        )
    with Predictions(facts.task, form, len(paths)) as printed:
        for path in paths:
            printed.advance()
            try:
                views = facts.preprocess(
                    path, clips=config.test_clips, crops=config.test_crops, value_range=config.value_range
                )
            except AutodasError as error:
                # One broken file must not cost the answers for the others.
                printed.passed(f"autodas: skipped: {error}")
                unreadable += 1
                continue
            with torch.no_grad():
                outputs = network(views.to(device))
            printed.add(path, facts.task.predict(outputs, config.top))
    if not printed.count:
        raise AutodasError("none of the files could be read")
    return 2 if unreadable else 0
