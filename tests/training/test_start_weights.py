"""Training that begins with the weights of another network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from autodas.data import Clips, open_dataset
from autodas.errors import AutodasError
from autodas.genotype import CellGenotype, Edge, Genotype
from autodas.loop import Keeping
from autodas.networks import CellBlueprint, Network
from autodas.runs.folder import RunFolder
from autodas.settings import EvaluationPlan, OptimSettings
from autodas.spaces import OPERATION_SETS, get_skeleton
from autodas.training.model_file import ModelFacts, save_model
from autodas.training.recipe import Training
from autodas.training.start_weights import start_from

pytestmark = pytest.mark.slow

KINDS = ("normal", "s_reduction", "st_reduction")


def genotype(operations: Sequence[str], name: str = "all") -> Genotype:
    """Eight operations in a row in each cell, all on its inputs: in cells that reduce, all of them strided.

    Each kind begins with the next operation, so that all stand there, and with every stride.
    """
    cells = {}
    for shift, kind in enumerate(KINDS):
        row = [operations[(shift + i) % len(operations)] for i in range(8)]
        nodes = tuple((Edge(row[2 * i], 0), Edge(row[2 * i + 1], 1)) for i in range(4))
        cells[kind] = CellGenotype(nodes, (2, 3, 4, 5))
    return Genotype(cells, name=name)


def facts_of(skeleton: str, cells: Genotype | None = None, K: int = 1, **changed: Any) -> ModelFacts:
    cells = cells or genotype(OPERATION_SETS["oadv"])
    facts = ModelFacts(
        CellBlueprint(cells, get_skeleton(skeleton).with_size(K, 4, 16)),
        ("a", "b", "c"),
        3,
        32,
        (0.5,) * 3,
        (0.25,) * 3,
        clips=Clips(16) if skeleton == "video" else None,
    )
    return replace(facts, **changed)


@torch.no_grad()
def lived(facts: ModelFacts, seed: int = 0) -> Network:
    """A network in evaluation mode with running statistics, scales and shifts of its own."""
    torch.manual_seed(seed)
    network = facts.build()
    size = facts.blueprint.skeleton.input_size(facts.image_size, facts.frames)
    network(torch.randn(3, facts.channels, *size) + 0.3)
    for name, parameter in network.named_parameters():
        if "norm" in name:
            parameter += 0.2 * torch.randn_like(parameter)
    return network.eval()


def started(tmp_path: Path, source: ModelFacts, target: ModelFacts) -> tuple[Network, Network, str]:
    """Return the network that was trained, the one that begins with its weights, and what is said of it."""
    before = lived(source)
    path = tmp_path / "model.safetensors"
    save_model(path, before, source)
    torch.manual_seed(1)
    after = target.build().eval()
    return before, after, start_from(after, target, str(path))


def logits(network: Network, x: Tensor) -> Tensor:
    with torch.no_grad():
        return network(x)


@pytest.mark.parametrize("name", ["o2d_video", "o3d", "oadv"])
def test_from_images_to_videos(name: str, tmp_path: Path) -> None:
    """Both networks give the same logits on a clip whose frames are all the same."""
    cells = genotype(OPERATION_SETS[name])
    for kinds in (("s_reduction", "st_reduction"), KINDS):
        used = {edge.operation for kind in kinds for _, edge in cells.cells[kind].edges()}
        assert used == set(OPERATION_SETS[name])
    source, target = facts_of("video_frames", cells), facts_of("video", cells)
    before, after, said = started(tmp_path, source, target)
    pictures = torch.randn(4, 3, 32, 32)
    expected = logits(before, pictures)
    assert expected.std() > 0.01, "the logits say something about the pictures"
    for frames in (1, 4, 16, 21):
        still = pictures[:, :, None].expand(-1, -1, frames, -1, -1)
        torch.testing.assert_close(logits(after, still), expected, rtol=1e-5, atol=1e-5)
    assert said == f"weights of {tmp_path / 'model.safetensors'}; its temporal kernels are zero"
    temporal = [t for n, t in after.state_dict().items() if n.endswith(".temporal.weight")]
    assert bool(temporal) == (name != "o2d_video")
    assert not any(t.any() for t in temporal)


def test_temporal_kernels_are_learnt_then(tmp_path: Path) -> None:
    """Zeros that get no gradient would stay zeros."""
    _, after, _ = started(tmp_path, facts_of("video_frames"), facts_of("video"))
    after.train()(torch.randn(2, 3, 16, 32, 32)).square().sum().backward()
    temporal = [p for n, p in after.named_parameters() if n.endswith(".temporal.weight")]
    assert temporal
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in temporal)


def test_auxiliary_head_of_images(tmp_path: Path) -> None:
    source, target = (facts_of(s, auxiliary=True, image_size=80) for s in ("video_frames", "video"))
    before, after, _ = started(tmp_path, source, target)
    pictures = torch.randn(2, 3, 80, 80)
    with torch.no_grad():
        expected = before.forward_with_auxiliary(pictures)
        found = after.forward_with_auxiliary(pictures[:, :, None].expand(-1, -1, 8, -1, -1))
    heads = [name for name in after.state_dict() if name.startswith("auxiliary.")]
    assert heads
    assert all(torch.equal(before.state_dict()[n], after.state_dict()[n]) for n in heads)
    torch.testing.assert_close(found[0], expected[0], rtol=1e-5, atol=1e-5)


def test_longer_clips(tmp_path: Path) -> None:
    source = facts_of("video")
    target = replace(source, clips=Clips(32))
    before, after, said = started(tmp_path, source, target)
    assert said == f"weights of {tmp_path / 'model.safetensors'}"
    assert before.state_dict().keys() == after.state_dict().keys()
    assert all(torch.equal(t, after.state_dict()[n]) for n, t in before.state_dict().items())
    clip = torch.randn(2, 3, 32, 32, 32)
    assert torch.equal(logits(before, clip), logits(after, clip))


def test_a_run_of_16_frames_goes_on_with_32(tmp_path: Path) -> None:
    """From one run to the next, through the files."""
    cells = genotype(OPERATION_SETS["oadv"])
    blueprint = CellBlueprint(cells, get_skeleton("video").with_size(0, 4, 16))

    def training(name: str, frames: int, **options: Any) -> Training:
        data = open_dataset("moving-digits", subset=16, frames=frames, image_size=16)
        folder = RunFolder(tmp_path / name)
        keeping = Keeping(folder, tensorboard=False, quiet=True)
        settings: dict[str, Any] = {"epochs": 1, "batch_size": 8, "optim": OptimSettings(lr=0.05)}
        settings["evaluation"] = EvaluationPlan(test_clips=1)
        return Training(blueprint, data, keeping=keeping, **{**settings, **options})

    short = training("short", 4)
    short.folder.create()
    short.run()
    learnt = short.network.state_dict()
    long = training("long", 8, weights=str(tmp_path / "short"))
    assert long.facts.frames == 8
    assert all(torch.equal(t, learnt[n]) for n, t in long.network.state_dict().items())
    long.folder.create()
    long.run()
    start = (tmp_path / "long/events.jsonl").read_text().splitlines()[0]
    assert f"weights of {tmp_path / 'short'}" in start
    assert any(not torch.equal(t, learnt[n]) for n, t in long.network.state_dict().items())


@pytest.mark.parametrize("skeleton", ["video", "video_frames"])
def test_from_colours_to_flow(skeleton: str, tmp_path: Path) -> None:
    """The sum over channels stays: where all channels are equal, so do the logits."""
    flow = {"channels": 2, "mean": (0.5,) * 2, "std": (0.25,) * 2, "modality": "flow"}
    source, target = facts_of(skeleton), facts_of("video", **flow)
    before, after, said = started(tmp_path, source, target)
    first = next(n for n, t in before.state_dict().items() if t.dim() > 2)
    old, new = before.state_dict()[first], after.state_dict()[first]
    assert (old.shape[1], new.shape[1]) == (3, 2)
    assert torch.equal(new[:, 0], new[:, 1])
    torch.testing.assert_close(new.sum(1).flatten(), old.sum(1).flatten())
    grey = torch.randn(3, 1, 32, 32)
    still = grey[:, :, None].expand(-1, 2, 8, -1, -1)
    colours = (
        grey.expand(-1, 3, -1, -1) if skeleton == "video_frames" else still[:, :1].expand(-1, 3, -1, -1, -1)
    )
    torch.testing.assert_close(logits(after, still), logits(before, colours), rtol=1e-4, atol=1e-5)
    assert "the classifier" not in said


def test_other_classes(tmp_path: Path) -> None:
    source = facts_of("video", auxiliary=True, image_size=80, clips=Clips(2))
    for classes in (("b", "a", "c"), ("a", "b", "c", "d")):
        target = replace(source, classes=classes)
        torch.manual_seed(1)
        fresh = target.build().state_dict()
        before, after, said = started(tmp_path, source, target)
        assert said.endswith("; the classifier is new, because the classes differ")
        for name, tensor in after.state_dict().items():
            head = name.startswith(("classifier.", "auxiliary."))
            assert torch.equal(tensor, fresh[name] if head else before.state_dict()[name]), name


def test_with_and_without_an_auxiliary_head(tmp_path: Path) -> None:
    plain = facts_of("video", image_size=80, clips=Clips(2))
    with_head = replace(plain, auxiliary=True)
    for source, target in ((plain, with_head), (with_head, plain)):
        before, after, _ = started(tmp_path, source, target)
        for name, tensor in after.state_dict().items():
            if not name.startswith("auxiliary."):
                assert torch.equal(tensor, before.state_dict()[name])


def sized(K: int, C1: int, C2: int) -> CellBlueprint:
    return replace(facts_of("video").blueprint, skeleton=get_skeleton("video").with_size(K, C1, C2))


@pytest.mark.parametrize(
    ("blueprint", "message"),
    [
        (
            CellBlueprint(genotype(OPERATION_SETS["o3d"], "mine"), get_skeleton("video")),
            r"a different architecture \('all', this one is 'mine'\)",
        ),
        (sized(2, 4, 16), r"with skeleton\.K=1, this one with skeleton\.K=2.*choose `skeleton\.K=1`"),
        (sized(0, 4, 16), r"with skeleton\.K=1, this one with skeleton\.K=0"),
        (sized(1, 4, 32), r"with skeleton\.C2=16, this one with skeleton\.C2=32"),
        (sized(1, 8, 16), r"with skeleton\.C1=4, this one with skeleton\.C1=8"),
        (facts_of("video_frames").blueprint, "is for videos and this one for images"),
    ],
    ids=["genotype", "more cells", "fewer cells", "C2", "C1", "from videos to images"],
)
def test_what_does_not_fit(blueprint: CellBlueprint, message: str, tmp_path: Path) -> None:
    target = replace(facts_of("video"), blueprint=blueprint)
    with pytest.raises(AutodasError, match=message) as caught:
        started(tmp_path, facts_of("video"), target)
    assert str(tmp_path / "model.safetensors") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nothing_there(tmp_path: Path) -> None:
    facts = facts_of("video")
    with pytest.raises(AutodasError, match="cannot be read as trained weights"):
        start_from(facts.build(), facts, str(tmp_path / "nothing"))
    with pytest.raises(AutodasError, match="contains no trained network"):
        start_from(facts.build(), facts, str(tmp_path))
