"""Folders in the layout of the Hugging Face Hub, and their model cards."""

from __future__ import annotations

import json
import math
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.trained_networks import RECORDED, write_clips_network, write_images_network

import autodas
from autodas.errors import AutodasError

if find_spec("huggingface_hub") is None:
    pytest.skip("huggingface_hub is not installed", allow_module_level=True)
from autodas.hub import HubNetwork, write_hub


def card_of(folder: Path) -> Any:
    from huggingface_hub import ModelCard

    return ModelCard.load(folder / "README.md")


@torch.no_grad()
@pytest.mark.parametrize("kind", ["images", "clips"])
def test_written_and_loaded(tmp_path: Path, kind: str) -> None:
    if kind == "images":
        facts, x = write_images_network(tmp_path / "run", auxiliary=True), torch.randn(2, 3, 32, 32)
    else:
        facts, x = write_clips_network(tmp_path / "run"), torch.randn(2, 3, 8, 16, 16)
    write_hub(tmp_path / "hub", tmp_path / "run")
    network, _ = autodas.load_model(tmp_path / "run")
    assert sorted(path.name for path in (tmp_path / "hub").iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]
    for place in (tmp_path / "hub", str(tmp_path / "hub")):
        loaded = HubNetwork.from_pretrained(place)
        assert not loaded.training
        assert loaded.facts == facts
        assert torch.equal(loaded(x), network(x))
    # The folder stands in for a run, too.
    again, again_facts = autodas.load_model(tmp_path / "hub")
    assert again_facts == facts
    assert torch.equal(again(x), network(x))


@torch.no_grad()
def test_saved_again_by_its_own_method(tmp_path: Path) -> None:
    # What `push_to_hub` uploads.
    write_hub(tmp_path / "first", RECORDED, license="mit")
    HubNetwork.from_pretrained(tmp_path / "first").save_pretrained(tmp_path / "second")
    for name in ("README.md", "config.json"):
        assert (tmp_path / "first" / name).read_text() == (tmp_path / "second" / name).read_text()
    weights = [load_file(tmp_path / folder / "model.safetensors") for folder in ("first", "second")]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


