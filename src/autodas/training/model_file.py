"""Model files: trained weights and all facts needed to use them, in one safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from autodas._version import __version__
from autodas.data import FLOW_BOUND, Clips, FlowEncoding, Modality, normalise, read_clips, read_image
from autodas.errors import AutodasError
from autodas.loop.tasks import Task, task_from
from autodas.networks import Blueprint, HandcraftedNetwork, Network, Profile, read_blueprint
from autodas.reading import MEBIBYTE, parse_json
from autodas.training._model_facts import LONGEST, check_facts
from autodas.training._weights_file import CLASSIFIER, load_weights, save_weights


@dataclass(frozen=True)
class ModelFacts:
    """Facts needed to use trained weights.

    Args:
        blueprint: blueprint of the network.
        classes: names of the classes, in the order of the logits; for regression, of the targets.
        channels: number of channels of the images or frames.
        image_size: height and width that the network was trained on.
        mean: mean of each channel, for values from 0 to 1.
        std: standard deviation of each channel, likewise.
        auxiliary: whether the weights include an auxiliary head.
        version: version of autodas.
        clips: how clips are taken from videos; ``None`` for images.
        modality: input of a network for videos: ``"rgb"`` or ``"flow"``.
        value_range: values of black and white, for networks trained on images of more than 8 bits; ``None``
            for images of 8 bits.
        flow: how optical flow is computed; ``None`` for other inputs.
        task_facts: what the task is, besides its classes: :meth:`autodas.loop.tasks.Task.facts`; empty for
            classification.
    """

    blueprint: Blueprint
    classes: tuple[str, ...]
    channels: int
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    auxiliary: bool = False
    version: str = __version__
    clips: Clips | None = None
    modality: Modality = "rgb"
    value_range: tuple[float, float] | None = None
    flow: FlowEncoding | None = None
    task_facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def frames(self) -> int | None:
        """Number of frames of a clip; ``None`` for images."""
        return None if self.clips is None else self.clips.frames

    @cached_property
    def task(self) -> Task[Any]:
        """The task that the network was trained for."""
        return task_from(self.classes, self.task_facts)

    def build(self) -> Network | HandcraftedNetwork:
        """Return the network with newly initialised weights."""
        return self.blueprint.build(
            classes=self.task.outputs,
            channels=self.channels,
            auxiliary=self.auxiliary,
            image_size=self.image_size,
        )

    def preprocess(
        self,
        sample: str | Path | Any,
        *,
        clips: int = 20,
        crops: int = 1,
        value_range: tuple[float, float] | None = None,
    ) -> torch.Tensor:
        """Return an image or a video as the evaluation passes it to the network.

        The short side is resized (from 128 pixels on to 256/224 of ``image_size``, for videos to 128/112),
        the centre is cropped, and values are normalised.
        ``network(facts.preprocess(path)).softmax(1).mean(0)`` gives the probabilities of the classes, for
        several labels ``.sigmoid().mean(0)``, and ``.mean(0)`` the answers of regression.

        Args:
            sample: path of an image, or of a video or a folder of its frames. An image may also be a Pillow
                image, an array (H, W) or (H, W, C), or a tensor (C, H, W).
            clips: number of clips of a video, spread evenly over it.
            crops: number of crops of each clip, along the longer side; 1 for the centre.
            value_range: values of black and white of an image with more than 8 bits, if the network was
                trained on 8 bits; otherwise the network's own range is used.

        Returns:
            float32 (1, C, S, S); for a video (clips, C, T, S, S).

        Raises:
            AutodasError: if the sample cannot be read, has a different number of channels, or its range is
                unknown or different.
        """
        if value_range is not None and self.clips is not None:
            raise AutodasError("value_range is for images, but the network is for videos: omit it")
        if value_range is not None and value_range != (self.value_range or value_range):
            raise AutodasError(f"value_range: the network was trained with {self.value_range}: omit it")
        if self.clips is None:
            views = read_image(
                sample,
                channels=self.channels,
                image_size=self.image_size,
                value_range=self.value_range or value_range,
            )[None]
        else:
            views = read_clips(
                sample,
                channels=self.channels,
                image_size=self.image_size,
                clips=self.clips,
                number=clips,
                crops=crops,
                modality=self.modality,
                flow="tvl1" if self.flow is None else self.flow.method,
            )
        return normalise(views, self.mean, self.std)

    def profile(self) -> Profile:
        """Return the cost of the network on inputs as in training, without an auxiliary head."""
        return self.blueprint.profile(
            classes=self.task.outputs,
            channels=self.channels,
            image_size=self.image_size,
            frames=self.frames,
        )

    def to_json(self) -> str:
        """Return the facts as JSON, for the file's metadata."""
        videos: dict[str, Any] = {}
        if self.clips is not None:
            videos = {"clips": asdict(self.clips), "modality": self.modality}
        if self.flow is not None:
            videos["flow"] = asdict(self.flow)
        deep = {} if self.value_range is None else {"value_range": self.value_range}
        return json.dumps(
            {
                **self.blueprint.to_dict(),
                "classes": self.classes,
                "channels": self.channels,
                "image_size": self.image_size,
                "mean": self.mean,
                "std": self.std,
                "auxiliary": self.auxiliary,
                "version": self.version,
                **videos,
                **deep,
                **({"task": dict(self.task_facts)} if self.task_facts else {}),
            }
        )

    @classmethod
    def from_json(cls, text: str, where: str) -> ModelFacts:
        """Read the facts from the metadata.

        Raises:
            AutodasError: if an entry is missing or invalid.
        """
        where = f"{where}: its description is broken"
        if len(text) > LONGEST:
            raise AutodasError(f"{where}: it is longer than {LONGEST // MEBIBYTE} MiB")
        facts: dict[str, Any] = parse_json(text, where)
        check_facts(facts, where)
        try:
            found = cls(
                read_blueprint(facts, where),
                tuple(facts["classes"]),
                facts["channels"],
                facts["image_size"],
                tuple(facts["mean"]),
                tuple(facts["std"]),
                facts["auxiliary"],
                facts["version"],
                Clips(**facts["clips"]) if "clips" in facts else None,
                facts.get("modality", "rgb"),
                _value_range(facts.get("value_range")),
                FlowEncoding(**facts["flow"]) if "flow" in facts else None,
                facts.get("task", {}),
            )
            _ = found.task  # reject invalid facts now
            return found
        except AutodasError as error:
            if str(error).startswith(where):
                raise
            raise AutodasError(f"{where}: {error}") from error
        except (KeyError, TypeError, ValueError) as error:  # settings of clips of a newer version
            raise AutodasError(f"{where}: {error}") from error


