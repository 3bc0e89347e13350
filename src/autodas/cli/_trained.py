"""One rule for the data of a trained network: inputs as in training, and no option ignored."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from autodas.cli._settings import DataConfig
from autodas.errors import AutodasError

if TYPE_CHECKING:
    from autodas.training.model_file import ModelFacts

TEST_CLIPS = 20
"""Default number of test clips of a video (SDAS, section 5.2)."""
_OF_TRAINING = (
    *("subset", "groups", "starts", "max_image_size", "balance"),
    *("crop_padding", "flip", "cutout", "random_resized_crop", "color_jitter"),
)


def data_for(model: str, facts: ModelFacts, config: DataConfig) -> DataConfig:
    """Return the data configuration for a trained network.

    Args:
        model: name of the network in messages.
        facts: description of the network and its training data.
        config: the user's configuration.

    Raises:
        AutodasError: if an option contradicts the training data of the network, or is for training only.
    """
    said = {f.name for f in fields(config) if getattr(config, f.name) != f.default}
    for name in _OF_TRAINING:
        if name in said:
            raise AutodasError(f"data.{name} is for training, not for a trained network: leave it out")
    own: dict[str, Any] = {"image_size": facts.image_size, "task": facts.task.name}
    if facts.modality != "flow":
        own["channels"] = facts.channels
    if facts.value_range is not None:
        own["value_range"] = facts.value_range
    for name, value in {"modality": facts.modality, **own}.items():
        asked = getattr(config, name)
        if name in said and asked != value:
            option = "task" if name == "task" else f"data.{name}"
            raise AutodasError(
                f"{option} is {_text(asked)}, but {model} was trained with {_text(value)}: leave it out"
            )
    return replace(config, **own)


def check_test_clips(videos: bool, test_clips: int, test_crops: int = 1) -> None:
    """Raise AutodasError if clips, or crops of clips, are requested for images."""
    for name, ignored in (("test_clips", test_clips != TEST_CLIPS), ("test_crops", test_crops != 1)):
        if ignored and not videos:
            raise AutodasError(f"{name} is for videos, but the data are images: leave it out")


def _text(value: object) -> str:
    return ",".join(f"{item:g}" for item in value) if isinstance(value, tuple) else str(value)