class TestCard:
    def test_metadata(self, tmp_path: Path) -> None:
        write_hub(tmp_path / "hub", RECORDED, license="apache-2.0")
        data = card_of(tmp_path / "hub").data
        assert (data.license, data.library_name) == ("apache-2.0", "autodas")
        assert data.pipeline_tag == "image-classification"
        (result,) = data.eval_results
        # 36 of 360 (tests/runs/recorded/train/summary.json).
        assert (result.metric_type, result.metric_value, result.dataset_name) == ("accuracy", 0.1, "digits")

    def test_what_it_says(self, tmp_path: Path) -> None:
        write_hub(tmp_path / "hub", RECORDED)
        text = card_of(tmp_path / "hub").text
        assert "# sdas-b" in text
        assert "- **Data:** `digits`, 2 epochs" in text
        assert "test accuracy: 10.0 % (360 images, 95 % interval 7.3 to 13.5)" in text
        # sqrt(0.1 x 0.9 / 360), in percentage points; the small corrections of Wilson vanish in two digits.
        assert f"standard error {100 * math.sqrt(0.1 * 0.9 / 360):.2f}" in text
        # As in the summary of the run.
        assert "3,522 parameters, 26,976 multiply-adds" in text
        assert "Licence of the weights:** unknown, ask the authors" in text
        assert "resized to 8 pixels" in text
        assert "mean 0.3046 and the standard deviation 0.3753" in text
        assert '[["sep_conv_3x3", 0], ["dil_conv_3x3", 1]]' in text
        assert "K = 0, C1 = 4, C2 = 8" in text

    def test_its_example_runs(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import numpy as np
        import PIL.Image

        write_hub(tmp_path / "hub", RECORDED)
        monkeypatch.chdir(tmp_path)
        PIL.Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save("picture.png")
        example = card_of(tmp_path / "hub").text.partition("```python\n")[2].partition("```")[0]
        names: dict[str, Any] = {}
        exec(example.replace('"..."', '"hub"'), names)
        assert names["outputs"].shape == (1, 10)

    def test_weights_without_their_run(self, tmp_path: Path) -> None:
        write_images_network(tmp_path / "run")
        write_hub(tmp_path / "hub", tmp_path / "run" / "model.safetensors")
        card = card_of(tmp_path / "hub")
        assert "**Result:** unknown: the weights come without the run" in card.text
        assert card.data.eval_results is None

    def test_the_file_of_a_run_has_its_result(self, tmp_path: Path) -> None:
        write_hub(tmp_path / "hub", RECORDED / "model.safetensors")
        assert "test accuracy: 10.0 %" in card_of(tmp_path / "hub").text

    def test_folders_of_users_are_named_without_their_place(self, tmp_path: Path) -> None:
        shutil.copytree(RECORDED, tmp_path / "run")
        path = tmp_path / "run" / "summary.json"
        path.write_text(
            json.dumps({**json.loads(path.read_text()), "data": "imagefolder:/home/somebody/flowers"})
        )
        write_hub(tmp_path / "hub", tmp_path / "run")
        assert "`imagefolder:flowers`" in card_of(tmp_path / "hub").text
        assert not any("somebody" in file.read_text("latin-1") for file in (tmp_path / "hub").iterdir())

    def test_clips(self, tmp_path: Path) -> None:
        write_clips_network(tmp_path / "run")
        write_hub(tmp_path / "hub", tmp_path / "run")
        card = card_of(tmp_path / "hub")
        assert card.data.pipeline_tag == "video-classification"
        assert "Clips of 8 frames (rgb)" in card.text


class TestErrors:
    def test_no_trained_network(self, tmp_path: Path) -> None:
        with pytest.raises(AutodasError, match="contains no trained network"):
            write_hub(tmp_path / "hub", RECORDED.parent / "search")
        assert not [*tmp_path.iterdir()]

    @pytest.mark.parametrize("license", ["", "my own", "mit\nlanguage: en"])
    def test_a_licence_that_is_no_word(self, tmp_path: Path, license: str) -> None:
        with pytest.raises(AutodasError, match="must be one word of the Hub's list"):
            write_hub(tmp_path / "hub", RECORDED, license=license)

    def test_a_broken_summary(self, tmp_path: Path) -> None:
        shutil.copytree(RECORDED, tmp_path / "run")
        (tmp_path / "run" / "summary.json").write_text("{}")
        with pytest.raises(AutodasError, match=r"summary\.json: 'data' is missing"):
            write_hub(tmp_path / "hub", tmp_path / "run")

    def test_files_of_others(self, tmp_path: Path) -> None:
        write_hub(tmp_path / "hub", RECORDED)
        config = tmp_path / "hub" / "config.json"
        good = json.loads(config.read_text())
        for content, message in (
            ({}, r"config\.json: its description is broken: 'classes' is missing"),
            ({**good, "provenance": {}}, r"config\.json: provenance: 'license' is missing"),
            ({**good, "provenance": {"license": "mit", "test": 1}}, "provenance: test: "),
        ):
            config.write_text(json.dumps(content))
            with pytest.raises(AutodasError, match=message):
                HubNetwork.from_pretrained(tmp_path / "hub")
        config.unlink()
        with pytest.raises(AutodasError, match=r"config\.json is missing"):
            HubNetwork.from_pretrained(tmp_path / "hub")

    def test_weights_of_another_network(self, tmp_path: Path) -> None:
        write_hub(tmp_path / "hub", RECORDED)
        save_file({"weight": torch.zeros(1)}, tmp_path / "hub" / "model.safetensors")
        with pytest.raises(AutodasError, match="was not written by autodas"):
            HubNetwork.from_pretrained(tmp_path / "hub")
