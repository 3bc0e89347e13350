"""Folders that timm loads by itself."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from tests.trained_networks import RECORDED, write_clips_network, write_images_network

import autodas
from autodas.errors import AutodasError
from autodas.export._timm import write_timm

if find_spec("timm") is None:
    pytest.skip("timm is not installed", allow_module_level=True)
from autodas.timm import create_model


@torch.no_grad()
@pytest.mark.parametrize("auxiliary", [False, True])
def test_written_and_loaded(tmp_path: Path, auxiliary: bool) -> None:
    facts = write_images_network(tmp_path / "run", auxiliary=auxiliary)
    write_timm(tmp_path / "timm", tmp_path / "run")
    network, _ = autodas.load_model(tmp_path / "run")
    (tmp_path / "run" / "model.safetensors").unlink()
    assert sorted(path.name for path in (tmp_path / "timm").iterdir()) == ["config.json", "model.safetensors"]
    x = torch.randn(2, 3, 32, 32)
    model = create_model(f"local-dir:{tmp_path / 'timm'}", pretrained=True).eval()
    assert torch.allclose(model(x), network(x), atol=1e-5)
    assert model.pretrained_cfg["mean"] == [0.4, 0.5, 0.6]
    assert model.pretrained_cfg["input_size"][0] == 3
    assert json.loads((tmp_path / "timm" / "config.json").read_text())["label_names"] == [*facts.classes]
    # The weights remain a model file of autodas.
    again, again_facts = autodas.load_model(tmp_path / "timm")
    assert (again_facts.classes, again_facts.auxiliary) == (facts.classes, False)
    assert torch.equal(again(x), network(x))


@torch.no_grad()
def test_loaded_for_other_classes_and_as_features(tmp_path: Path) -> None:
    write_timm(tmp_path / "timm", RECORDED)
    network, _ = autodas.load_model(RECORDED)
    name, x = f"local-dir:{tmp_path / 'timm'}", torch.randn(2, 1, 8, 8)
    model = create_model(name, pretrained=True, num_classes=4).eval()
    assert model(x).shape == (2, 4)
    assert torch.allclose(model.forward_features(x), network.features(x), atol=1e-6)
    maps = create_model(name, pretrained=True, features_only=True).eval()(x)
    assert [y.shape[1] for y in maps] == [4, 16, 32]
    assert torch.allclose(maps[-1], network.features(x), atol=1e-6)


def test_networks_that_timm_cannot_have(tmp_path: Path) -> None:
    write_clips_network(tmp_path / "clips")
    with pytest.raises(AutodasError, match="clips: a network for clips, but those of timm are for images"):
        write_timm(tmp_path / "timm", tmp_path / "clips")
    with pytest.raises(AutodasError, match="contains no trained network"):
        write_timm(tmp_path / "timm", RECORDED.parent / "search")
    assert not (tmp_path / "timm").exists()