def _value_range(value: Any) -> tuple[float, float] | None:
    """Return the range stored in a file; files for images of 8 bits have none."""
    if value is None:
        return None
    low, high = map(float, value)
    if not low < high:
        raise AutodasError(f"value_range must ascend, found {value}")
    return low, high


def save_model(path: Path, network: nn.Module, facts: ModelFacts) -> None:
    """Write weights and facts as one safetensors file.

    Raises:
        AutodasError: if it cannot be written; an existing file is kept.
    """
    save_weights(path, network, facts, CLASSIFIER)


def load_model(path: str | Path) -> tuple[Network | HandcraftedNetwork, ModelFacts]:
    """Return a trained network in evaluation mode, and the facts needed to use it.

    Args:
        path: a safetensors file written by autodas, or a run folder that contains ``model.safetensors``.

    Raises:
        AutodasError: if the file is missing, truncated or foreign, or holds a detector.
    """
    network, facts = load_weights(path, CLASSIFIER, _read_facts)
    return network.to_memory_format(), facts  # type: ignore[operator]


def _read_facts(text: str, where: str) -> ModelFacts:
    facts = ModelFacts.from_json(text, where)
    if facts.modality == "flow" and (facts.flow is None or facts.flow.bound != FLOW_BOUND):
        raise AutodasError(
            f"{where}: was trained on optical flow in bytes of another range (autodas {facts.version}): "
            "train it again"
        )
    return facts
