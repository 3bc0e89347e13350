"""Backbones: their maps are those of the network, and nothing of the rest is left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.trained_networks import RECORDED, VIDEO_GENOTYPE, write_clips_network, write_images_network
from torch import Tensor, nn

import autodas
from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.networks import CellBlueprint, HandcraftedBlueprint
from autodas.spaces import get_skeleton

SMALL: dict[str, Any] = {"skeleton": "cifar", "K": 1, "C1": 8, "C2": 16}


def outputs_of(network: nn.Module, names: list[str], x: Tensor) -> list[Tensor]:
    """Return the outputs of modules, caught on their way."""
    found: dict[str, Tensor] = {}
    for name in names:
        network.get_submodule(name).register_forward_hook(
            lambda module, given, output, name=name: found.update({name: output})
        )
    with torch.no_grad():
        network(x)
    return [found[name] for name in names]


@pytest.mark.parametrize("file", [False, True])
def test_a_trained_network_gives_the_maps_of_its_cells(tmp_path: Path, file: bool) -> None:
    write_images_network(tmp_path, auxiliary=True)
    network, _ = autodas.load_model(tmp_path)
    x = torch.randn(2, 3, 32, 32)
    body = autodas.backbone(tmp_path / "model.safetensors" if file else tmp_path).eval()
    with torch.no_grad():
        maps = body(x)
    # One cell in each stage: normal, reduction, normal, reduction, normal.
    expected = outputs_of(network, ["cells.0", "cells.2", "cells.4"], x)
    for own, other in zip(maps, expected, strict=True):
        assert torch.equal(own, other)
    assert body.channels == [y.shape[1] for y in maps]
    assert body.strides == [32 // y.shape[2] for y in maps]


def test_logits_follow_from_the_last_map() -> None:
    network, facts = autodas.load_model(RECORDED)
    body = autodas.backbone(str(RECORDED), out_indices=(-1,)).eval()
    x = torch.randn(3, facts.channels, 8, 8)
    with torch.no_grad():
        (last,) = body(x)
        logits = last.mean((2, 3)) @ network.classifier.weight.T + network.classifier.bias
        assert torch.allclose(logits, network(x), atol=1e-6)


def test_a_clip_network_has_a_stride_for_each_dimension(tmp_path: Path) -> None:
    write_clips_network(tmp_path)
    network, _ = autodas.load_model(tmp_path)
    body = autodas.backbone(tmp_path, out_indices=(1, 2)).eval()
    x = torch.randn(1, 3, 8, 32, 32)
    with torch.no_grad():
        maps = body(x)
    assert body.strides == [(4, 8, 8), (8, 16, 16)]
    for own, other in zip(maps, outputs_of(network, ["cells.0", "cells.1"], x), strict=True):
        assert torch.equal(own, other)


def test_a_hand_crafted_network() -> None:
    body = autodas.backbone(HandcraftedBlueprint("resnet50-2d", width=1 / 16), out_indices=(0, 2))
    with torch.no_grad():
        maps = body.eval()(torch.zeros(1, 3, 8, 32, 32))
    assert [tuple(y.shape[1:]) for y in maps] == [(4, 4, 16, 16), (32, 2, 8, 8)]
    assert autodas.backbone("resnet50-2d", out_indices=(0,)).channels == [16]


def test_sides_that_are_no_multiple_are_rounded_up() -> None:
    body = autodas.backbone("darts_v2", K=0, C1=4, C2=8).eval()
    with torch.no_grad():
        maps = body(torch.zeros(1, 3, 70, 33))
    # 70 halved: 35, 18, 9, 5, 3; 33 halved: 17, 9, 5, 3, 2.
    assert [tuple(y.shape[2:]) for y in maps] == [(18, 9), (9, 5), (5, 3), (3, 2)]


def test_everything_that_is_left_gets_a_gradient() -> None:
    body = autodas.backbone("darts_v2", out_indices=(1,), **SMALL)
    (y,) = body(torch.randn(2, 3, 16, 16))
    y.square().mean().backward()
    assert all(p.grad is not None for p in body.parameters())
    names = {name.split(".")[1] for name, _ in body.named_parameters()}
    assert names == {"stem", "cells"}
    # The reduction and the stages before and after it.
    assert len(body.network.cells) == 3


def test_only_the_stem() -> None:
    body = autodas.backbone("darts_v2", out_indices=(0,), C1=4, C2=16)
    (y,) = body(torch.zeros(2, 3, 32, 32))
    assert y.shape == (2, 8, 8, 8)
    assert not body.network.cells


@pytest.mark.parametrize("form", ["file", "object", "blueprint", "data"])
def test_forms_of_a_genotype(tmp_path: Path, form: str) -> None:
    genotype = autodas.load_genotype("darts_v2")
    genotype.save(tmp_path / "genotype.json")
    skeleton = get_skeleton("cifar").with_size(1, 8, 16)
    blueprint = CellBlueprint(genotype, skeleton)
    source: Any = {
        "file": tmp_path / "genotype.json",
        "object": genotype,
        "blueprint": blueprint,
        "data": blueprint.to_dict(),
    }[form]
    size = SMALL if form in ("file", "object") else {}
    assert autodas.backbone(source, **size).channels == [16, 32, 64]


def test_the_usual_skeleton() -> None:
    assert autodas.backbone("darts_v2", K=0, C1=4, C2=8).strides == [4, 8, 16, 32]
    video = Genotype.load(VIDEO_GENOTYPE)
    assert autodas.backbone(video, K=0, C1=4, C2=8).strides[-1] == (8, 16, 16)
    benchmark = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|nor_conv_1x1~2|"
    assert autodas.backbone(benchmark, K=0, C2=32).strides == [1, 2, 4]


def test_a_run_of_a_search_gives_its_genotype(tmp_path: Path) -> None:
    search = RECORDED.parent / "search"
    body = autodas.backbone(search, K=0, C1=4, C2=8)
    assert body.network.genotype == autodas.load_genotype(search)


def test_other_channels_of_a_trained_network() -> None:
    # The first convolution reads the mean of the channels: three equal ones change nothing.
    grey = torch.randn(2, 1, 8, 8)
    one, three = autodas.backbone(RECORDED).eval(), autodas.backbone(RECORDED, channels=3).eval()
    with torch.no_grad():
        for own, other in zip(one(grey), three(grey.expand(-1, 3, -1, -1)), strict=True):
            assert torch.allclose(own, other, atol=1e-6)


def test_new_weights_on_request(tmp_path: Path) -> None:
    write_images_network(tmp_path)
    torch.manual_seed(1)
    trained, new = autodas.backbone(tmp_path), autodas.backbone(tmp_path, pretrained=False)
    name = "network.stem.conv.weight"
    assert not torch.equal(trained.state_dict()[name], new.state_dict()[name])
    assert trained.state_dict().keys() == new.state_dict().keys()


class TestFrozenNormalisation:
    @pytest.fixture
    def body(self, tmp_path: Path) -> Any:
        write_images_network(tmp_path)
        return autodas.backbone(tmp_path, frozen_norm=True).train()

    def test_training_changes_convolutions_alone(self, body: Any) -> None:
        before = {name: tensor.clone() for name, tensor in body.state_dict().items()}
        optimiser = torch.optim.SGD((p for p in body.parameters() if p.requires_grad), lr=0.1)
        sum(y.square().mean() for y in body(torch.randn(4, 3, 32, 32))).backward()
        optimiser.step()
        kinds = dict(body.named_modules())
        for name, tensor in body.state_dict().items():
            norm = isinstance(kinds[name.rpartition(".")[0]], nn.BatchNorm2d)
            assert torch.equal(tensor, before[name]) == norm, name

    def test_maps_are_those_of_the_evaluation(self, body: Any) -> None:
        x = torch.randn(4, 3, 32, 32)
        with torch.no_grad():
            trained = body(x)
            evaluated = body.eval()(x)
        assert all(torch.equal(a, b) for a, b in zip(trained, evaluated, strict=True))

    def test_without_it_statistics_move(self, tmp_path: Path) -> None:
        write_images_network(tmp_path)
        body = autodas.backbone(tmp_path)
        name = "network.stem.norm.running_mean"
        before = body.state_dict()[name].clone()
        body(torch.randn(4, 3, 32, 32))
        assert not torch.equal(before, body.state_dict()[name])


def test_an_exported_backbone_computes_the_same() -> None:
    body = autodas.backbone("darts_v2", out_indices=(1, 2), **SMALL).eval()
    x = torch.randn(2, 3, 16, 16)
    program = torch.export.export(body, (x,)).module()
    with torch.no_grad():
        assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(program(x), body(x), strict=True))


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("darts_v3", {}, "neither a file nor a run folder.*did you mean 'darts_v.'"),
        ("resnet50-4d", {}, "unknown hand-crafted network 'resnet50-4d'; did you mean"),
        ("runs/nothing", {}, "runs/nothing: no such file or run folder"),
        ("nothing.safetensors", {}, r"nothing\.safetensors: cannot be read as trained weights"),
        (RECORDED, {"K": 2}, "K is for genotypes, and this network has its own: leave it out"),
        (RECORDED, {"skeleton": "cifar"}, "skeleton is for genotypes"),
        ("resnet50-2d", {"C2": 16}, "C2 is for genotypes"),
        ("darts_v2", {"skeleton": "imagnet"}, "unknown skeleton 'imagnet'; did you mean 'imagenet'"),
        ("darts_v2", {"out_indices": (4,)}, "there is no level 4"),
        (7, {}, "a path, a name, a genotype or a blueprint is expected, found int"),
        ({"schema": 1}, {}, "'cells' must name at least one cell"),
        ({"skeleton": {}}, {}, "blueprint: skeleton: 'name' is missing"),
    ],
)
def test_what_is_no_backbone(source: Any, options: Any, message: str) -> None:
    with pytest.raises(AutodasError, match=message):
        autodas.backbone(source, **options)
