"""Trained networks for videos: how clips and flow are made travels with the weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

from autodas.data import Clips, FlowEncoding
from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.networks import CellBlueprint
from autodas.spaces import get_skeleton
from autodas.training.model_file import ModelFacts, load_model, save_model

GENOTYPE = Path(__file__).parents[2] / "docs/genotypes/oadv_example.json"
FLOW = ModelFacts(
    CellBlueprint(Genotype.load(GENOTYPE), get_skeleton("video").with_size(0, 4, 8)),
    ("a", "b"),
    2,
    16,
    (0.5, 0.5),
    (0.1, 0.1),
    clips=Clips(8, fps=12.5, starts="grid"),
    modality="flow",
    flow=FlowEncoding("dis"),
)


def with_facts(path: Path, **changes: Any) -> Path:
    """Write the network with other facts; those that are ``None`` are left out."""
    facts = {**json.loads(FLOW.to_json()), **changes}
    facts = {key: value for key, value in facts.items() if value is not None}
    tensors = {name: tensor.contiguous() for name, tensor in FLOW.build().state_dict().items()}
    save_file(tensors, path, {"autodas": json.dumps(facts)})
    return path


@pytest.mark.slow
def test_clips_and_flow_travel_with_the_weights(tmp_path: Path) -> None:
    for clips in (FLOW.clips, Clips(8, 2), Clips(8, sampling="sparse")):
        facts = replace(FLOW, clips=clips)
        save_model(tmp_path / "model.safetensors", facts.build(), facts)
        assert load_model(tmp_path)[1] == facts


def test_files_of_version_0_1_are_read(tmp_path: Path) -> None:
    clips = {"frames": 16, "step": 3}
    path = with_facts(tmp_path / "old.safetensors", clips=clips, modality="rgb", flow=None, version="0.1.0")
    _, facts = load_model(path)
    assert facts.clips == Clips(16, 3)
    assert facts.clips.evaluation(100, 0, 2) == list(range(0, 48, 3))


def test_flow_in_other_bytes_is_refused(tmp_path: Path) -> None:
    """Of version 0.1, which does not say, and of any other bound."""
    for flow in (None, {"method": "tvl1", "bound": 0.5}):
        path = with_facts(tmp_path / "old.safetensors", flow=flow, version="0.1.0")
        with pytest.raises(
            AutodasError, match=r"trained on optical flow in bytes of another range \(autodas 0.1.0"
        ):
            load_model(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"clips": {"frames": 0, "step": 1}},
        {"clips": {"frames": 8, "speed": 1}},
        {"clips": {"frames": 8, "sampling": "some"}},
        {"clips": [8, 1]},
        {"flow": {"method": "guess", "bound": 0.1}},
        {"flow": {"method": "dis", "bound": "large"}},
        {"flow": 3},
    ],
)
def test_broken_descriptions(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(AutodasError, match="its description is broken"):
        load_model(with_facts(tmp_path / "broken.safetensors", **changes))
