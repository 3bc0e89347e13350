"""Spaces for video: their sizes against a count by hand, and which combinations there are."""

from __future__ import annotations

from dataclasses import replace
from math import comb

import pytest

from autodas.errors import AutodasError
from autodas.spaces import CELL_SPACES, OPERATION_SETS, SKELETONS, get_skeleton, get_space, space_names


@pytest.mark.parametrize(("name", "operations"), [("o2d_video", 7), ("o3d", 9), ("oadv", 9)])
def test_sizes(name: str, operations: int) -> None:
    space = get_space(f"video-{name}")
    assert len(space.cell.operations) == len(set(space.cell.operations)) == operations
    assert space.kinds == ("normal", "s_reduction", "st_reduction")
    # DECISIONS: 14 edges and 3 nodes with more than 2 predecessors, three times.
    assert space.steps == 3 * (14 + 3) == 51
    cell = comb(2, 2) * comb(3, 2) * comb(4, 2) * comb(5, 2) * operations**8
    assert space.architectures == cell**3


def test_what_the_paper_drops_and_adds() -> None:
    flat, over_time, advanced = (set(OPERATION_SETS[name]) for name in ("o2d_video", "o3d", "oadv"))
    assert flat - over_time == {"avg_pool_1x3x3", "dil_conv_1x5x5"}
    assert over_time - advanced == {"dil_conv_1x3x3", "dil3d_conv_3x3x3"}
    assert advanced - over_time == {"channel_scale", "channel_bias"}
    # The image set, window by window.
    assert [name.replace("_1x", "_") for name in OPERATION_SETS["o2d_video"]] == list(OPERATION_SETS["o2d"])


def test_only_cells_and_skeletons_of_as_many_dimensions() -> None:
    video = {name for name in space_names() if name.startswith("video-")}
    assert video == {"video-o2d_video", "video-o3d", "video-oadv"}
    for name in set(space_names()) - video:
        assert get_space(name).cell.dimensions == get_space(name).skeleton.dimensions == 2
    assert {name for name, cell in CELL_SPACES.items() if cell.dimensions == 3} == {
        "o2d_video",
        "o3d",
        "oadv",
    }


def test_the_skeleton() -> None:
    skeleton = get_skeleton("video")
    assert (skeleton.K, skeleton.C1, skeleton.C2) == (2, 16, 64)
    assert (skeleton.frames, skeleton.image_size, skeleton.dimensions) == (16, 112, 3)
    slots = skeleton.slots()
    assert [slot.kind for slot in slots] == [
        *("normal", "normal", "s_reduction", "normal", "normal", "st_reduction", "normal", "normal")
    ]
    assert [slot.width for slot in slots] == [16, 16, 32, 32, 32, 64, 64, 64]
    assert [slot.stride for slot in slots if slot.reduces] == [(1, 2, 2), (2, 2, 2)]
    assert skeleton.level_kinds == ("normal",)


def test_the_twin_has_the_same_cells_for_single_frames() -> None:
    video, frames = get_skeleton("video"), get_skeleton("video_frames")
    assert frames.dimensions == 2
    assert frames.frames is None
    for ours, theirs in zip(video.slots(), frames.slots(), strict=True):
        assert replace(ours, stride=ours.stride[1:]) == theirs


def test_input_sizes() -> None:
    video, image = get_skeleton("video"), get_skeleton("cifar")
    assert video.input_size() == (16, 112, 112)
    assert video.input_size(32, 8) == (8, 32, 32)
    assert image.input_size() == (32, 32)
    assert image.input_size(224) == (224, 224)
    with pytest.raises(AutodasError, match=r"'cifar' is for images, they have no frames \(frames=8\)"):
        image.input_size(32, 8)


@pytest.mark.parametrize(("name", "frames"), [("video", None), ("video", 0), ("cifar", 16)])
def test_frames_that_cannot_be(name: str, frames: int | None) -> None:
    with pytest.raises(AutodasError, match=f"frames={frames} in"):
        replace(SKELETONS[name], frames=frames)
