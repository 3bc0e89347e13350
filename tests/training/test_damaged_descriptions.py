"""Model files whose description says something impossible are refused before a network is built."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from autodas.errors import AutodasError
from autodas.networks import CellBlueprint
from autodas.training.model_file import ModelFacts, load_model, save_model

pytestmark = pytest.mark.slow


@pytest.fixture
def trained(tools: Any) -> Path:
    facts = ModelFacts(CellBlueprint(tools.genotype(), tools.skeleton), ("a", "b"), 1, 32, (0.25,), (0.5,))
    save_model(tools.path / "model.safetensors", facts.build(), facts)
    path: Path = tools.path / "model.safetensors"
    return path


def refused(path: Path, change: Callable[[dict[str, Any]], object]) -> str:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        facts = json.loads(file.metadata()["autodas"])
    change(facts)
    save_file(load_file(path), path, {"autodas": json.dumps(facts)})
    start = time.process_time()
    with pytest.raises(AutodasError) as caught:
        load_model(path)
    assert time.process_time() - start < 2
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda f: f["skeleton"].update(K=10**9), "K=1000000000 must be at most 1000"),
        (lambda f: f["skeleton"].update(K=999), "11,996 edges, at most 10,000"),
        (lambda f: f["skeleton"].update(K=9), "do not fit the network"),
        (lambda f: f["skeleton"].update(C1=10**6), "C1=1000000 must be at most"),
        (lambda f: f["skeleton"].update(C2=65536), "do not fit the network"),
        (lambda f: f["skeleton"].update(C1="many"), "skeleton: C1: a whole number"),
        (lambda f: f["skeleton"].update(pool_norm="none at all"), "pool_norm: one of none, plain, affine"),
        (lambda f: f.update(image_size=10**6), "image_size: a whole number from 1 to 16,384"),
        (lambda f: f.update(mean=["dark"]), "mean[0]: a number is expected, found 'dark'"),
        (lambda f: f.update(mean=[]), "mean has 0 values, but there are 1 channels"),
        (lambda f: f.update(std=[0]), "std[0]: a number above 0 is expected, found 0"),
        (lambda f: f.update(classes=[]), "classes: a list of 1 to 1,000,000 items"),
        (lambda f: f.update(classes=[["a"], "b"]), "classes[0]: text is expected"),
        (lambda f: f.update(classes="ab"), "classes: a list is expected"),
        (lambda f: f.update(auxiliary="no"), "auxiliary: true or false"),
        (lambda f: f.update(clips={"frames": 10**9, "step": 1}), "clips: frames: a whole number"),
        (lambda f: f.update(clips={"frames": 4, "step": 1, "colour": 3}), "colour"),
        (lambda f: f.update(modality="sound"), "modality: one of rgb, flow"),
        (lambda f: f.update(handcrafted={"name": "resnet50-3d", "width": 10**9}), "width=1000000000"),
        (lambda f: f.update(handcrafted=["resnet50-3d"]), "handcrafted: a mapping is expected"),
        (lambda f: f.pop("skeleton"), "'skeleton' is missing"),
        (lambda f: f["genotype"]["cells"]["normal"].update(inputs=10**9), "at most 100 are possible"),
    ],
)
def test_what_cannot_be(change: Callable[[dict[str, Any]], object], expected: str, trained: Path) -> None:
    assert expected in refused(trained, change)
