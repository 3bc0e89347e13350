"""Masks and mixtures, without any network."""

from __future__ import annotations

import torch

from autodas.genotype import CellGenotype, Edge, Genotype
from autodas.spaces import CellSpace, alive_of, all_alive, get_cell_space
from autodas.supernet import CellMixture, genotype_mixture, mixture_of

CELL = CellSpace("two", ("none", "skip_connect", "sep_conv_3x3"), nodes=2)
# The five edges, in order: 0-2, 1-2, 0-3, 1-3, 2-3. The genotype's edges stand in any order.
GENOTYPE = CellGenotype(
    (
        (Edge("sep_conv_3x3", 1), Edge("skip_connect", 0)),
        (Edge("sep_conv_3x3", 2), Edge("none", 0)),
    ),
    (2, 3),
)
ALIVE = (
    (False, True, False),
    (False, False, True),
    (True, False, False),
    (False, False, False),
    (False, False, True),
)


def test_all_alive() -> None:
    assert all_alive(CELL) == ((True, True, True),) * 5
    full = all_alive(get_cell_space("darts"))
    assert len(full) == 14
    assert all(len(row) == 8 and all(row) for row in full)


def test_alive_of() -> None:
    assert alive_of(GENOTYPE, CELL) == ALIVE


def test_a_mixture_sums_what_is_alive() -> None:
    mixture = mixture_of({"normal": ALIVE})
    assert list(mixture) == ["normal"]
    made = mixture["normal"]
    assert made.active == ALIVE
    assert made.edges is None
    assert made.weights.dtype == torch.get_default_dtype()
    assert torch.equal(made.weights, torch.tensor(ALIVE).float())


def test_the_mixture_of_a_genotype() -> None:
    other = CellGenotype(((Edge("skip_connect", 0), Edge("skip_connect", 1)), ()), (2, 3))
    mixture = genotype_mixture(Genotype({"normal": GENOTYPE, "reduction": other}), CELL)
    assert list(mixture) == ["normal", "reduction"]
    assert mixture["normal"].active == ALIVE
    assert mixture["reduction"].active == ((False, True, False),) * 2 + ((False,) * 3,) * 3
    for made in mixture.values():
        assert torch.equal(made.weights, torch.tensor(made.active).float())


def test_mixtures_live_where_they_are_asked_to() -> None:
    made = mixture_of({"normal": ALIVE}, "meta")["normal"]
    assert made.weights.device.type == "meta"
    assert made.active == ALIVE  # on the host all the same


def test_detach() -> None:
    weights = torch.rand(5, 3, requires_grad=True)
    edges = torch.rand(5, requires_grad=True)
    plain = CellMixture(weights, ALIVE).detach()
    assert not plain.weights.requires_grad
    assert plain.edges is None
    scaled = CellMixture(weights, ALIVE, edges).detach()
    assert scaled.edges is not None
    assert not scaled.edges.requires_grad
    assert torch.equal(scaled.weights, weights)
    assert torch.equal(scaled.edges, edges)
    assert scaled.active is ALIVE
