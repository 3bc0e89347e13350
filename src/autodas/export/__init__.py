"""Trained networks as files for other programs, and these files as networks."""

from autodas.export._exported import open_model
from autodas.export._files import TOLERANCE, TOLERANCE_INT8, ExportedFile, export_onnx, export_program
from autodas.export._interface import Interface
from autodas.export._onnx import OPSETS
from autodas.export._speed import milliseconds
from autodas.export._tracing import sample_inputs

__all__ = [
    "OPSETS",
    "TOLERANCE",
    "TOLERANCE_INT8",
    "ExportedFile",
    "Interface",
    "export_onnx",
    "export_program",
    "milliseconds",
    "open_model",
    "sample_inputs",
]
