"""Networks as ONNX files."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from typing import Any

import torch
from torch import Tensor, nn

from autodas.errors import AutodasError
from autodas.export._comparison import sample_inputs
from autodas.export._interface import Deployed, Interface
from autodas.export._metadata import metadata
from autodas.export._tracing import converting, trace
from autodas.optional_imports import import_optional
from autodas.training.model_file import ModelFacts

OPSETS = range(18, 24)
"""Versions of the operator set that torch's exporter writes."""


def onnx_bytes(network: nn.Module, facts: ModelFacts, interface: Interface, opset: int = OPSETS[0]) -> bytes:
    """Return a network as the content of an ONNX file.

    The metadata have all that is needed to use it: the description of the network, as in model files, and
    genotype, names of classes, mean, standard deviation, image size and version by themselves.

    Args:
        network: trained network, in evaluation mode.
        facts: its description.
        interface: what the file reads and returns.
        opset: version of the operator set.

    Raises:
        AutodasError: if the opset is out of range, a library is missing, or an operation has no ONNX form.
    """
    if opset not in OPSETS:
        age = "old" if opset < OPSETS[0] else "new"
        raise AutodasError(f"opset={opset} is too {age}: it must lie in [{OPSETS[0]}, {OPSETS[-1]}]")
    check_onnx_libraries()
    deployed = Deployed(network, facts, interface).eval()
    program = trace(deployed, facts, interface)
    reads = "images" if facts.clips is None else "clips"
    returns = "probabilities" if interface.probabilities else "outputs"

    def convert(module: Any, example: Tensor) -> Any:
        with _silent():
            return torch.onnx.export(
                module,
                (example,),
                dynamo=True,
                opset_version=opset,
                input_names=[reads],
                output_names=[returns],
                external_data=False,
                verbose=False,
            )

    example = sample_inputs(facts)
    with converting(f"form in ONNX (opset {opset})", deployed.network, example, convert):
        model = convert(program, example).model_proto
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.initializer):
        # Places in our source files on this machine: most of the size of small networks.
        del part.metadata_props[:]
    for key, value in metadata(facts, interface).items():
        model.metadata_props.add(key=key, value=value)
    content: bytes = model.SerializeToString()
    return content


def check_onnx_libraries() -> None:
    """Raise AutodasError if a library for ONNX files is missing."""
    for name in ("onnx", "onnxscript", "onnxruntime"):
        import_optional(name, "export")


@contextmanager
def _silent() -> Iterator[None]:
    """Silence the exporter, which reports on standard output and warns about its own code."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
