"""The contract of timm: what its own tests of all models ask of one, and what its users write."""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from packaging.version import Version
from tests.trained_networks import RECORDED, write_clips_network, write_images_network
from torch import Tensor

import autodas
from autodas.errors import AutodasError
from autodas.optional_imports import import_timm

if find_spec("timm") is None:
    pytest.skip("timm is not installed", allow_module_level=True)
timm = import_timm()
import_module("autodas.timm")

SMALL: dict[str, Any] = {"genotype": "darts_v2", "K": 1, "C1": 8, "C2": 16}
"""On ImageNet's skeleton: maps of 16, 16, 32 and 64 channels, strides 4, 8, 16 and 32."""
SIDE = 64


def create(**settings: Any) -> Any:
    torch.manual_seed(0)
    return timm.create_model("autodas", **{**SMALL, **settings})


def images(count: int = 2, channels: int = 3, side: int = SIDE) -> Tensor:
    return torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    write_images_network(tmp_path / "run", auxiliary=True)
    return tmp_path / "run"


class TestModel:
    @torch.no_grad()
    def test_forward_and_its_parts(self) -> None:
        model, x = create(num_classes=5).eval(), images()
        logits = model(x)
        assert logits.shape == (2, 5)
        features = model.forward_features(x)
        assert features.shape == (2, model.num_features, 2, 2) == (2, 64, 2, 2)
        before = model.forward_head(features, pre_logits=True)
        assert torch.equal(before, features.mean((2, 3)))
        assert before.shape[1] == model.head_hidden_size
        assert torch.allclose(logits, before @ model.classifier.weight.T + model.classifier.bias, atol=1e-6)

    def test_every_parameter_gets_a_gradient(self) -> None:
        model = create(num_classes=42)
        model(images()).mean().backward()
        assert all(p.grad is not None for p in model.parameters())
        assert all(p.grad.isfinite().all() for p in model.parameters())

    def test_recomputed_cells_have_the_same_gradients(self) -> None:
        model, x = create(num_classes=3).eval(), images()
        found, recomputed = [], 0

        def count(*_: Any) -> None:
            nonlocal recomputed
            recomputed += 1

        model.cells[0].register_forward_pre_hook(count)
        for enable in (False, True):
            model.set_grad_checkpointing(enable)
            model.zero_grad()
            recomputed = 0
            loss = model(x).square().mean()
            loss.backward()
            found.append([loss, *(p.grad.clone() for p in model.parameters())])
            assert recomputed == 1 + enable
        for own, other in zip(*found, strict=True):
            assert torch.allclose(own, other, atol=1e-6)

    @torch.no_grad()
    @pytest.mark.parametrize("pool", ["avg", "max", "avgmax", "catavgmax"])
    def test_kinds_of_pools(self, pool: str) -> None:
        model, x = create(num_classes=3, global_pool=pool).eval(), images()
        y = model.forward_features(x)
        mean, most = y.mean((2, 3)), y.amax((2, 3))
        expected = {
            "avg": mean,
            "max": most,
            "avgmax": (mean + most) / 2,
            "catavgmax": torch.cat([mean, most], 1),
        }[pool]
        assert torch.allclose(model.forward_head(y, pre_logits=True), expected, atol=1e-6)
        assert model.head_hidden_size == expected.shape[1]
        assert model(x).shape == (2, 3)

    @torch.no_grad()
    def test_another_classifier(self) -> None:
        model, x = create(num_classes=5).eval(), images()
        before = model.forward_head(model.forward_features(x), pre_logits=True)
        assert model.get_classifier() is model.classifier
        assert model.get_classifier(name_only=True) == "classifier"
        model.reset_classifier(7)
        assert (model.num_classes, model(x).shape) == (7, (2, 7))
        assert not model.classifier.training
        model.reset_classifier(0)
        assert model.num_classes == 0
        assert torch.equal(model(x), before)
        model.reset_classifier(0, "")
        assert torch.equal(model(x), model.forward_features(x))
        model.reset_classifier(4, "catavgmax")
        assert model.classifier.in_features == 128

    @torch.no_grad()
    def test_no_classifier_from_the_start(self) -> None:
        model, x = create(num_classes=0).eval(), images()
        assert model(x).shape == (2, 64)
        assert create(num_classes=0, global_pool="").eval()(x).shape == (2, 64, 2, 2)

    def test_dropout_before_the_classifier(self) -> None:
        model = create(num_classes=3, drop_rate=0.5)
        y = torch.ones(200, 64, 2, 2)
        dropped = model.train().forward_head(y, pre_logits=True)
        assert set(dropped.unique().tolist()) == {0.0, 2.0}
        assert 0.4 < (dropped == 0).float().mean() < 0.6
        assert torch.equal(model.eval().forward_head(y, pre_logits=True), torch.ones(200, 64))

    def test_drop_path_in_training_alone(self) -> None:
        model, x = create(num_classes=3, drop_path_rate=0.5), images(4)
        for norm in model.modules():
            if isinstance(norm, torch.nn.BatchNorm2d):
                norm.momentum = 0.0
        with torch.no_grad():
            assert not torch.equal(model.train()(x), model(x))
            assert torch.equal(model.eval()(x), model(x))

    def test_groups_of_parameters_are_ordered_by_depth(self) -> None:
        model = create(K=2)
        fine = timm.models.group_parameters(model, model.group_matcher(), reverse=True)
        coarse = timm.models.group_parameters(model, model.group_matcher(coarse=True), reverse=True)
        assert fine.keys() == coarse.keys() == dict(model.named_parameters()).keys()
        # The stem, eight cells, the classifier; the stem, five stages, the classifier.
        assert (set(fine.values()), set(coarse.values())) == ({*range(10)}, {*range(7)})
        assert (fine["classifier.weight"], coarse["classifier.weight"]) == (9, 6)
        of_cell = {coarse[name] for name in coarse if name.startswith("cells.3.")}
        assert of_cell == {3}

    def test_channels_and_places(self) -> None:
        assert create(in_chans=5)(images(channels=5)).shape == (2, 1000)
        assert create(dtype=torch.float64).classifier.weight.dtype == torch.float64
        assert create(device="meta").classifier.weight.is_meta

    def test_it_is_in_the_registry(self) -> None:
        assert timm.is_model("autodas")
        assert "autodas" in timm.list_models("auto*")

    def test_weights_can_be_saved_and_loaded(self) -> None:
        model, other = create(num_classes=3), create(num_classes=3)
        other.reset_classifier(3)
        model(images())
        other.load_state_dict(model.state_dict())
        with torch.no_grad():
            assert torch.equal(model.eval()(images()), other.eval()(images()))

    def test_checkpoints_of_timm_are_model_files_of_autodas(self, trained: Path) -> None:
        # The same names of weights, so either reads what the other has trained.
        network, _ = autodas.load_model(trained)
        model = timm.create_model("autodas", genotype=trained)
        names = {name for name in network.state_dict() if not name.startswith("auxiliary.")}
        assert model.state_dict().keys() == names


