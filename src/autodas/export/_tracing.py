"""Graph of a network, from which files are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from autodas.errors import AutodasError
from autodas.export._blame import unsupported_operation
from autodas.export._comparison import sample_inputs
from autodas.export._interface import Deployed, Interface
from autodas.limits import MOST_PIXELS_ACROSS
from autodas.training.model_file import ModelFacts


def trace(
    deployed: Deployed, facts: ModelFacts, interface: Interface, multiple: int | None = None
) -> ExportedProgram:
    """Return the graph of a network, for any number of samples and, if desired, for any size.

    Args:
        deployed: the network.
        facts: its description.
        interface: what it reads and returns.
        multiple: number of which free heights and widths are multiples, at least two; ``None`` for any sizes.

    Raises:
        AutodasError: if an operation cannot be traced; the message names it and its edge.
    """
    free, side = {0: Dim.DYNAMIC}, facts.image_size
    if interface.any_size:
        height, width = Dim.DYNAMIC, Dim.DYNAMIC
        if multiple is not None:
            most = MOST_PIXELS_ACROSS // multiple
            height, width = (multiple * Dim(name, min=2, max=most) for name in ("height", "width"))
            side = multiple * max(2, -(-side // multiple))
        last = deployed.dimensions + 1
        free |= {last - 1: height, last: width}
    example = sample_inputs(facts, side=side)

    def convert(module: nn.Module, x: Tensor) -> ExportedProgram:
        return torch.export.export(module, (x,))

    with converting("graph", deployed.network, example, convert):
        return torch.export.export(deployed, (example,), dynamic_shapes=(free,))


@contextmanager
def converting(
    form: str, network: nn.Module, example: Tensor, convert: Callable[[nn.Module, Tensor], object]
) -> Iterator[None]:
    """Explain the failure of a conversion by the operation that cannot be converted.

    Args:
        form: result of the conversion, for messages.
        network: the network that is converted.
        example: an input of it.
        convert: the same conversion for a single operation with its input.

    Raises:
        AutodasError: if the conversion fails; the message names the operation and its edge.
    """
    try:
        yield
    except Exception as error:  # conversions raise errors of many classes
        where, reason = unsupported_operation(network, example, convert) or ("the network", error)
        raise AutodasError(f"{where} has no {form}: {_first_line(reason)}") from error


def _first_line(error: BaseException) -> str:
    """Return the first line of the original cause of an error: exporters add pages of advice to it."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = next(filter(None, map(str.strip, str(error).splitlines())), "no reason given")
    return f"{type(error).__name__}: {text}"
