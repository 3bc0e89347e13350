"""Networks of video: the stem, the twin for single frames, and what does not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from autodas.errors import AutodasError
from autodas.genotype import CellGenotype, Edge, Genotype
from autodas.networks import Network, build, profile
from autodas.networks._stem import VideoStem
from autodas.spaces import get_cell_space, get_skeleton, validate
from autodas.zoo import load_genotype

SMALL = get_skeleton("video").with_size(K=1, C1=4, C2=16)


def mixed(name: str) -> Genotype:
    """Return a genotype of a space for video in which every operation of the space occurs."""
    space, count = get_cell_space(name), 0
    cells = {}
    for kind in ("normal", "s_reduction", "st_reduction"):
        nodes = []
        for state in space.states:
            chosen = [space.operations[(count + i) % len(space.operations)] for i in range(2)]
            nodes.append(tuple(Edge(o, state - 2 + i) for i, o in enumerate(chosen)))
            count += 2
        cells[kind] = CellGenotype(tuple(nodes), space.concat)
    return validate(Genotype(cells, "mixed", name))


@pytest.mark.parametrize(
    ("clip", "expected"), [((16, 112, 112), (4, 28, 28)), ((8, 32, 48), (2, 8, 12)), ((5, 31, 30), (2, 8, 8))]
)
def test_what_leaves_the_stem(clip: tuple[int, ...], expected: tuple[int, ...]) -> None:
    first, second = VideoStem(3, SMALL)(torch.randn(1, 3, *clip))
    assert first is second
    assert first.shape == (1, 4, *expected)


def test_a_reversed_clip_leaves_the_stem_reversed() -> None:
    stem, clip = VideoStem(3, SMALL).eval(), torch.randn(2, 3, 16, 16, 16)
    forwards, backwards = stem(clip)[0], stem(clip.flip(2))[0]
    assert torch.allclose(forwards, backwards.flip(2), atol=1e-6)


@pytest.mark.parametrize("name", ["o2d_video", "o3d", "oadv"])
@pytest.mark.parametrize("form", ["train", "search"])
def test_logits_and_gradients(name: str, form: str) -> None:
    torch.manual_seed(0)
    network = build(mixed(name), SMALL, classes=5, form=form)  # type: ignore[arg-type]
    logits = network.train()(torch.randn(2, 3, 8, 32, 32))
    assert logits.shape == (2, 5)
    logits.square().sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def inflated(twin: Network, clip: Network) -> dict[str, torch.Tensor]:
    """Return a twin's weights with an axis for time, and zeros for windows in time."""
    flat, found = twin.state_dict(), {}
    for name, tensor in clip.state_dict().items():
        if name in flat:
            found[name] = flat[name].unsqueeze(2) if tensor.dim() == 5 else flat[name]
        else:
            assert ".temporal." in name
            found[name] = torch.zeros_like(tensor)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", ["o2d_video", "o3d", "oadv"])
def test_the_twin_gives_the_logits_of_a_still_clip(name: str) -> None:
    torch.manual_seed(0)
    genotype = mixed(name)
    frames = get_skeleton("video_frames").with_size(SMALL.K, SMALL.C1, SMALL.C2)
    twin, clip = (build(genotype, s, classes=5).double() for s in (frames, SMALL))
    for tensor in twin.buffers():
        if tensor.dtype.is_floating_point:
            tensor.copy_(torch.rand_like(tensor) + 0.5)
    clip.load_state_dict(inflated(twin, clip))
    picture = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    still = picture.unsqueeze(2).expand(-1, -1, 16, -1, -1)
    assert torch.allclose(clip.eval()(still), twin.eval()(picture), atol=1e-10)


def test_auxiliary_head() -> None:
    network = build(mixed("oadv"), SMALL, classes=5, auxiliary=True)
    assert network.auxiliary is not None  # maps of 7 x 7
    assert build(mixed("oadv"), SMALL, auxiliary=True, image_size=32).auxiliary is None
    logits, auxiliary = network.eval().forward_with_auxiliary(torch.randn(2, 3, 4, 112, 112))
    assert auxiliary is not None
    assert logits.shape == auxiliary.shape == (2, 5)


@pytest.mark.slow
def test_costs_of_a_clip() -> None:
    genotype = mixed("o3d")
    whole = profile(genotype, SMALL)
    assert profile(genotype, SMALL, frames=16, image_size=112) == whole
    half = profile(genotype, SMALL, frames=8)
    assert half.parameters == whole.parameters
    # All but the classifier is proportional to the frames.
    classifier = 10 * 4 * 16
    assert 2 * (half.multiply_adds - classifier) == whole.multiply_adds - classifier
    # By hand: 3 x 3 convolutions of 16 frames of 56 x 56 positions, from 3, 4 and 4 to 4 channels.
    assert whole.stages[0].multiply_adds == 9 * 16 * 56**2 * (3 * 4 + 4 * 4 + 4 * 4)
    with pytest.raises(AutodasError, match="they have no frames"):
        profile(load_genotype("darts_v2"), get_skeleton("cifar"), frames=16)


def test_cells_of_images_are_refused() -> None:
    image = load_genotype("darts_v2")
    cells = dict.fromkeys(SMALL.cell_kinds, image.cells["normal"])
    expected = (
        r"cells.normal: operation 'sep_conv_3x3' is for images, not for video; "
        r"did you mean 'sep_conv_1x3x3'\? \(skeleton 'video'\)"
    )
    with pytest.raises(AutodasError, match=expected):
        build(replace(image, cells=cells), SMALL)


def test_cells_of_video_in_a_skeleton_for_images() -> None:
    with pytest.raises(AutodasError, match="has no cell of kind reduction"):
        build(mixed("oadv"), get_skeleton("cifar"))


EXAMPLE = Genotype.load(Path(__file__).parents[2] / "docs/genotypes/oadv_example.json")
TABLES = [
    # K, C1, C2; parameters in 2^20 and multiply-adds in 2^30: SDAS, tables 7 and 8.
    ((2, 16, 64), 0.24, 0.36),
    ((2, 24, 96), 0.53, 0.79),
    ((2, 32, 128), 0.93, 1.38),
    ((3, 32, 128), 1.31, 1.52),
    ((3, 32, 192), 2.89, 2.20),
]


@pytest.mark.slow
def test_costs_of_the_five_networks_of_the_paper() -> None:
    """Their ratios to each other are those printed; so are, with this cell, the numbers themselves."""
    found = [profile(validate(EXAMPLE), get_skeleton("video").with_size(*size)) for size, *_ in TABLES]
    parameters = [cost.parameters / 2**20 / row[1] for cost, row in zip(found, TABLES, strict=True)]
    multiply_adds = [cost.multiply_adds / 2**30 / row[2] for cost, row in zip(found, TABLES, strict=True)]
    for quotients in (parameters, multiply_adds):
        assert max(quotients) / min(quotients) < 1.05
        assert all(abs(quotient - 1) < 0.1 for quotient in quotients)
