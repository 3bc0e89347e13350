"""The detector: its parts, its start from scratch, its losses and its file."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tests.trained_networks import RECORDED, VIDEO_GENOTYPE, write_images_network
from torch import nn

from autodas.backbones import backbone
from autodas.detection import (
    Detector,
    DetectorFacts,
    Found,
    TimmBackbone,
    is_detector,
    load_detector,
    save_detector,
)
from autodas.detection_options import DetectorSettings
from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.networks import Blueprint, CellBlueprint
from autodas.spaces import get_skeleton
from autodas.training.model_file import load_model
from autodas.zoo import load_genotype

if find_spec("transformers") is None:
    pytest.skip("transformers is not installed", allow_module_level=True)

SMALL = DetectorSettings(
    hidden=32, feedforward=32, heads=2, decoder_layers=2, queries=12, denoising=6, expansion=0.5
)
LABELS = torch.tensor([[[0, 0.1, 0.2, 0.5, 0.6], [2, 0.5, 0.5, 0.9, 1.0]], [[1, 0, 0, 0.3, 0.3], [-1] * 5]])
"""Two boxes in the first image, one in the second."""


def network() -> CellBlueprint:
    return CellBlueprint(load_genotype("darts_v2"), get_skeleton("imagenet").with_size(1, 8, 16))


def detector(own: Blueprint | TimmBackbone | None = None, settings: DetectorSettings = SMALL) -> Detector:
    torch.manual_seed(0)
    return Detector(own or network(), settings, 3)


def images() -> torch.Tensor:
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


class TestParts:
    def test_sizes_are_those_asked_for(self) -> None:
        built = detector()
        own = backbone(network(), (0, 1, 2, 3))
        assert built.network_parameters == sum(weight.numel() for weight in own.parameters())
        config = built.model.config
        assert (config.d_model, config.num_queries, config.decoder_layers) == (32, 12, 2)
        assert config.encoder_in_channels == [16, 32, 64]

    def test_convolutions_and_normalisation_start_as_in_torch(self) -> None:
        """Those of transformers would let hardly anything pass."""
        for name, module in detector().model.named_modules():
            if isinstance(module, nn.BatchNorm2d) and module.affine:
                assert (module.weight == 1).all(), name
                assert (module.bias == 0).all(), name
            if isinstance(module, nn.Conv2d) and module.weight.numel() > 500:
                # Uniform within 1 / sqrt(n) for n inputs of an output: a deviation of 1 / sqrt(3 n).
                spread = module.weight[0].numel() ** -0.5 / 3**0.5
                assert module.weight.std().item() == pytest.approx(spread, rel=0.2), name

    def test_every_parameter_learns(self) -> None:
        built = detector().train()
        built.losses(images(), LABELS).total.backward()
        still = [name for name, weight in built.named_parameters() if weight.grad is None]
        assert still == []

    def test_strides_that_the_network_has_not(self) -> None:
        with pytest.raises(AutodasError, match=r"'DARTS_V2' has no map of stride 64, but of 4, 8, 16, 32"):
            detector(settings=DetectorSettings(strides=(32, 64)))

    def test_networks_for_clips(self) -> None:
        clips = CellBlueprint(Genotype.load(VIDEO_GENOTYPE), get_skeleton("video"))
        with pytest.raises(AutodasError, match="is a network for clips"):
            detector(clips)

    def test_one_stride(self) -> None:
        built = detector(settings=DetectorSettings(**{**vars(SMALL), "strides": (8,)})).train()
        built.losses(images(), LABELS).total.backward()

    def test_networks_of_timm(self) -> None:
        pytest.importorskip("timm")
        built = detector(TimmBackbone("resnet10t")).train()
        assert built.model.config.encoder_in_channels == [128, 256, 512]
        built.losses(images(), LABELS).total.backward()
        with pytest.raises(AutodasError, match="timm has no such model"):
            detector(TimmBackbone("resnet18x"))
        with pytest.raises(AutodasError, match=r"'timm:vit_tiny_patch16_224' has no map of stride 8"):
            detector(TimmBackbone("vit_tiny_patch16_224"))

    @pytest.mark.parametrize("library", ["transformers", "timm"])
    def test_missing_libraries(self, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, library, None)
        extra = {"transformers": "detection", "timm": "timm"}[library]
        with pytest.raises(AutodasError, match=rf"pip install 'autodas\[{extra}\]'"):
            detector(TimmBackbone("resnet10t"))


class TestLosses:
    @torch.no_grad()
    def test_of_the_last_layer_against_the_formulas(self) -> None:
        """L1 of centre and sides, and 1 - GIoU, of the query to which transformers assigns the only box."""
        built = detector().eval()  # without denoising
        labels = LABELS[1:, :1]
        losses = built.losses(images()[:1], labels)
        output = built.model(pixel_values=images()[:1])
        target = torch.tensor([0.15, 0.15, 0.3, 0.3])
        distances = (output.pred_boxes[0] - target).abs().sum(1)
        edge = float(losses.last[1]) / 5  # its weight
        query = int((distances - edge).abs().argmin())
        assert edge == pytest.approx(float(distances[query]), rel=1e-5)
        x, y, w, h = output.pred_boxes[0, query].tolist()
        left, top, right, bottom = x - w / 2, y - h / 2, x + w / 2, y + h / 2
        inside = max(0, min(right, 0.3) - max(left, 0)) * max(0, min(bottom, 0.3) - max(top, 0))
        union = w * h + 0.09 - inside
        hull = (max(right, 0.3) - min(left, 0)) * (max(bottom, 0.3) - min(top, 0))
        overlap = inside / union - (hull - union) / hull
        assert float(losses.last[2]) == pytest.approx(2 * (1 - overlap), rel=1e-4)

    def test_images_without_boxes(self) -> None:
        losses = detector().train().losses(images(), torch.full((2, 1, 5), -1.0))
        assert torch.isfinite(losses.total)
        assert losses.last[1:].tolist() == [0, 0]

    def test_learns_a_few_images_by_heart(self) -> None:
        built = detector().train()
        optimiser = torch.optim.AdamW(built.parameters(), lr=2e-3)
        first = None
        for _ in range(60):
            optimiser.zero_grad()
            losses = built.losses(images(), LABELS)
            losses.total.backward()
            optimiser.step()
            first = first or float(losses.last[1])
        assert float(losses.last[1]) < first / 3  # type: ignore[operator]


class TestFound:
    @torch.no_grad()
    def test_the_best_boxes_come_first(self) -> None:
        built = detector().eval()
        found = built(images(), most=10)
        output = built.model(pixel_values=images())
        scores = output.logits.sigmoid()
        assert found.scores.shape == (2, 10)
        for number in range(2):
            best = sorted(scores[number].flatten().tolist(), reverse=True)[:10]
            assert found.scores[number].tolist() == pytest.approx(best)
            place = int(scores[number].argmax())
            x, y, w, h = output.pred_boxes[number, place // 3].tolist()
            expected = np.clip([x - w / 2, y - h / 2, x + w / 2, y + h / 2], 0, 1)
            assert found.boxes[number, 0].tolist() == pytest.approx(expected.tolist(), abs=1e-6)
            assert found.classes[number, 0] == place % 3

    def test_in_pixels(self) -> None:
        found = Found(torch.tensor([[0.9]]), torch.tensor([[1]]), torch.tensor([[[0.25, 0.5, 0.5, 1.0]]]))
        prediction = found.prediction(0, (640, 480))
        assert prediction.boxes.tolist() == [[160, 240, 320, 480]]
        assert prediction.labels.tolist() == [1]

    def test_outputs_that_are_not_finite(self) -> None:
        found = Found(torch.tensor([[float("nan")]]), torch.tensor([[1]]), torch.zeros(1, 1, 4))
        with pytest.raises(AutodasError, match="weights have diverged"):
            found.prediction(0, (640, 480))


class TestWeights:
    def test_of_a_trained_network(self, tmp_path: Path) -> None:
        # Maps of the strides 1, 2 and 4.
        write_images_network(tmp_path / "net")
        trained, facts = load_model(tmp_path / "net")
        built = detector(facts.blueprint, DetectorSettings(**{**vars(SMALL), "strides": (1, 2, 4)}))
        built.load_network(tmp_path / "net")
        own = built.model.model.backbone.model.body.network.state_dict()
        given = trained.state_dict()
        assert own
        assert all(torch.equal(tensor, given[name]) for name, tensor in own.items())

    def test_of_a_network_for_grey_values(self) -> None:
        trained, facts = load_model(RECORDED)
        built = detector(facts.blueprint, DetectorSettings(**{**vars(SMALL), "strides": (1, 2, 4)}))
        built.load_network(RECORDED)
        own = built.model.model.backbone.model.body.network
        first = next(name for name, tensor in own.state_dict().items() if tensor.dim() == 4)
        kernel, given = own.state_dict()[first], trained.state_dict()[first]
        assert torch.allclose(kernel.sum(1), given[:, 0])

    def test_frozen_normalisation(self, tmp_path: Path) -> None:
        write_images_network(tmp_path / "net")
        settings = DetectorSettings(**{**vars(SMALL), "strides": (1, 2, 4), "frozen_norm": True})
        built = detector(load_model(tmp_path / "net")[1].blueprint, settings).train()
        body = built.model.model.backbone.model.body
        norms = [module for module in body.modules() if isinstance(module, nn.BatchNorm2d)]
        assert norms
        assert not any(norm.training for norm in norms)


def facts_of(**changes: Any) -> DetectorFacts:
    settings: dict[str, Any] = {
        "network": network(),
        "settings": SMALL,
        "classes": ("a", "b", "c"),
        "image_size": 64,
        "mean": (0.4, 0.5, 0.6),
        "std": (0.2, 0.2, 0.3),
    }
    return DetectorFacts(**{**settings, **changes})


class TestFile:
    def test_holds_everything(self, tmp_path: Path) -> None:
        facts, path = facts_of(), tmp_path / "model.safetensors"
        torch.manual_seed(4)
        built = facts.build()
        with torch.no_grad():
            built.train().losses(images(), LABELS)  # moves running statistics
        save_detector(path, built, facts)
        loaded, read = load_detector(path)
        assert read == facts
        assert load_detector(tmp_path)[1] == facts
        assert not loaded.training
        with torch.no_grad():
            assert torch.equal(loaded(images()).scores, built.eval()(images()).scores)
        assert is_detector(path)
        assert is_detector(tmp_path)

    def test_of_a_network_of_timm(self, tmp_path: Path) -> None:
        pytest.importorskip("timm")
        facts = facts_of(network=TimmBackbone("resnet10t"))
        save_detector(tmp_path / "model.safetensors", facts.build(), facts)
        assert load_detector(tmp_path)[1].network == TimmBackbone("resnet10t")

    def test_is_not_taken_for_a_classifier(self, tmp_path: Path) -> None:
        facts = facts_of()
        save_detector(tmp_path / "model.safetensors", facts.build(), facts)
        with pytest.raises(AutodasError, match="holds a detector, where a network that classifies"):
            load_model(tmp_path)
        write_images_network(tmp_path / "net")
        assert not is_detector(tmp_path / "net")
        with pytest.raises(AutodasError, match="holds a network that classifies, where a detector"):
            load_detector(tmp_path / "net")
        save_file({"a": torch.zeros(1)}, tmp_path / "foreign.safetensors")
        assert not is_detector(tmp_path / "foreign.safetensors")
        with pytest.raises(AutodasError, match="was not written by autodas"):
            load_detector(tmp_path / "foreign.safetensors")
        assert not is_detector(tmp_path / "missing.safetensors")

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            (lambda facts: facts.pop("classes"), "'classes' is missing"),
            (lambda facts: facts["detector"].update(hidden=30), "hidden=30 must be a multiple"),
            (lambda facts: facts["detector"].update(queries=10**9), "queries: a whole number"),
            (lambda facts: facts.update(image_size=65), "image_size=65 must be a multiple of 32"),
            (lambda facts: facts.update(mean=[0.5]), "mean: a list of 3"),
            (lambda facts: facts.update(skeleton={}), "skeleton"),
            (lambda facts: facts["detector"].update(decoder_layers=3), "weights do not fit"),
            (lambda facts: facts.update(timm="no_such_model"), "timm has no such model"),
        ],
    )
    def test_that_is_damaged(self, tmp_path: Path, change: Any, expected: str) -> None:
        if expected.startswith("timm"):
            pytest.importorskip("timm")
        facts, path = facts_of(), tmp_path / "model.safetensors"
        save_detector(path, facts.build(), facts)
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            description = json.loads(file.metadata()["autodas_detector"])
        change(description)
        save_file(tensors, path, {"autodas_detector": json.dumps(description)})
        with pytest.raises(AutodasError, match=expected) as caught:
            load_detector(path)
        assert str(path) in str(caught.value)

    def test_preprocessing_is_that_of_the_evaluation(self) -> None:
        from tests.detection.conftest import paint

        image, facts = paint(80, 60, [("cell", 10, 10, 40, 40)]), facts_of()
        pixels = np.asarray(image.resize((64, 64), 2), dtype=np.float64) / 255
        expected = (pixels - facts.mean) / facts.std
        assert np.allclose(facts.preprocess(image)[0].permute(1, 2, 0), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"hidden": 30}, "hidden=30 must be a multiple of 4 and of heads=8"),
        ({"hidden": 36}, "hidden=36 must be a multiple of 4 and of heads=8"),
        ({"queries": 0}, "queries=0 must be at least 1"),
        ({"denoising": -1}, "denoising=-1 must be at least 0"),
        ({"expansion": 0.0}, "expansion=0.0 must lie above 0"),
        ({"strides": (8, 32)}, "strides=8,32 must be whole numbers, each twice the one before"),
        ({"strides": ()}, "strides= must be whole numbers"),
    ],
)
def test_sizes_out_of_range(settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(AutodasError, match=expected):
        DetectorSettings(**settings)


def test_sizes_of_images() -> None:
    DetectorSettings(queries=84).check_image_size(64)  # 8 x 8, 4 x 4 and 2 x 2 places
    with pytest.raises(AutodasError, match="queries=85 is more than the 84 places"):
        DetectorSettings(queries=85).check_image_size(64)
    with pytest.raises(AutodasError, match="image_size=80 must be a multiple of 32"):
        DetectorSettings().check_image_size(80)
