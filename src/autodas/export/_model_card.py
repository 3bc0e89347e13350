"""Model cards: what a trained network is, where it comes from, its result, and how to use it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autodas.data.pixels._views import stored_size
from autodas.errors import AutodasError
from autodas.loop.tasks import Classification
from autodas.networks import CellBlueprint
from autodas.reading import MAPPING, TEXT, Fields, Whole
from autodas.runs.folder import SUMMARY, RunFolder
from autodas.training.model_file import ModelFacts

UNKNOWN = "unknown"
"""Licence of weights whose user has named none, as the Hub calls it."""

PROVENANCE = Fields({"license": TEXT}, {"data": TEXT, "epochs": Whole(), "test": MAPPING})
"""Where weights come from: their licence, and for those of a run the data, the epochs and the test."""


def provenance_of(source: Path, license: str) -> dict[str, Any]:
    """Return where a trained network comes from, as plain data of the shape :data:`PROVENANCE`.

    Args:
        source: run folder of ``autodas train``, or a model file, which may be in one.
        license: licence of the weights.

    Raises:
        AutodasError: if the licence is not one word, or the summary of the run is broken.
    """
    if not license or license.split() != [license]:
        raise AutodasError(f"license '{license}' must be one word of the Hub's list, such as apache-2.0")
    run = RunFolder(source if os.path.isdir(source) else source.parent)
    if not run.finished:
        return {"license": license}
    summary = run.read_json(SUMMARY)
    Fields({"data": TEXT, "epochs": Whole(), "test": MAPPING}).check(summary, f"{run.path / SUMMARY}")
    kind, _, place = summary["data"].partition(":")
    # The name of a folder is enough: its place on this machine is nobody's business.
    data = f"{kind}:{Path(place).name}" if place else kind
    return {"license": license, "data": data, "epochs": summary["epochs"], "test": summary["test"]}


def card_text(facts: ModelFacts, provenance: Mapping[str, Any]) -> str:
    """Return a model card: metadata of the Hub, then text.

    Args:
        facts: description of the network.
        provenance: where it comes from, as returned by :func:`provenance_of`.
    """
    from huggingface_hub import EvalResult, ModelCardData

    kind = "video" if facts.blueprint.dimensions == 3 else "image"
    test, data = provenance.get("test", {}), provenance.get("data", "")
    results = None
    if "top1" in test:
        results = [
            EvalResult(
                task_type=f"{kind}-classification",
                dataset_type=data,
                dataset_name=data,
                dataset_split="test",
                metric_type="accuracy",
                metric_value=round(test["top1"] / 100, 6),
            )
        ]
    classifies = isinstance(facts.task, Classification)
    metadata = ModelCardData(
        license=provenance["license"],
        library_name="autodas",
        pipeline_tag=f"{kind}-classification" if classifies else None,
        tags=["autodas", "neural-architecture-search", "pytorch_model_hub_mixin", "model_hub_mixin"],
        model_name=_name(facts),
        eval_results=results,
    )
    return f"---\n{metadata.to_yaml()}\n---\n\n{_text(facts, provenance, kind)}"


def _name(facts: ModelFacts) -> str:
    return facts.blueprint.name or "network of autodas"


def _text(facts: ModelFacts, provenance: Mapping[str, Any], kind: str) -> str:
    cost = facts.profile()
    test, license = provenance.get("test"), provenance["license"]
    data, result = "unknown", "unknown: the weights come without the run that trained them"
    if test is not None:
        data = f"`{provenance['data']}`, {provenance['epochs']} epochs"
        result = facts.task.result_line(test)
        if "standard_error" in test:
            result += f"; standard error {test['standard_error']:.2f}"
    lines = [
        f"# {_name(facts)}",
        "",
        f"Network for {kind}s, trained with autodas {facts.version}.",
        "",
        f"- **Data:** {data}",
        f"- **Result:** {result}",
        f"- **Outputs:** {facts.task.outputs}",
        f"- **Size:** {cost.parameters:,} parameters, {cost.multiply_adds:,} multiply-adds",
        f"- **Licence of the weights:** {license if license != UNKNOWN else 'unknown, ask the authors'}",
        "",
        "## Input",
        "",
        _preprocessing(facts),
        "",
        "## Use",
        "",
        "```python",
        "from autodas.hub import HubNetwork",
        "",
        'network = HubNetwork.from_pretrained("...")  # name on the Hub, or folder',
        "facts = network.facts",
        f'outputs = network(facts.preprocess("{"clip.mp4" if kind == "video" else "picture.png"}"))',
        "print(facts.task.predict(outputs, top=3))",
        "```",
        "",
        "A downloaded folder can be used in place of a run: `autodas predict FOLDER FILE`.",
    ]
    if isinstance(facts.blueprint, CellBlueprint):
        skeleton = facts.blueprint.skeleton
        size = f"K = {skeleton.K}, C1 = {skeleton.C1}, C2 = {skeleton.C2}"
        lines += ["", "## Genotype", "", f"In the skeleton `{skeleton.name}` with {size}:", ""]
        lines += ["```json", facts.blueprint.genotype.to_json().rstrip(), "```"]
    return "\n".join(lines) + "\n"


def _preprocessing(facts: ModelFacts) -> str:
    """Return what happens to a sample before it reaches the network, in sentences."""
    side = facts.image_size
    if facts.clips is None:
        text = (
            f"The short side is resized to {stored_size(side)} pixels, bilinearly, and the centre is cropped"
        )
    else:
        text = f"Clips of {facts.clips.frames} frames ({facts.modality}) are resized and cropped"
    mean, std = (", ".join(f"{value:.4f}" for value in values) for values in (facts.mean, facts.std))
    return (
        f"{text} to {side} x {side}. Values from 0 to 1 are normalised with the mean {mean} and the standard "
        f"deviation {std} of the {facts.channels} channels. `facts.preprocess` does all of it."
    )
