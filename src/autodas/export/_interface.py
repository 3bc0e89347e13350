"""What an exported network reads and returns."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from autodas.reading import TRUTH, Fields, parse_json
from autodas.training.model_file import ModelFacts

_INTERFACE = Fields({"normalise": TRUTH, "probabilities": TRUTH, "any_size": TRUTH})


@dataclass(frozen=True)
class Interface:
    """What an exported network reads and returns; the number of samples is always free.

    Args:
        normalise: whether it normalises its input itself: it then reads values from 0 (black) to 1 (white),
            otherwise values minus the mean of the training samples, divided by their standard deviation.
        probabilities: whether it returns probabilities, otherwise the outputs of its last layer (logits).
        any_size: whether its input may have any height and width, otherwise only those of the training.
    """

    normalise: bool = False
    probabilities: bool = False
    any_size: bool = False

    def to_json(self) -> str:
        """Return the interface as JSON, for the metadata of a file."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str, where: str) -> Interface:
        """Read the interface from the metadata of a file.

        Raises:
            AutodasError: if an entry is missing or invalid.
        """
        fields = parse_json(text, where)
        _INTERFACE.check(fields, where)
        return cls(**fields)


class _Converted(nn.Module):
    """A network behind another interface.

    Args:
        network: function from inputs to outputs.
        facts: description of the network.
        interface: what exported files read and return.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, facts: ModelFacts, interface: Interface) -> None:
        super().__init__()
        self.network, self.task, self.interface = network, facts.task, interface
        self.dimensions = facts.blueprint.dimensions
        if interface.probabilities:
            self.task.probabilities(torch.zeros(1, self.task.outputs))  # raises an error where there are none
        for name, values in (("mean", facts.mean), ("std", facts.std)):
            self.register_buffer(name, torch.tensor(values).view(-1, *(1,) * self.dimensions))


class Deployed(_Converted):
    """A network with the interface of an exported file."""

    def forward(self, x: Tensor) -> Tensor:
        """Return outputs (batch, size of the head) for images or clips (batch, C, ..., H, W)."""
        outputs: Tensor = self.network((x - self.mean) / self.std if self.interface.normalise else x)
        return self.task.probabilities(outputs) if self.interface.probabilities else outputs


class Restored(_Converted):
    """An exported file with the interface of a network: normalised inputs, outputs of the last layer."""

    def as_read(self, x: Tensor) -> Tensor:
        """Return normalised images or clips as the file reads them."""
        return x * self.std + self.mean if self.interface.normalise else x

    def forward(self, x: Tensor) -> Tensor:
        """Return outputs (batch, size of the head) for images or clips (batch, C, ..., H, W)."""
        outputs: Tensor = self.network(self.as_read(x))
        return self.task.from_probabilities(outputs) if self.interface.probabilities else outputs