class TestFeatures:
    @torch.no_grad()
    def test_all_levels(self) -> None:
        model, x = create(features_only=True).eval(), images()
        maps = model(x)
        info = model.feature_info
        assert info.channels() == [y.shape[1] for y in maps] == [16, 16, 32, 64]
        assert info.reduction() == [SIDE // y.shape[2] for y in maps] == [4, 8, 16, 32]
        assert info.module_name() == ["stem.first", "cells.0", "cells.2", "cells.4"]

    @torch.no_grad()
    @pytest.mark.parametrize("feature_cls", ["getter", "hook"])
    @pytest.mark.parametrize("indices", [(0, 2), (1, 3), (-2, -1), 2])
    def test_chosen_levels_are_those_of_the_whole_model(self, indices: Any, feature_cls: str) -> None:
        x = images()
        everything = create(features_only=True).eval()(x)
        numbers = range(-indices, 0) if isinstance(indices, int) else indices
        model = create(features_only=True, out_indices=indices, feature_cls=feature_cls).eval()
        for own, number in zip(model(x), numbers, strict=True):
            assert torch.allclose(own, everything[number], atol=1e-6)

    def test_nothing_is_kept_that_no_level_needs(self) -> None:
        model = create(features_only=True, out_indices=(0, 1))
        sum(y.square().mean() for y in model(images())).backward()
        assert all(p.grad is not None for p in model.parameters())

    @torch.no_grad()
    def test_intermediates_of_a_classifier(self) -> None:
        model, x = create().eval(), images()
        last, maps = model.forward_intermediates(x)
        assert torch.equal(last, model.forward_features(x))
        assert torch.equal(model.forward_head(last), model(x))
        assert torch.equal(maps[-1], last)
        (second,) = model.forward_intermediates(x, [1], stop_early=True, intermediates_only=True)
        assert torch.equal(second, maps[1])
        assert len(model.forward_intermediates(x, 2, intermediates_only=True)) == 2

    @torch.no_grad()
    def test_the_last_level_is_normalised_on_request(self) -> None:
        # NAS-Bench-201 has batch normalisation and ReLU before the classifier.
        name = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|nor_conv_1x1~2|"
        model = timm.create_model("autodas", genotype=name, K=1, C2=32).eval()
        x = images(side=16)
        last, maps = model.forward_intermediates(x, norm=True)
        assert torch.equal(maps[-1], last)
        assert last.min() == 0
        plain = model.forward_intermediates(x, intermediates_only=True)
        assert plain[-1].min() < 0
        assert torch.equal(model.last(plain[-1]), last)

    def test_pruning_ends_the_network(self) -> None:
        model = create()
        assert model.prune_intermediate_layers([0, 1], prune_norm=True) == [0, 1]
        assert model.num_features == 16
        assert model(images()).shape == (2, 16, 8, 8)
        kept = create()
        assert kept.prune_intermediate_layers(1, prune_head=False) == [3]
        assert kept(images()).shape == (2, 1000)


class TestDescription:
    def test_of_a_genotype(self) -> None:
        cfg = create().default_cfg
        assert cfg == create().pretrained_cfg
        assert (cfg["input_size"], cfg["num_classes"], cfg["pool_size"]) == ((3, 224, 224), 1000, (7, 7))
        assert (cfg["crop_pct"], cfg["interpolation"]) == (0.875, "bilinear")
        weights = create().state_dict()
        assert weights[f"{cfg['first_conv']}.weight"].shape[1] == 3
        assert weights[f"{cfg['classifier']}.weight"].shape[0] == 1000

    def test_of_a_trained_network(self, trained: Path) -> None:
        cfg = timm.create_model("autodas", genotype=trained).pretrained_cfg
        assert (cfg["input_size"], cfg["num_classes"], cfg["pool_size"]) == ((3, 32, 32), 3, (8, 8))
        assert (cfg["mean"], cfg["std"], cfg["crop_pct"]) == ((0.4, 0.5, 0.6), (0.2, 0.25, 0.3), 1.0)
        assert cfg["label_names"] == ("cat", "dog", "owl")
        assert cfg["first_conv"] == "stem.conv"

    @pytest.mark.parametrize("side", [32, 128])
    def test_pictures_are_prepared_as_by_autodas(self, tmp_path: Path, side: int) -> None:
        from timm.data import create_transform, resolve_data_config

        facts = write_images_network(tmp_path, side)
        model = timm.create_model("autodas", genotype=tmp_path)
        noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        picture = PIL.Image.fromarray(noise).resize((200, 200), PIL.Image.Resampling.BICUBIC)
        prepare = create_transform(**resolve_data_config({}, model=model))
        difference = prepare(picture) - facts.preprocess(picture)[0]
        # In steps of 1/255, before normalisation.
        assert (difference * torch.tensor(facts.std)[:, None, None] * 255).abs().max() < 1.01


class TestWeights:
    @torch.no_grad()
    def test_those_of_a_trained_network(self, trained: Path) -> None:
        network, _ = autodas.load_model(trained)
        x = images(side=32)
        for path in (trained, str(trained), trained / "model.safetensors"):
            model = timm.create_model("autodas", genotype=path, pretrained=True).eval()
            assert torch.allclose(model(x), network(x), atol=1e-6)
        (last,) = timm.create_model(
            "autodas", genotype=trained, pretrained=True, features_only=True, out_indices=1
        ).eval()(x)
        assert torch.allclose(last, network.features(x), atol=1e-6)

    def test_new_ones_without_pretrained(self, trained: Path) -> None:
        torch.manual_seed(1)
        network, _ = autodas.load_model(trained)
        model = timm.create_model("autodas", genotype=trained)
        assert not torch.equal(model.stem.conv.weight, network.stem.conv.weight)

    def test_other_classes_and_channels(self, trained: Path) -> None:
        network, _ = autodas.load_model(trained)
        model = timm.create_model("autodas", genotype=trained, pretrained=True, num_classes=7, in_chans=1)
        assert model.classifier.weight.shape == (7, 64)
        summed = network.stem.conv.weight.sum(1, keepdim=True)
        assert torch.allclose(model.stem.conv.weight, summed, atol=1e-6)
        assert torch.equal(model.cells[0].preprocess0.conv.weight, network.cells[0].preprocess0.conv.weight)

    def test_a_file_in_place_of_the_network(self, trained: Path, tmp_path: Path) -> None:
        # Weights that timm has trained, for the architecture of a run.
        own = timm.create_model("autodas", genotype=trained, num_classes=3)
        torch.save(own.state_dict(), tmp_path / "own.pth")
        model = timm.create_model("autodas", genotype=trained, checkpoint_path=str(tmp_path / "own.pth"))
        assert torch.equal(model.stem.conv.weight, own.stem.conv.weight)
        overlay = {"file": str(tmp_path / "own.pth")}
        model = timm.create_model(
            "autodas", genotype=trained, pretrained=True, pretrained_cfg_overlay=overlay
        )
        assert torch.equal(model.stem.conv.weight, own.stem.conv.weight)

    def test_a_description_completes_that_of_the_network(self, trained: Path) -> None:
        # As timm's script passes it on: what is registered, with something of the user's.
        registered = timm.get_pretrained_cfg("autodas").to_dict()
        cfg = {**registered, "license": "mit"}
        model = timm.create_model("autodas", genotype=trained, pretrained_cfg=cfg)
        assert (model.pretrained_cfg["license"], model.pretrained_cfg["mean"]) == ("mit", (0.4, 0.5, 0.6))
        assert model.num_classes == 3

    @pytest.mark.skipif(
        Version(version("timm")) < Version("1.0.31"),
        reason="older timm: no arguments in folders",
    )
    def test_folders_that_timm_writes_hold_the_architecture(self, trained: Path, tmp_path: Path) -> None:
        from timm.models import save_for_hf

        model = timm.create_model("autodas", genotype=trained, pretrained=True).eval()
        save_for_hf(model, str(tmp_path / "folder"), safe_serialization=True)
        (trained / "model.safetensors").unlink()
        again = timm.create_model(f"local-dir:{tmp_path / 'folder'}", pretrained=True).eval()
        with torch.no_grad():
            assert torch.equal(model(images(side=32)), again(images(side=32)))


class TestErrors:
    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({}, "genotype is missing"),
            ({"genotype": "darts_v2", "pretrained": True}, "has no trained weights: leave out `pretrained`"),
            ({"genotype": "darts_v9"}, "did you mean"),
            ({"genotype": "resnet50-2d"}, "'resnet50-2d' is a network for clips"),
            ({"genotype": RECORDED, "C2": 16}, "C2 is for genotypes"),
            ({**SMALL, "drop_path_rate": 1.0}, r"must lie in \[0, 1\)"),
        ],
    )
    def test_arguments(self, settings: dict[str, Any], message: str) -> None:
        with pytest.raises(AutodasError, match=message):
            timm.create_model("autodas", **settings)

    def test_a_network_for_clips(self, tmp_path: Path) -> None:
        write_clips_network(tmp_path)
        with pytest.raises(AutodasError, match="a network for clips"):
            timm.create_model("autodas", genotype=tmp_path)

    def test_an_unknown_argument(self) -> None:
        with pytest.raises(TypeError, match="output_stride"):
            create(output_stride=8)


