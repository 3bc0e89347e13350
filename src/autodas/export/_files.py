"""Files of networks for other programs, each compared with its network before it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from autodas.errors import AutodasError
from autodas.export._comparison import check_same_outputs, sample_inputs
from autodas.export._exported import ONNX, PROGRAM, restore
from autodas.export._interface import Deployed, Interface, Restored
from autodas.export._onnx import OPSETS, onnx_bytes
from autodas.export._program import program_bytes
from autodas.export._quantised import quantised
from autodas.training.model_file import ModelFacts
from autodas.writing import write_whole


@dataclass(frozen=True)
class ExportedFile:
    """File that was written.

    Args:
        path: its place.
        network: the file, opened again.
        difference: largest absolute difference between its outputs and those of the network.
    """

    path: Path
    network: Restored
    difference: float


def export_onnx(
    path: str | Path,
    network: nn.Module,
    facts: ModelFacts,
    *,
    interface: Interface | None = None,
    opset: int = OPSETS[0],
    calibration: Sequence[Tensor] | None = None,
) -> ExportedFile:
    """Write a network as an ONNX file.

    Args:
        path: the file.
        network: trained network, in evaluation mode on the CPU.
        facts: its description.
        interface: what the file reads and returns; by default normalised inputs of the size of the training,
            and the outputs of the last layer.
        opset: version of the operator set.
        calibration: batches of normalised images or clips, from whose ranges of values the file is converted
            to integers of 8 bits; ``None`` for single precision.

    Raises:
        AutodasError: if an operation has no ONNX form, a library is missing, the outputs of the file differ
            from those of the network, or it cannot be written.
    """
    path, interface = Path(path), interface or Interface()
    content = onnx_bytes(network, facts, interface, opset)
    if calibration is None:
        return _write(path, ONNX, content, network, _random_inputs(facts, interface))
    if not calibration:
        raise AutodasError("there are no samples for the conversion to integers")
    exported, _ = restore(content, ONNX, str(path))
    content = quantised(content, map(exported.as_read, calibration))
    return _write(path, ONNX, content, network, calibration, integers=True)


def export_program(
    path: str | Path, network: nn.Module, facts: ModelFacts, *, interface: Interface | None = None
) -> ExportedFile:
    """Write a network as an exported program of torch (``.pt2``); arguments as for :func:`export_onnx`.

    Raises:
        AutodasError: as for :func:`export_onnx`.
    """
    interface = interface or Interface()
    content = program_bytes(network, facts, interface)
    inputs = _random_inputs(facts, interface, facts.blueprint.stride)
    return _write(Path(path), PROGRAM, content, network, inputs)


def _random_inputs(facts: ModelFacts, interface: Interface, multiple: int = 1) -> list[Tensor]:
    """Return inputs with another number of samples than the traced one, and of another size if possible."""
    if not interface.any_size:
        return [sample_inputs(facts, 3)]
    side = multiple * max(2, -(-facts.image_size // multiple))
    return [sample_inputs(facts, 3, side), sample_inputs(facts, 1, side + multiple)]


def _write(
    path: Path,
    kind: str,
    content: bytes,
    network: nn.Module,
    inputs: Sequence[Tensor],
    *,
    integers: bool = False,
) -> ExportedFile:
    """Write a file after comparing its outputs with those of the network."""
    exported, facts = restore(content, kind, str(path))
    deployed = Deployed(network, facts, exported.interface)
    read = [exported.as_read(x) for x in inputs]
    difference = check_same_outputs(deployed, exported.network, read, path, integers=integers)
    write_whole(path, content)
    return ExportedFile(path, exported, difference)
