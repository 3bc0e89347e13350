"""Skeletons: where cells stand, how wide they are, and what cannot be built."""

from __future__ import annotations

import pytest

from autodas.errors import AutodasError
from autodas.spaces import get_cell_space, get_skeleton, get_space, space_names


@pytest.mark.parametrize(
    ("name", "size", "cells", "width"),
    [
        ("cifar", (2, 48, 64), 8, 16),
        ("cifar", (6, 108, 144), 20, 36),
        ("imagenet", (4, 24, 192), 14, 48),
    ],
)
def test_the_networks_of_the_paper(name: str, size: tuple[int, int, int], cells: int, width: int) -> None:
    skeleton = get_skeleton(name).with_size(*size)
    slots = skeleton.slots()
    assert len(slots) == cells
    assert [slot.index for slot in slots] == list(range(cells))
    reductions = [slot.index for slot in slots if slot.reduces]
    assert reductions == [cells // 3, 2 * cells // 3]
    assert [slot.kind for slot in slots if slot.reduces] == ["reduction", "reduction"]
    assert skeleton.width == width
    for slot in slots:
        assert slot.width == width * 2 ** sum(reduction <= slot.index for reduction in reductions)
        assert slot.stride == ((2, 2) if slot.index in reductions else (1, 1))
    assert skeleton.auxiliary_slot() == 2 * cells // 3
    assert skeleton.kinds == ("normal", "reduction")
    assert skeleton.dimensions == 2


def test_the_defaults_are_those_of_the_paper() -> None:
    cifar, imagenet = get_skeleton("cifar"), get_skeleton("imagenet")
    assert (cifar.K, cifar.C1, cifar.C2) == (2, 48, 64)
    assert (imagenet.K, imagenet.C1, imagenet.C2) == (4, 24, 192)


def test_a_network_of_reductions_only() -> None:
    skeleton = get_skeleton("cifar").with_size(K=0)
    assert [slot.kind for slot in skeleton.slots()] == ["reduction", "reduction"]
    assert skeleton.kinds == ("reduction",)


def test_size_that_is_not_given_stays() -> None:
    space = get_space("cifar-o2d").with_size(C2=32)
    assert (space.skeleton.K, space.skeleton.C1, space.skeleton.C2) == (2, 48, 32)
    assert space.skeleton.width == 8


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ({"K": -1}, "K=-1 must be at least 0"),
        ({"C1": 0}, "C1=0 at least 1"),
        ({"C2": 36}, "C2=36 must be a multiple of 8"),
        ({"C2": 0}, "C2=0 must be a multiple of 8"),
    ],
)
def test_sizes_that_cannot_be(size: dict[str, int], message: str) -> None:
    with pytest.raises(AutodasError, match=message):
        get_skeleton("cifar").with_size(**size)


def test_every_space_name_can_be_looked_up() -> None:
    assert {"cifar-o2d", "cifar-darts", "imagenet-o2d"} <= set(space_names())
    for name in space_names():
        assert get_space(name).name == name


def test_unknown_names_name_the_nearest() -> None:
    with pytest.raises(AutodasError, match="unknown space 'cifar-o2'; did you mean 'cifar-o2d'"):
        get_space("cifar-o2")
    with pytest.raises(AutodasError, match="unknown skeleton 'cifarr'; did you mean 'cifar'"):
        get_skeleton("cifarr")
    with pytest.raises(AutodasError, match="unknown cell space 'dart'; did you mean 'darts'"):
        get_cell_space("dart")
