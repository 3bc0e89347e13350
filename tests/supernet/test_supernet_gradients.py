"""Gradients of the supernet against central differences in double precision."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from autodas.spaces import Space, all_alive
from autodas.supernet import CellMixture, Mixture, Supernet, frozen_statistics

pytestmark = pytest.mark.slow

LABELS = torch.tensor([0, 1, 2, 0])


def pictures(side: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(4)
    return torch.randn(4, 3, side, side, dtype=torch.float64, generator=generator)


def parameters_of(space: Space, seed: int = 0) -> dict[str, tuple[Tensor, Tensor]]:
    """Weights and factors of edges, away from zero so that no node is degenerate."""
    generator = torch.Generator().manual_seed(seed)
    shape = (len(space.cell.edges), len(space.cell.operations))
    return {
        kind: (
            (0.2 + torch.rand(shape, dtype=torch.float64, generator=generator)).requires_grad_(),
            (0.2 + torch.rand(shape[0], dtype=torch.float64, generator=generator)).requires_grad_(),
        )
        for kind in space.kinds
    }


def mixture_from(space: Space, tensors: dict[str, tuple[Tensor, Tensor]]) -> Mixture:
    alive = all_alive(space.cell)
    return {kind: CellMixture(w, alive, e) for kind, (w, e) in tensors.items()}


def loss_of(supernet: Supernet, mixture: Mixture) -> Tensor:
    with frozen_statistics(supernet):
        return F.cross_entropy(supernet(pictures(), mixture), LABELS)


def test_gradient_of_weights_and_factors_in_training_mode(tiny: Space) -> None:
    supernet = Supernet(tiny, classes=3).double().train()
    names = list(tiny.kinds)

    def loss(*flat: Tensor) -> Tensor:
        tensors = {kind: (flat[2 * i], flat[2 * i + 1]) for i, kind in enumerate(names)}
        return loss_of(supernet, mixture_from(tiny, tensors))

    drawn = parameters_of(tiny)
    flat = [tensor for kind in names for tensor in drawn[kind]]
    # Entry by entry; the weights of "none" must come out as zero.
    assert torch.autograd.gradcheck(loss, flat, eps=1e-6, atol=1e-6, rtol=1e-4)
    gradient = torch.autograd.grad(loss(*flat), flat)
    none = tiny.cell.operations.index("none")
    for weights in gradient[::2]:
        assert (weights[:, none] == 0).all()
        assert (weights.abs().amax(0)[[c for c in range(5) if c != none]] > 1e-8).all()
    assert all((factors != 0).all() for factors in gradient[1::2])


def test_directional_derivatives_in_the_full_space(small_space: Callable[[str], Space]) -> None:
    space = small_space("darts")
    supernet = Supernet(space, classes=3).double().train()
    drawn = parameters_of(space)
    for which in ("architecture", "weights"):
        tensors = (
            [t for pair in drawn.values() for t in pair]
            if which == "architecture"
            else list(supernet.parameters())
        )
        gradient = torch.autograd.grad(
            loss_of(supernet, mixture_from(space, drawn)), tensors, allow_unused=True
        )
        generator = torch.Generator().manual_seed(9)
        direction = [torch.randn(t.shape, dtype=t.dtype, generator=generator) for t in tensors]
        # A step so short that hardly any ReLU or maximum changes sides.
        length = float(torch.stack([d.square().sum() for d in direction]).sum()) ** 0.5
        direction = [d / length for d in direction]
        slope = sum(float((g * d).sum()) for g, d in zip(gradient, direction, strict=True) if g is not None)
        values = []
        with torch.no_grad():
            for step in (1e-6, -2e-6):  # from the centre to the right, then to the left of it
                for t, d in zip(tensors, direction, strict=True):
                    t += step * d
                values.append(float(loss_of(supernet, mixture_from(space, drawn))))
            for t, d in zip(tensors, direction, strict=True):
                t += 1e-6 * d
        assert slope == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-4)
        assert abs(slope) > 1e-4


def test_gradient_is_zero_where_a_candidate_is_inactive(tiny: Space) -> None:
    supernet = Supernet(tiny, classes=3).double().train()
    drawn = parameters_of(tiny)
    rows, columns = len(tiny.cell.edges), len(tiny.cell.operations)
    # Of every edge one candidate is off, another on each; one edge is off altogether.
    active = tuple(tuple(c != (r % columns) and r != 4 for c in range(columns)) for r in range(rows))
    mixture = {kind: CellMixture(w, active, e) for kind, (w, e) in drawn.items()}
    loss = loss_of(supernet, mixture)
    loss.backward()
    none = tiny.cell.operations.index("none")
    for weights, factors in drawn.values():
        for r in range(rows):
            for c in range(columns):
                assert (float(weights.grad[r, c]) != 0) == (active[r][c] and c != none)  # type: ignore[index]
        assert (factors.grad != 0).tolist() == [True] * 4 + [False]  # type: ignore[union-attr]
    for index, cell in enumerate(supernet.relaxed_cells()):
        for r in range(rows):
            for column, module in cell.active(r, all_alive(tiny.cell)):
                for name, p in module.named_parameters():
                    assert (p.grad is not None) == active[r][column], (index, r, name)


def test_detached_mixtures_are_constants(tiny: Space) -> None:
    supernet = Supernet(tiny, classes=3).double().train()
    drawn = parameters_of(tiny)
    mixture = mixture_from(tiny, drawn)
    loss = loss_of(supernet, {kind: m.detach() for kind, m in mixture.items()})
    assert torch.equal(loss, loss_of(supernet, mixture))
    loss.backward()
    assert all(t.grad is None for pair in drawn.values() for t in pair)
    assert supernet.classifier.weight.grad is not None


def test_gradients_of_gradients_on_the_reference_engine(tiny: Space) -> None:
    # What exact second-order DARTS needs: d/dalpha of the dot product of the weights' gradient with a vector.
    supernet = Supernet(tiny, classes=3).double().train()
    drawn = parameters_of(tiny)
    tensors = [t for pair in drawn.values() for t in pair]
    weights = list(supernet.parameters())
    generator = torch.Generator().manual_seed(2)
    vector = [torch.randn(w.shape, dtype=w.dtype, generator=generator) for w in weights]

    def product(create_graph: bool) -> Tensor:
        loss = loss_of(supernet, mixture_from(tiny, drawn))
        gradient = torch.autograd.grad(loss, weights, create_graph=create_graph)
        return torch.stack([(g * v).sum() for g, v in zip(gradient, vector, strict=True)]).sum()

    second = torch.autograd.grad(product(create_graph=True), tensors)
    direction = [torch.randn(t.shape, dtype=t.dtype, generator=generator) for t in tensors]
    slope = sum(float((g * d).sum()) for g, d in zip(second, direction, strict=True))
    values = []
    for step in (1e-6, -2e-6):
        with torch.no_grad():
            for t, d in zip(tensors, direction, strict=True):
                t += step * d
        values.append(float(product(create_graph=False)))
    assert slope == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-3)
    assert abs(slope) > 1e-4
