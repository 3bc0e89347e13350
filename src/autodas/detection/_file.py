"""Files of detectors: trained weights and all facts needed to use them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image
from torch import nn

from autodas._version import __version__
from autodas.data import normalise
from autodas.detection._detector import Detector, TimmBackbone, describe_network, read_network
from autodas.detection._pixels import CHANNELS
from autodas.detection._views import evaluation_view
from autodas.detection_options import DetectorSettings
from autodas.errors import AutodasError
from autodas.limits import MOST_CHANNELS, MOST_CLASSES, MOST_PIXELS_ACROSS
from autodas.networks import Blueprint
from autodas.reading import MEBIBYTE, TEXT, TRUTH, Fields, Items, Number, Whole, parse_json
from autodas.training._weights_file import DETECTOR, kind_of, load_weights, save_weights

_LONGEST = 64 * MEBIBYTE
_SIZE = Whole(1, MOST_CHANNELS)
_SETTINGS = Fields(
    {
        "strides": Items(_SIZE, 1, 16),
        "encoder_layers": Whole(0, 1_000),
        "decoder_layers": Whole(1, 1_000),
        "denoising": Whole(0, MOST_CHANNELS),
        "expansion": Number(0, above=True),
        "frozen_norm": TRUTH,
        **dict.fromkeys(("hidden", "feedforward", "heads", "queries"), _SIZE),
    }
)
_FACTS = Fields(
    {
        "detector": _SETTINGS,
        "classes": Items(TEXT, 1, MOST_CLASSES),
        "image_size": Whole(1, MOST_PIXELS_ACROSS),
        "mean": Items(Number(), CHANNELS, CHANNELS),
        "std": Items(Number(0, above=True), CHANNELS, CHANNELS),
        "version": TEXT,
    },
    {"timm": TEXT},
)


@dataclass(frozen=True)
class DetectorFacts:
    """Facts needed to use a trained detector.

    Args:
        network: the network that it is built around.
        settings: sizes of the detector.
        classes: names of the classes, in the order of their numbers.
        image_size: side of the square to which images are stretched.
        mean: mean of each channel, for values from 0 to 1.
        std: standard deviation of each channel, likewise.
        version: version of autodas.
    """

    network: Blueprint | TimmBackbone
    settings: DetectorSettings
    classes: tuple[str, ...]
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    version: str = __version__

    def build(self) -> Detector:
        """Return the detector with new weights."""
        return Detector(self.network, self.settings, len(self.classes))

    def preprocess(self, image: Image) -> torch.Tensor:
        """Return an image in RGB as the detector reads it, float32 (1, 3, S, S)."""
        pixels = torch.from_numpy(evaluation_view(image, self.image_size).copy())
        return normalise(pixels.permute(2, 0, 1)[None], self.mean, self.std)

    def to_json(self) -> str:
        """Return the facts as JSON, for the metadata of the file."""
        return json.dumps(
            {
                **describe_network(self.network),
                "detector": asdict(self.settings),
                "classes": self.classes,
                "image_size": self.image_size,
                "mean": self.mean,
                "std": self.std,
                "version": self.version,
            }
        )

    @classmethod
    def from_json(cls, text: str, where: str) -> DetectorFacts:
        """Read the facts from the metadata.

        Raises:
            AutodasError: if an entry is missing or invalid.
        """
        where = f"{where}: its description is broken"
        if len(text) > _LONGEST:
            raise AutodasError(f"{where}: it is longer than {_LONGEST // MEBIBYTE} MiB")
        facts: dict[str, Any] = parse_json(text, where)
        _FACTS.check(facts, where)
        known = {name: facts["detector"][name] for name in _SETTINGS.required}
        try:
            settings = DetectorSettings(**{**known, "strides": tuple(known["strides"])})
            settings.check_image_size(facts["image_size"])
        except AutodasError as error:
            raise AutodasError(f"{where}: {error}") from error
        return cls(
            read_network(facts, where),
            settings,
            tuple(facts["classes"]),
            facts["image_size"],
            tuple(facts["mean"]),
            tuple(facts["std"]),
            facts["version"],
        )


def save_detector(path: Path, detector: nn.Module, facts: DetectorFacts) -> None:
    """Write a detector as one safetensors file.

    Raises:
        AutodasError: if it cannot be written; an existing file is kept.
    """
    save_weights(path, detector, facts, DETECTOR)


def load_detector(path: str | Path) -> tuple[Detector, DetectorFacts]:
    """Return a trained detector in evaluation mode, and the facts needed to use it.

    Args:
        path: a file of :func:`save_detector`, or the run folder of a training for detection.

    Raises:
        AutodasError: if the file is missing, truncated, foreign or no detector, or a library is missing.
    """
    detector, facts = load_weights(path, DETECTOR, DetectorFacts.from_json)
    assert isinstance(detector, Detector)
    return detector, facts


def is_detector(path: str | Path) -> bool:
    """Return whether a model file, or that of a run folder, can be read and holds a detector."""
    return kind_of(path) == DETECTOR
