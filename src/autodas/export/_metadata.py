"""Metadata of exported files."""

from __future__ import annotations

import json
from collections.abc import Mapping

from autodas.errors import AutodasError
from autodas.export._interface import Interface
from autodas.training.model_file import ModelFacts

FACTS = "autodas"
"""Key of the description of the network, as in model files."""
INTERFACE = "autodas.interface"
"""Key of what the file reads and returns."""
_FOR_OTHERS = ("genotype", "classes", "mean", "std", "image_size", "channels", "version")


def metadata(facts: ModelFacts, interface: Interface) -> dict[str, str]:
    """Return the metadata of an exported file: all of ours, and the main facts by themselves."""
    parts = json.loads(facts.to_json())
    parts["genotype"] = parts.get("genotype", parts.get("handcrafted"))
    texts = {
        name: value if isinstance(value := parts[name], str) else json.dumps(value) for name in _FOR_OTHERS
    }
    return {FACTS: facts.to_json(), INTERFACE: interface.to_json(), **texts}


def read_metadata(metadata: Mapping[str, str], where: str) -> tuple[ModelFacts, Interface]:
    """Return the description of a network, and what its file reads and returns.

    Raises:
        AutodasError: if the file was not written by autodas, or its metadata are broken.
    """
    if FACTS not in metadata or INTERFACE not in metadata:
        raise AutodasError(f"{where}: was not written by autodas")
    facts = ModelFacts.from_json(metadata[FACTS], where)
    return facts, Interface.from_json(metadata[INTERFACE], f"{where}: its description is broken")
