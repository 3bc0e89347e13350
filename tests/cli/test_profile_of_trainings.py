"""``autodas profile`` of the run folder of a training: the network that was trained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.trained_networks import RECORDED, write_clips_network

from autodas.cli.main import main
from autodas.networks import HandcraftedBlueprint
from autodas.runs.folder import GENOTYPE
from autodas.training.model_file import ModelFacts, save_model


def profiled(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main(["profile", *words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_network_is_the_one_that_was_trained(capsys: pytest.CaptureFixture[str]) -> None:
    summary = json.loads((RECORDED / "summary.json").read_text())
    found = profiled(capsys, str(RECORDED))
    assert found["input"] == [1, 8, 8]
    assert found["classes"] == 10
    assert (found["parameters"], found["multiply_adds"]) == (summary["parameters"], summary["multiply_adds"])


def test_options_describe_another_network(capsys: pytest.CaptureFixture[str]) -> None:
    known = profiled(capsys, str(RECORDED))
    colour = profiled(capsys, str(RECORDED), "--channels=3", "--classes=10")
    stem = known["skeleton"]["C1"] * 9
    assert colour["parameters"] - known["parameters"] == 2 * stem
    preset = profiled(capsys, str(RECORDED), "--preset=cifar10-eval", "--skeleton.K=0")
    assert preset["skeleton"] == {"name": "cifar", "K": 0, "C1": 108, "C2": 144}
    assert preset["input"] == [1, 8, 8]


def test_clips_and_handcrafted_networks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = write_clips_network(tmp_path / "clips")
    facts.blueprint.genotype.save(tmp_path / "clips" / GENOTYPE)  # type: ignore[union-attr]
    found = profiled(capsys, str(tmp_path / "clips"))
    assert found["input"] == [3, 8, 16, 16]
    assert found["parameters"] == sum(p.numel() for p in facts.build().parameters())

    blueprint = HandcraftedBlueprint("resnet50-2d", 0.05)
    facts = ModelFacts(blueprint, ("a", "b"), 3, 16, (0.5,) * 3, (0.2,) * 3, clips=facts.clips)
    shutil.rmtree(tmp_path / "clips")
    (tmp_path / "clips").mkdir()
    torch.manual_seed(0)
    save_model(tmp_path / "clips" / "model.safetensors", facts.build(), facts)
    found = profiled(capsys, str(tmp_path / "clips"))
    assert (found["network"], found["width"]) == ("resnet50-2d", 0.05)
    assert found["parameters"] == sum(p.numel() for p in facts.build().parameters())
