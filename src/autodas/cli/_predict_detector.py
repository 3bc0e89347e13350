"""``autodas predict`` for a detector: boxes found in new images."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autodas.cli._code import allow_code_for
from autodas.cli._detector_settings import check_compute
from autodas.cli._files import files_of
from autodas.cli._predictions import Form, Predictions
from autodas.cli._settings import ComputeConfig
from autodas.cli.config._usage import Usage
from autodas.errors import AutodasError

if TYPE_CHECKING:
    from autodas.detection import Prediction


@dataclass(frozen=True)
class DetectorPredictConfig:
    """Print the boxes found in new images, and draw them.

    Args:
        model: a run folder of 'autodas train --task detection', or a model.safetensors file.
        files: images, or folders of them.
        score: lowest score of a box, in [0, 1].
        top: largest number of boxes in each image, those with the highest scores.
        draw: folder for copies of the images with the boxes drawn, as PNG.
        code: modules of your own, separated by commas, whose operations its genotype may name; those named in
            the configuration of its run are always allowed.
        json: print JSON.
        csv: print CSV.
    """

    model: str = field(metadata={"positional": True, "metavar": "RUN"})
    files: tuple[str, ...] = field(metadata={"positional": True, "metavar": "FILE", "nargs": "+"})
    score: float = 0.5
    top: int = 100
    draw: str | None = None
    code: tuple[str, ...] = ()
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    json: bool = False
    csv: bool = False

    def __post_init__(self) -> None:
        check_compute(self.compute)
        if not 0 <= self.score <= 1:
            raise AutodasError(f"score={self.score} must lie in [0, 1]")
        if self.top < 1:
            raise AutodasError(f"top={self.top} must be at least 1")
        if self.json and self.csv:
            raise AutodasError("json and csv are mutually exclusive: leave one of them out")


USAGE = Usage("predict", DetectorPredictConfig, given="with a detector")


def run(argv: list[str]) -> int:
    """Run the command."""
    config = USAGE.parse(argv)
    allow_code_for(config.code, config.model)
    import torch

    from autodas.cli._setup import use_compute
    from autodas.detection import Detection, draw_boxes, load_detector, read_pixels

    device = use_compute(config.compute)
    detector, facts = load_detector(config.model)
    detector.to(device)
    form: Form = "json" if config.json else "csv" if config.csv else "text"
    paths = files_of(config.files, videos=False)
    drawings = _drawings(config.draw, paths)
    unreadable = 0
    with Predictions(Detection(facts.classes), form, len(paths), key="boxes") as printed:
        for path in paths:
            printed.advance()
            try:
                image = read_pixels(str(path))
            except AutodasError as error:
                # One broken file must not cost the answers for the others.
                printed.passed(f"autodas: skipped: {error}")
                unreadable += 1
                continue
            with torch.no_grad():
                found = detector(facts.preprocess(image).to(device), config.top).prediction(0, image.size)
            found = found.some(found.scores >= config.score)
            printed.add(path, _boxes(found, facts.classes))
            if path in drawings:
                _save(draw_boxes(image, found, facts.classes), drawings[path])
    if not printed.count:
        raise AutodasError("none of the files could be read")
    return 2 if unreadable else 0


def _boxes(found: Prediction, classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return boxes as they are printed."""
    edges = ("left", "top", "right", "bottom")
    return [
        {"class": classes[label], "score": score, **dict(zip(edges, box, strict=True))}
        for label, score, box in zip(
            found.labels.tolist(), found.scores.tolist(), found.boxes.tolist(), strict=True
        )
    ]


def _drawings(folder: str | None, paths: list[Path]) -> dict[Path, Path]:
    """Return the file for the drawing of each image, and create the folder.

    Raises:
        AutodasError: if it cannot be created, or a drawing would replace one of the images.
    """
    if folder is None:
        return {}
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise AutodasError(f"{folder}: cannot be created: {error.strerror}") from error
    drawings: dict[Path, Path] = {}
    taken: set[Path] = set()
    for path in paths:
        file, number = Path(folder) / f"{path.stem}.png", 1
        while file in taken:
            number += 1
            file = Path(folder) / f"{path.stem}-{number}.png"
        if os.path.exists(file) and any(os.path.samefile(file, image) for image in paths):
            raise AutodasError(f"{file}: is one of the images: choose another folder for draw")
        taken.add(file)
        drawings[path] = file
    return drawings


def _save(image: Any, path: Path) -> None:
    from autodas.writing import write_whole

    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    write_whole(path, buffer.getvalue())
