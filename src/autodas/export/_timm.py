"""Trained networks as folders for timm."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from autodas.errors import AutodasError
from autodas.export._comparison import check_same_outputs, sample_inputs
from autodas.export._folder import new_folder
from autodas.networks import Network
from autodas.runs.folder import MODEL
from autodas.training.model_file import load_model, save_model


def write_timm(path: Path, source: Path, *, overwrite: bool = False) -> None:
    """Write a trained network as a folder for timm.

    After ``import autodas.timm``, ``timm.create_model("local-dir:PATH", pretrained=True)`` loads it. The
    weights, without an auxiliary head, are also a model file of autodas.

    Args:
        path: the folder.
        source: run folder of ``autodas train``, or model file.
        overwrite: whether to replace an earlier export.

    Raises:
        AutodasError: if there is no trained network, it is for clips, timm is missing, the folder is not
            available, or the written network computes something else.
    """
    from autodas.timm import create_model, save_for_hf

    network, facts = load_model(source)
    if not isinstance(network, Network) or facts.blueprint.dimensions != 2:
        raise AutodasError(f"{source}: a network for clips, but those of timm are for images")
    network.auxiliary = None
    with new_folder(path, overwrite) as folder:
        built = create_model("autodas", genotype=source, pretrained=True)
        # With the weights under the same names, which our own file replaces.
        described = {"genotype": facts.blueprint.to_dict()}
        save_for_hf(built, str(folder), {"label_names": facts.classes}, described, safe_serialization=True)
        save_model(folder / MODEL, network, replace(facts, auxiliary=False))
        written = create_model(f"local-dir:{folder}", pretrained=True).eval()
        check_same_outputs(network, written, [sample_inputs(facts)], path)
