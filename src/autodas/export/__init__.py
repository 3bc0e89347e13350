"""Trained networks as files and folders of other programs, and these files as networks."""

from autodas.export._comparison import TOLERANCE, TOLERANCE_INT8, sample_inputs
from autodas.export._exported import open_model
from autodas.export._files import ExportedFile, export_onnx, export_program
from autodas.export._interface import Interface
from autodas.export._onnx import OPSETS, check_onnx_libraries
from autodas.export._speed import milliseconds
from autodas.export._timm import write_timm

__all__ = [
    "OPSETS",
    "TOLERANCE",
    "TOLERANCE_INT8",
    "ExportedFile",
    "Interface",
    "check_onnx_libraries",
    "export_onnx",
    "export_program",
    "milliseconds",
    "open_model",
    "sample_inputs",
    "write_timm",
]
