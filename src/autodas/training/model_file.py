"""Weights that are handed out: one safetensors file that holds all that is needed to use them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn

from autodas import __version__
from autodas.data import Clips, Modality
from autodas.errors import AutodasError
from autodas.networks import Blueprint, HandcraftedNetwork, Network, Profile, read_blueprint
from autodas.reading import MEBIBYTE, parse_json
from autodas.training._files import write_whole
from autodas.training._model_facts import LONGEST, check_facts


@dataclass(frozen=True)
class ModelFacts:
    """What has to be known to use trained weights.

    Args:
        blueprint: what the network is built from.
        classes: names of the classes, in the order of the logits.
        channels: channels of the pictures.
        image_size: height and width that the network was trained on.
        mean, std: normalisation of each channel, on values from 0 to 1.
        auxiliary: whether the weights include an auxiliary head.
        version: of autodas.
        clips: how clips are taken, where it recognises videos; ``None`` for images.
        modality: what it sees of videos: ``"rgb"`` or ``"flow"``.
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

    @property
    def frames(self) -> int | None:
        """Frames of a clip; ``None`` for images."""
        return None if self.clips is None else self.clips.frames

    def build(self) -> Network | HandcraftedNetwork:
        """Return the network, with fresh weights."""
        return self.blueprint.build(
            classes=len(self.classes),
            channels=self.channels,
            auxiliary=self.auxiliary,
            image_size=self.image_size,
        )

    def profile(self) -> Profile:
        """Return what the network costs on what it was trained on, without an auxiliary head."""
        return self.blueprint.profile(
            classes=len(self.classes),
            channels=self.channels,
            image_size=self.image_size,
            frames=self.frames,
        )

    def to_json(self) -> str:
        """Return the facts as the file's metadata holds them."""
        videos = {} if self.clips is None else {"clips": asdict(self.clips), "modality": self.modality}
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
            }
        )

    @classmethod
    def from_json(cls, text: str, where: str) -> ModelFacts:
        """Read the metadata.

        Raises:
            AutodasError: if something is missing or invalid.
        """
        where = f"{where}: its description is broken"
        if len(text) > LONGEST:
            raise AutodasError(f"{where}: it is longer than {LONGEST // MEBIBYTE} MiB")
        facts: dict[str, Any] = parse_json(text, where)
        check_facts(facts, where)
        try:
            return cls(
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
            )
        except (KeyError, TypeError, ValueError) as error:  # what a newer version says of clips
            raise AutodasError(f"{where}: {error}") from error


def save_model(path: Path, network: nn.Module, facts: ModelFacts) -> None:
    """Write weights and facts as one safetensors file.

    Raises:
        AutodasError: if it cannot be written; what stood there before is kept.
    """
    from safetensors.torch import save

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    write_whole(path, save(tensors, {"autodas": facts.to_json()}))


def load_model(path: str | Path) -> tuple[Network | HandcraftedNetwork, ModelFacts]:
    """Return a trained network, in evaluation mode, and the facts to use it.

    Args:
        path: a safetensors file that autodas wrote, or a run folder that holds ``model.safetensors``.

    Raises:
        AutodasError: if it is missing, truncated or foreign.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if path.is_dir():
        path = path / "model.safetensors"
        if not path.exists():
            raise AutodasError(f"{path.parent}: holds no trained network; run 'autodas train' first")
    try:
        with _named_in_utf8(path) as name, safe_open(name, "pt") as file:
            metadata = file.metadata() or {}
            if "autodas" not in metadata:
                raise AutodasError(f"{path}: was not written by autodas")
            facts = ModelFacts.from_json(metadata["autodas"], str(path))
            _check_shapes(facts, {name: file.get_slice(name).get_shape() for name in file.keys()}, path)  # noqa: SIM118
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        network = facts.build()
        network.load_state_dict(tensors)
    except AutodasError as error:
        # What a network cannot be built of is said without knowing where it comes from.
        raise AutodasError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from error
    except (OSError, SafetensorError, UnicodeError) as error:
        raise AutodasError(f"{path}: cannot be read as trained weights: {error}") from error
    except (RuntimeError, NotImplementedError) as error:  # numbers of another kind
        raise AutodasError(f"{path}: the weights do not fit the network they come with") from error
    return network.to_memory_format().eval(), facts  # type: ignore[return-value]


@contextmanager
def _named_in_utf8(path: Path) -> Iterator[Path]:
    """Give a name to a file that the library can open: it knows no names but those in UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        with TemporaryDirectory() as folder:
            link = Path(folder) / "model.safetensors"
            link.symlink_to(path.resolve())
            yield link
    else:
        yield path


def _check_shapes(facts: ModelFacts, found: Mapping[str, Sequence[int]], path: Path) -> None:
    """Check that a network needs the tensors of a file; until then it takes no memory."""
    with torch.device("meta"):
        needed = {name: list(tensor.shape) for name, tensor in facts.build().state_dict().items()}
    if needed != found:
        raise AutodasError(f"{path}: the weights do not fit the network they come with")


def best_device(name: str) -> torch.device:
    """Return the device for a name: ``auto`` takes a GPU where there is one.

    Raises:
        AutodasError: if the name is unknown or there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    refusal = AutodasError(f"device '{name}' is not available; use cpu, cuda or auto")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise refusal from error
    if device.type == "meta":
        raise refusal
    return device
