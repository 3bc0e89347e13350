"""Networks as exported programs of torch (``.pt2``)."""

from __future__ import annotations

import io
import json
import warnings

import torch
from torch import nn

from autodas.export._interface import Deployed, Interface
from autodas.export._metadata import metadata
from autodas.export._tracing import trace
from autodas.training.model_file import ModelFacts

DESCRIPTION = "autodas.json"
"""Name of the description among the extra files of a program."""


def program_bytes(network: nn.Module, facts: ModelFacts, interface: Interface) -> bytes:
    """Return a network as the content of a ``.pt2`` file.

    Free sizes are multiples of the network's stride, and at least twice as large: for others the program
    would contain conditions on the layout of its maps.

    Args:
        network: trained network, in evaluation mode.
        facts: its description.
        interface: what the file reads and returns.

    Raises:
        AutodasError: if an operation cannot be traced.
    """
    deployed = Deployed(network, facts, interface).eval()
    program = trace(deployed, facts, interface, multiple=facts.blueprint.stride)
    for node in program.graph.nodes:
        # Places in our source files on this machine.
        node.meta.pop("stack_trace", None)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Weights in the channels-last format are stored as they are, which torch warns about.
        warnings.simplefilter("ignore", UserWarning)
        torch.export.save(program, buffer, extra_files={DESCRIPTION: json.dumps(metadata(facts, interface))})
    return buffer.getvalue()
