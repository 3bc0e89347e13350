"""Teachers: trained networks whose outputs another network learns, too (distillation)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autodas.data import ImageDataset
from autodas.errors import AutodasError
from autodas.optional_imports import import_timm
from autodas.settings import TeacherSettings
from autodas.training.model_file import load_model
from autodas.user_code import import_function, is_user_code, what_failed

TIMM = "timm:"
"""Prefix of the names of timm's models."""


@dataclass(frozen=True)
class Distillation:
    """A teacher, and how much is learned from it.

    Args:
        teacher: the teacher.
        settings: weight and temperature; the name is not read.
    """

    teacher: Teacher
    settings: TeacherSettings = field(default_factory=TeacherSettings)


class Teacher(nn.Module):
    """Trained network that reads the batches of another one; it always stays in evaluation mode.

    Args:
        network: function from images (B, C, S, S) or clips (B, C, T, S, S) to outputs (B, number of classes).
        dataset: data set of the batches, which are normalised by its mean and standard deviation.
        mean: mean of each channel that ``network`` expects to be subtracted from values of 0 to 1.
        std: standard deviation of each channel by which it expects them to be divided.
        image_size: height and width that it reads; ``None`` for those of the batches.
        order: for each class of the data set, the number of its output; ``None`` if the order is the same.
        where: name in messages.

    Raises:
        AutodasError: if it cannot compute images of the data set, or has another number of outputs.
    """

    scale: Tensor
    shift: Tensor
    order: Tensor | None

    def __init__(
        self,
        network: nn.Module,
        dataset: ImageDataset,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        image_size: int | None = None,
        order: Sequence[int] | None = None,
        where: str = "teacher",
    ) -> None:
        super().__init__()
        self.network, self.image_size = network.requires_grad_(False), image_size
        shape = (-1, *(1,) * (2 if dataset.clips is None else 3))
        ours = [torch.tensor(values).view(shape) for values in (dataset.mean, dataset.std)]
        theirs = [torch.tensor(values).view(shape) for values in (mean, std)]
        # From one normalisation to the other: ((x ours[1] + ours[0]) - theirs[0]) / theirs[1].
        self.register_buffer("scale", ours[1] / theirs[1])
        self.register_buffer("shift", (ours[0] - theirs[0]) / theirs[1])
        self.register_buffer("order", None if order is None else torch.tensor(order))
        self.train(False)
        self._check(dataset, where)

    def train(self, mode: bool = True) -> Teacher:
        """Stay in evaluation mode."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs, in the order of the data set's classes."""
        x = x * self.scale + self.shift
        if self.image_size not in (None, x.shape[-1]):
            size = (self.image_size, self.image_size)
            maps = F.interpolate(x.flatten(1, -3), size, mode="bilinear", antialias=True)
            x = maps.reshape(*x.shape[:-2], *size)
        outputs: Tensor = self.network(x)
        return outputs if self.order is None else outputs[:, self.order]

    def digest(self) -> str:
        """Return a digest of all weights, by which a resumed training knows its teacher."""
        digest = hashlib.sha256()
        for name, tensor in self.state_dict().items():
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    def _check(self, dataset: ImageDataset, where: str) -> None:
        frames = () if dataset.frames is None else (dataset.frames,)
        size = (2, dataset.channels, *frames, dataset.image_size, dataset.image_size)
        try:
            outputs = self(torch.zeros(size))
        except Exception as error:  # networks of others can raise anything
            raise AutodasError(
                f"{where}: cannot compute {dataset.what} of shape {size[1:]}: {what_failed(error)}"
            ) from error
        wanted = (2, len(dataset.classes))
        if not isinstance(outputs, Tensor) or outputs.shape != wanted:
            found = f"outputs of shape {tuple(outputs.shape)}" if isinstance(outputs, Tensor) else outputs
            raise AutodasError(
                f"{where}: returns {found} for two {dataset.what}; {wanted} are needed: a network that was "
                f"trained on the {len(dataset.classes)} classes of {dataset.name}"
            )


def open_teacher(name: str, dataset: ImageDataset) -> Teacher:
    """Return the teacher that a name stands for.

    Args:
        name: a run folder of ``autodas train`` or a model file; ``timm:NAME`` for a model of timm with its
            published weights, where NAME may also be ``local-dir:PATH`` or ``hf-hub:NAME``;
            ``timm:NAME#FILE`` for one with the weights in a file; or ``python:package.module:function`` for a
            function of the names of the classes that returns a module, which reads values of 0 to 1.
        dataset: data set of the training.

    Raises:
        AutodasError: if there is no such network, or it does not fit the data set.
    """
    where = f"teacher {name}"
    if is_user_code(name):
        network = import_function(name, where)(dataset.classes)
        if not isinstance(network, nn.Module):
            raise AutodasError(f"{where}: returns {type(network).__name__}, a torch.nn.Module is needed")
        zeros, ones = [0.0] * dataset.channels, [1.0] * dataset.channels
        return Teacher(network, dataset, mean=zeros, std=ones, where=where)
    if name.startswith(TIMM):
        return _timm_teacher(name.removeprefix(TIMM), dataset, where)
    return _own_teacher(name, dataset, where)


def _own_teacher(path: str, dataset: ImageDataset, where: str) -> Teacher:
    network, facts = load_model(path)
    if (facts.clips is None) != (dataset.clips is None) or facts.modality != dataset.modality:
        raise AutodasError(f"{where}: was trained on other inputs than the {dataset.what} of {dataset.name}")
    if facts.task.name != dataset.task:
        raise AutodasError(f"{where}: was trained for {facts.task.name}, but the task is {dataset.task}")
    return Teacher(
        network,
        dataset,
        mean=facts.mean,
        std=facts.std,
        image_size=facts.image_size,
        order=_order(facts.classes, dataset, where),
        where=where,
    )


def _timm_teacher(name: str, dataset: ImageDataset, where: str) -> Teacher:
    timm = import_timm()
    model, _, file = name.partition("#")
    given: dict[str, Any] = {"pretrained": True}
    if file:
        if not Path(file).is_file():
            raise AutodasError(f"{where}: there is no file {file}")
        given = {"pretrained": False, "num_classes": len(dataset.classes), "in_chans": dataset.channels}
    try:
        network = timm.create_model(model, **given)
        if file:
            timm.models.load_checkpoint(network, file, weights_only=True)
    except Exception as error:  # of unknown names, failed downloads, weights that do not fit
        raise AutodasError(f"{where}: cannot be opened by timm: {what_failed(error)}") from error
    facts = network.pretrained_cfg
    labels = facts.get("label_names")
    return Teacher(
        network,
        dataset,
        mean=_for_channels(facts["mean"], dataset.channels),
        std=_for_channels(facts["std"], dataset.channels),
        image_size=facts["input_size"][-1],
        order=_order(labels, dataset, where) if labels else None,
        where=where,
    )


def _for_channels(values: Sequence[float], channels: int) -> list[float]:
    """Return the values of as many channels; their mean, if the network was published for others."""
    return [*values] if len(values) == channels else [sum(values) / len(values)] * channels


def _order(names: Sequence[str], dataset: ImageDataset, where: str) -> list[int]:
    """Return the number of the output for each class of the data set."""
    missing = [name for name in dataset.classes if name not in names]
    if missing:
        raise AutodasError(f"{where}: does not know the class '{missing[0]}' of {dataset.name}")
    return [list(names).index(name) for name in dataset.classes]
