"""What would hang or eat memory is refused before anything is built of it."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.networks import build
from autodas.spaces import SKELETONS, get_skeleton
from autodas.zoo import load_zoo, zoo_names


def document(nodes: int = 1, inputs: int = 2, edges: int = 1) -> dict[str, Any]:
    cell = {"inputs": inputs, "nodes": [[["sep_conv_3x3", 0]] * edges] * nodes, "concat": [inputs]}
    return {"schema": 1, "name": "large", "space": None, "cells": {"normal": cell, "reduction": cell}}


@pytest.mark.parametrize(
    ("size", "place"),
    [({"inputs": 10**9}, "inputs"), ({"nodes": 20_000}, "nodes"), ({"edges": 5000}, "nodes[0]")],
)
def test_genotypes(size: dict[str, int], place: str) -> None:
    start = time.process_time()
    with pytest.raises(AutodasError, match="at most 100 are possible") as caught:
        Genotype.from_json(json.dumps(document(**size)))
    assert f"cells.normal.{place}: " in str(caught.value)
    assert time.process_time() - start < 1


@pytest.mark.parametrize(("name", "value"), [("K", 10**9), ("C1", 10**6), ("C2", 8 * 10**6)])
def test_skeletons(name: str, value: int) -> None:
    with pytest.raises(AutodasError, match=f"{name}={value} must be at most"):
        get_skeleton("cifar").with_size(**{name: value})


def test_networks_of_too_many_edges() -> None:
    genotype = Genotype.from_dict(document(nodes=100, edges=50))
    start = time.process_time()
    with pytest.raises(AutodasError, match="40,000 edges, at most 10,000"):
        build(genotype, get_skeleton("cifar").with_size(K=2, C1=8, C2=8))
    assert time.process_time() - start < 1


def test_published_networks_are_far_below_the_limits() -> None:
    from autodas.limits import MOST_EDGES, MOST_NODES

    for name in zoo_names():
        genotype = load_zoo(name)
        cells = list(genotype.parts.values())
        assert max(len(cell.nodes) for cell in cells) < MOST_NODES / 2
        assert max(len(cell.edges()) for cell in cells) * 3 * (20 + 2) < MOST_EDGES
    assert max(skeleton.K for skeleton in SKELETONS.values()) < 10