def digit_folder(folder: Path, count: int) -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    for number in range(count):
        part = folder / ("validation" if number % 4 == 0 else "train") / str(digits.target[number])
        part.mkdir(parents=True, exist_ok=True)
        pixels = (digits.images[number] * 255 / 16).astype(np.uint8)
        PIL.Image.fromarray(pixels).save(part / f"{number}.png")


@pytest.mark.slow
def test_training_with_the_parts_of_timm(tmp_path: Path) -> None:
    """The steps of timm's script for training, which its package does not contain."""
    from timm.data import create_dataset, create_loader, resolve_data_config
    from timm.loss import LabelSmoothingCrossEntropy
    from timm.optim import create_optimizer_v2
    from timm.scheduler import create_scheduler_v2
    from timm.utils import ModelEmaV3, ParseKwargs, accuracy

    torch.manual_seed(0)
    digit_folder(tmp_path, 800)
    parser = argparse.ArgumentParser()
    parser.add_argument("--model-kwargs", nargs="*", default={}, action=ParseKwargs)
    words = "--model-kwargs genotype=darts_v2 skeleton=cifar K=1 C1=8 C2=16 drop_path_rate=0.1 drop_rate=0.1"
    settings = parser.parse_args(words.split()).model_kwargs
    model = timm.create_model("autodas", num_classes=10, **settings)
    data = resolve_data_config({"input_size": (3, 8, 8)}, model=model)

    def loader(part: str, training: bool) -> Any:
        return create_loader(
            create_dataset("", root=tmp_path, split=part, is_training=training),
            input_size=data["input_size"],
            batch_size=32,
            is_training=training,
            hflip=0.0,
            scale=(0.9, 1.0),
            interpolation=data["interpolation"],
            mean=data["mean"],
            std=data["std"],
            crop_pct=data["crop_pct"],
            num_workers=0,
            use_prefetcher=False,
            persistent_workers=False,
        )

    epochs = 6
    optimiser = create_optimizer_v2(model, opt="adamw", lr=4e-3, weight_decay=0.01, layer_decay=0.9)
    scheduler, _ = create_scheduler_v2(optimiser, sched="cosine", num_epochs=epochs, warmup_epochs=0)
    average = ModelEmaV3(model, decay=0.9)
    loss_of = LabelSmoothingCrossEntropy(0.1)
    for epoch in range(epochs):
        model.train()
        for x, y in loader("train", True):
            optimiser.zero_grad()
            loss_of(model(x), y).backward()
            optimiser.step()
            average.update(model)
        scheduler.step(epoch + 1)
    average.eval()
    with torch.no_grad():
        parts = [(average(x), y) for x, y in loader("validation", False)]
    outputs, targets = (torch.cat(column) for column in zip(*parts, strict=True))
    (top1,) = accuracy(outputs, targets)
    assert len(targets) == 200
    # Chance is 10 %.
    assert top1 > 60


@pytest.mark.slow
def test_importing_autodas_imports_neither_timm_nor_torchvision() -> None:
    program = "import sys, autodas; autodas.backbone; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {"timm", "torchvision", "transformers", "huggingface_hub"}.isdisjoint(done.stdout.split())
