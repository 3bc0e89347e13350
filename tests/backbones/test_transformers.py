"""Detectors and segmentation models of transformers on a network of autodas."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.trained_networks import RECORDED, write_clips_network, write_images_network
from torch import Tensor, nn

import autodas
from autodas.errors import AutodasError

if find_spec("transformers") is None:
    pytest.skip("transformers is not installed", allow_module_level=True)
from autodas.transformers import AutodasBackbone, AutodasBackboneConfig

SMALL: dict[str, Any] = {"genotype": "darts_v2", "K": 1, "C1": 8, "C2": 16}
"""Maps of 16, 16, 32 and 64 channels, strides 4, 8, 16 and 32."""


def images() -> Tensor:
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def segmenter(**settings: Any) -> Any:
    from transformers import UperNetConfig, UperNetForSemanticSegmentation

    torch.manual_seed(0)
    body = AutodasBackboneConfig(out_indices=(0, 1, 2, 3), **{**SMALL, **settings})
    config = UperNetConfig(
        backbone_config=body,
        num_labels=4,
        hidden_size=16,
        auxiliary_channels=8,
        auxiliary_in_channels=body.channels[2],
    )
    return UperNetForSemanticSegmentation(config)


def detector(body: AutodasBackboneConfig, **settings: Any) -> Any:
    from transformers import RTDetrConfig, RTDetrForObjectDetection

    torch.manual_seed(0)
    config = RTDetrConfig(
        backbone_config=body,
        encoder_in_channels=body.channels,
        feat_strides=body.strides,
        encoder_hidden_dim=32,
        encoder_ffn_dim=32,
        encoder_attention_heads=2,
        d_model=32,
        decoder_in_channels=[32, 32, 32],
        decoder_ffn_dim=32,
        decoder_layers=2,
        decoder_attention_heads=2,
        num_queries=10,
        num_denoising=4,
        num_labels=3,
        **settings,
    )
    return RTDetrForObjectDetection(config)


class TestBackbone:
    @torch.no_grad()
    def test_maps_of_the_chosen_levels(self) -> None:
        config = AutodasBackboneConfig(out_features=["stride8", "stride32"], **SMALL)
        body = AutodasBackbone(config).eval()
        output = body(images())
        assert body.channels == config.channels == [y.shape[1] for y in output.feature_maps] == [16, 64]
        assert config.strides == [64 // y.shape[2] for y in output.feature_maps] == [8, 32]
        assert config.out_indices == [1, 3]
        for own, other in zip(output.feature_maps, [*body.body(images())][1::2], strict=True):
            assert torch.equal(own, other)

    @torch.no_grad()
    def test_forms_of_the_output(self) -> None:
        body = AutodasBackbone(AutodasBackboneConfig(out_indices=[1, 2], **SMALL)).eval()
        plain = body(images())
        assert plain.hidden_states is None
        everything = body(images(), output_hidden_states=True)
        # All levels up to the deepest.
        assert [y.shape[1] for y in everything.hidden_states] == [16, 16, 32]
        assert torch.equal(everything.hidden_states[2], plain.feature_maps[1])
        (maps,) = body(images(), return_dict=False)
        assert torch.equal(maps[0], plain.feature_maps[0])

    def test_the_last_level_is_the_default(self) -> None:
        assert AutodasBackboneConfig(**SMALL).out_features == ["stride32"]

    def test_weights_are_initialised_as_by_autodas(self) -> None:
        # Uniform with a bound of 1 / sqrt(fan in), not normal with one deviation for all layers.
        network = AutodasBackbone(AutodasBackboneConfig(**SMALL)).body.network
        weight = network.cells[0].preprocess1.conv.weight
        bound = weight[0].numel() ** -0.5
        assert 0.9 * bound < weight.abs().max() <= bound
        assert torch.equal(network.stem.second[2].running_var, torch.ones(16))

    @torch.no_grad()
    def test_saved_and_loaded(self, tmp_path: Path) -> None:
        from transformers import AutoBackbone, AutoConfig

        body = AutodasBackbone(AutodasBackboneConfig(out_indices=(1, 3), frozen_norm=False, **SMALL))
        body(images())
        body.eval().save_pretrained(tmp_path)
        again = AutodasBackbone.from_pretrained(tmp_path).eval()
        for own, other in zip(body(images()).feature_maps, again(images()).feature_maps, strict=True):
            assert torch.allclose(own, other, atol=1e-6)
        assert body.state_dict().keys() == again.state_dict().keys()
        for name, tensor in body.state_dict().items():
            assert torch.equal(tensor, again.state_dict()[name]), name
        config = AutoConfig.from_pretrained(tmp_path)
        assert type(config) is AutodasBackboneConfig
        assert type(AutoBackbone.from_config(config)) is AutodasBackbone
        assert config.to_dict() == again.config.to_dict()

    @torch.no_grad()
    def test_of_a_trained_network(self) -> None:
        network, facts = autodas.load_model(RECORDED)
        body = AutodasBackbone.from_trained(RECORDED).eval()
        x = torch.randn(2, 1, 8, 8)
        assert body.config.num_channels == facts.channels == 1
        assert torch.equal(body(x).feature_maps[-1], network.features(x))

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({}, "genotype is missing"),
            ({"genotype": "resnet50-2d"}, "'resnet50-2d' is a network for clips"),
            ({"genotype": "darts_v7"}, "did you mean"),
            ({"genotype": RECORDED, "K": 1}, "K is for genotypes"),
        ],
    )
    def test_networks_that_it_refuses(self, settings: dict[str, Any], message: str) -> None:
        with pytest.raises(AutodasError, match=message):
            AutodasBackbone(AutodasBackboneConfig(**settings))

    def test_clips_and_untrained_networks(self, tmp_path: Path) -> None:
        write_clips_network(tmp_path)
        with pytest.raises(AutodasError, match="a network for clips"):
            AutodasBackbone.from_trained(tmp_path)
        with pytest.raises(AutodasError, match="darts_v2: has no trained weights"):
            AutodasBackbone.from_trained("darts_v2")


class TestSegmentation:
    def test_a_step_of_training_lowers_the_loss(self) -> None:
        model, x = segmenter().train(), images()
        labels = torch.randint(0, 4, (2, 64, 64), generator=torch.Generator().manual_seed(2))
        before = model(x, labels=labels)
        assert before.logits.shape == (2, 4, 64, 64)
        before.loss.backward()
        assert all(p.grad is not None for p in model.parameters())
        assert all(p.grad.abs().max() > 0 for p in model.backbone.body.network.stem.parameters())
        with torch.no_grad():
            for p in model.parameters():
                p -= 0.1 * p.grad
            assert model(x, labels=labels).loss < before.loss

    @torch.no_grad()
    def test_saved_and_loaded(self, tmp_path: Path) -> None:
        model = segmenter()
        model(images())
        model.eval().save_pretrained(tmp_path)
        again = type(model).from_pretrained(tmp_path).eval()
        assert type(again.backbone) is AutodasBackbone
        assert torch.allclose(model(images()).logits, again(images()).logits, atol=1e-6)

    def test_frozen_normalisation(self) -> None:
        model = segmenter(frozen_norm=True).train()
        norms = [m for m in model.backbone.modules() if isinstance(m, nn.BatchNorm2d)]
        assert norms
        model(images())
        for norm in norms:
            assert not norm.weight.requires_grad
            assert torch.equal(norm.running_mean, torch.zeros_like(norm.running_mean))


class TestDetection:
    def test_forward_and_backward(self) -> None:
        model = detector(
            AutodasBackboneConfig(out_indices=(1, 2, 3), **SMALL), freeze_backbone_batch_norms=False
        )
        boxes = torch.tensor([[0.3, 0.3, 0.2, 0.2], [0.6, 0.5, 0.3, 0.4]])
        targets = [{"class_labels": torch.tensor([0, 2]), "boxes": boxes} for _ in range(2)]
        output = model.train()(images(), labels=targets)
        assert output.loss.isfinite()
        output.loss.backward()
        assert all(p.grad is not None for p in model.parameters())
        assert all(p.grad.abs().max() > 0 for p in model.model.backbone.model.body.network.stem.parameters())
        with torch.no_grad():
            found = model.eval()(images())
        assert (found.logits.shape, found.pred_boxes.shape) == ((2, 10, 3), (2, 10, 4))

    @torch.no_grad()
    def test_saved_and_loaded(self, tmp_path: Path) -> None:
        model = detector(AutodasBackboneConfig(out_indices=(1, 2, 3), **SMALL)).eval()
        model.save_pretrained(tmp_path)
        again = type(model).from_pretrained(tmp_path).eval()
        assert torch.allclose(model(images()).logits, again(images()).logits, atol=1e-5)

    @torch.no_grad()
    @pytest.mark.parametrize("freeze", [False, True])
    def test_with_the_weights_of_a_trained_network(self, tmp_path: Path, freeze: bool) -> None:
        # The detector replaces frozen normalisation by layers of its own, with the same names of weights.
        write_images_network(tmp_path)
        trained = AutodasBackbone.from_trained(tmp_path, out_indices=(0, 1, 2)).eval()
        model = detector(trained.config, freeze_backbone_batch_norms=freeze).eval()
        body = model.model.backbone.model
        body.load_state_dict(trained.state_dict())
        for own, other in zip(body(images()).feature_maps, trained(images()).feature_maps, strict=True):
            assert torch.allclose(own, other, atol=1e-5)
