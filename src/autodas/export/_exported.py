"""Exported files as networks that can be evaluated."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from autodas.errors import AutodasError
from autodas.export._interface import Restored
from autodas.export._metadata import read_metadata
from autodas.export._onnx import check_onnx_libraries
from autodas.export._program import DESCRIPTION
from autodas.training.model_file import ModelFacts, load_model

ONNX, PROGRAM = ".onnx", ".pt2"


class OnnxNetwork(nn.Module):
    """ONNX file, computed by ONNX Runtime on the CPU with as many threads as torch uses.

    Args:
        content: content of the file.
    """

    def __init__(self, content: bytes) -> None:
        import onnxruntime

        super().__init__()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self.metadata: dict[str, str] = self.session.get_modelmeta().custom_metadata_map
        self.reads = self.session.get_inputs()[0].name

    def forward(self, x: Tensor) -> Tensor:
        """Return the output of the file, on the device of the input."""
        (output,) = self.session.run(None, {self.reads: x.detach().cpu().contiguous().numpy()})
        return torch.from_numpy(output).to(x.device)


class ProgramNetwork(nn.Module):
    """Exported program of torch; it has no modes.

    Args:
        content: content of the file.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__()
        extra = {DESCRIPTION: ""}
        program = torch.export.load(io.BytesIO(content), extra_files=extra)
        self.metadata: dict[str, str] = json.loads(extra[DESCRIPTION] or "{}")
        # In a tuple, since modules of programs refuse train() and eval().
        self.module = (program.module(),)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output of the program."""
        output: Tensor = self.module[0](x)
        return output


def restore(content: bytes, kind: str, where: str) -> tuple[Restored, ModelFacts]:
    """Return an exported file as a network, and the facts needed to use it.

    Args:
        content: content of the file.
        kind: ``".onnx"`` or ``".pt2"``.
        where: name of the file in messages.

    Raises:
        AutodasError: if the content is damaged or foreign, or a library is missing.
    """
    if kind == ONNX:
        check_onnx_libraries()
    try:
        exported: Any = (OnnxNetwork if kind == ONNX else ProgramNetwork)(content)
    except Exception as error:  # damaged files lead to errors of many classes
        raise AutodasError(f"{where}: cannot be read as an exported network: {error}") from error
    facts, interface = read_metadata(exported.metadata, where)
    return Restored(exported, facts, interface).eval(), facts


def open_model(path: str | Path) -> tuple[nn.Module, ModelFacts]:
    """Return a trained or exported network in evaluation mode, and the facts needed to use it.

    A ``.pt2`` file is opened by ``torch.export.load``, which may run code that the file contains: only open
    files from those whom you trust. Other files contain no code.

    Args:
        path: an ONNX file (``.onnx``) or an exported program (``.pt2``) written by autodas, or as for
            :func:`~autodas.load_model`.

    Raises:
        AutodasError: if the file is missing, damaged or foreign, or a library is missing.
    """
    path = Path(path)
    if path.suffix not in (ONNX, PROGRAM):
        return load_model(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise AutodasError(f"{path}: cannot be read: {error.strerror or error}") from error
    return restore(content, path.suffix, str(path))
