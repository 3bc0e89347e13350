from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from autodas import __version__
from autodas.errors import AutodasError
from autodas.networks import CellBlueprint, count_parameters
from autodas.training.model_file import ModelFacts, load_model, save_model


def facts_of(tools: Any, auxiliary: bool = False) -> ModelFacts:
    return ModelFacts(
        CellBlueprint(tools.genotype(), tools.skeleton),
        tuple(f"Klasse {i}, größer" for i in range(7)),
        1,
        32,
        (0.25,),
        (0.5,),
        auxiliary=auxiliary,
    )


@pytest.fixture
def trained(tools: Any) -> tuple[Path, Any, ModelFacts]:
    facts = facts_of(tools)
    torch.manual_seed(0)
    network = facts.build()
    network.train()
    network(torch.randn(8, 1, 32, 32))  # running statistics of its own
    path = tools.path / "model.safetensors"
    save_model(path, network, facts)
    return path, network.eval(), facts


def refused(path: Path) -> str:
    with pytest.raises(AutodasError) as caught:
        load_model(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("auxiliary", [False, True])
def test_round_trip(tools: Any, auxiliary: bool) -> None:
    facts = facts_of(tools, auxiliary)
    torch.manual_seed(3)
    network = facts.build().train()
    images = torch.randn(4, 1, 32, 32)
    network(images)
    network.eval()
    path = tools.path / "model.safetensors"
    save_model(path, network, facts)
    for place in (path, str(path), tools.path):
        loaded, found = load_model(place)
        assert found == facts
        assert not loaded.training
        assert (loaded.auxiliary is not None) == auxiliary
        with torch.no_grad():
            assert torch.equal(loaded(images), network(images))


def test_what_follows_pools_is_kept(tools: Any) -> None:
    plain = facts_of(tools)
    affine = replace(tools.skeleton, pool_norm="affine")
    facts = replace(plain, blueprint=CellBlueprint(tools.genotype(), affine))
    cells = tools.genotype().cells.values()
    pools = sum(e.operation.endswith("pool_3x3") for cell in cells for _, e in cell.edges())
    network = facts.build().eval()
    assert (count_parameters(network) > count_parameters(plain.build())) == (pools > 0)
    path = tools.path / "model.safetensors"
    save_model(path, network, facts)
    loaded, found = load_model(path)
    assert found == facts
    x = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        assert torch.equal(loaded(x), network(x))


def test_the_file_says_all_that_is_needed(trained: tuple[Path, Any, ModelFacts], tools: Any) -> None:
    # Genotype, class names, image size, normalisation and version.
    from safetensors import safe_open

    path, network, facts = trained
    with safe_open(path, "pt") as file:
        content = json.loads(file.metadata()["autodas"])
    assert content == {
        "genotype": tools.genotype().to_dict(),
        "skeleton": {"name": "cifar", "K": 0, "C1": 4, "C2": 16, "pool_norm": "none"},
        "classes": list(facts.classes),
        "channels": 1,
        "image_size": 32,
        "mean": [0.25],
        "std": [0.5],
        "auxiliary": False,
        "version": __version__,
    }
    assert load_file(path).keys() == network.state_dict().keys()


def test_truncated_anywhere(trained: tuple[Path, Any, ModelFacts]) -> None:
    path, *_ = trained
    content = path.read_bytes()
    lengths = {*range(0, 200, 3), *range(200, len(content), len(content) // 60), len(content) - 1}
    for length in sorted(lengths):
        path.write_bytes(content[:length])
        refused(path)


def test_foreign_and_missing(trained: tuple[Path, Any, ModelFacts], tools: Any) -> None:
    path, network, _ = trained
    for content in (b"", b"hello", pickle.dumps({"a": 1}), b"\x00" * 100, b"\xff" * 100):
        path.write_bytes(content)
        refused(path)
    torch.save(network.state_dict(), path)
    refused(path)
    save_file({"weight": torch.ones(2)}, path)
    assert "not written by autodas" in refused(path)
    path.unlink()
    refused(path)
    with pytest.raises(AutodasError, match="contains no trained network; run 'autodas train' first"):
        load_model(tools.path)


def test_broken_descriptions(trained: tuple[Path, Any, ModelFacts]) -> None:
    path, network, facts = trained
    good = json.loads(facts.to_json())
    tensors = network.state_dict()
    bad: list[Any] = ["not json", "[]", "3", "{}", "null"]
    for key in good:
        bad.append(json.dumps({k: v for k, v in good.items() if k != key}))
    bad.append(json.dumps({**good, "genotype": {**good["genotype"], "schema": 9}}))
    for text in bad:
        save_file(tensors, path, {"autodas": text})
        refused(path)
    for skeleton in ({"name": "nowhere", "K": 0, "C1": 4, "C2": 16}, {**good["skeleton"], "K": -1}):
        save_file(tensors, path, {"autodas": json.dumps({**good, "skeleton": skeleton})})
        with pytest.raises(AutodasError, match="skeleton"):
            load_model(path)


def test_weights_of_another_network(trained: tuple[Path, Any, ModelFacts]) -> None:
    path, network, facts = trained
    colour = replace(facts, channels=3, mean=facts.mean * 3, std=facts.std * 3)
    for other in (replace(facts, classes=("a", "b")), colour):
        save_model(path, network, other)
        assert "do not fit the network" in refused(path)


def test_a_full_disk_keeps_the_old_file(
    trained: tuple[Path, Any, ModelFacts], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, network, facts = trained
    before = path.read_bytes()

    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(AutodasError, match="No space left on device"):
        save_model(path, network, facts)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
