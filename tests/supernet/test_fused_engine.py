"""The fused engine against the reference engine: outputs, both gradients, running statistics."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.narrow_spaces import FEW, narrow
from torch.nn import functional as F

from autodas.errors import AutodasError
from autodas.operations import register
from autodas.operations._registry import _BUILDERS
from autodas.spaces import CellSpace, Space, all_alive, get_skeleton, get_space
from autodas.supernet import CellMixture, Noise, Supernet, frozen_statistics, mixture_of
from autodas.supernet._cell import SupernetCell
from autodas.supernet.fused._plan import Plan

pytestmark = pytest.mark.slow

SIZE = {"K": 1, "C1": 4, "C2": 16}
NO_NOISE = Noise()


def random_mixture(
    space: Space, share: float, dtype: torch.dtype, edges: bool, noise: Noise = NO_NOISE
) -> tuple[dict[str, CellMixture], list[torch.Tensor]]:
    shape = (len(space.cell.edges), len(space.cell.operations))
    mixture, leaves = {}, []
    for kind in space.kinds:
        active = tuple(tuple(row) for row in (torch.rand(shape) < share).tolist())
        weights = torch.rand(shape, dtype=dtype, requires_grad=True)
        factors = torch.rand(shape[0], dtype=dtype, requires_grad=True) if edges else None
        mixture[kind] = CellMixture(weights, active, factors, noise)
        leaves += [weights] if factors is None else [weights, factors]
    return mixture, leaves


def everything(
    supernet: Supernet,
    engine: str,
    x: torch.Tensor,
    labels: torch.Tensor,
    mixture: dict[str, CellMixture],
    leaves: list[torch.Tensor],
) -> dict[str, torch.Tensor]:
    """Return logits, gradients and statistics after one pass of an engine."""
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    with supernet.computed_by(engine):
        torch.manual_seed(7)  # of the noise, where there is any
        logits = supernet(x, mixture)
        named = [(f"mixture {i}", leaf) for i, leaf in enumerate(leaves)] + list(supernet.named_parameters())
        loss = F.cross_entropy(logits, labels)
        gradients = torch.autograd.grad(loss, [p for _, p in named], allow_unused=True)
    found = {"logits": logits.detach()}
    for (name, p), g in zip(named, gradients, strict=True):
        found[f"gradient of {name}"] = torch.zeros_like(p) if g is None else g
    found |= {f"statistics {n}": t.clone() for n, t in supernet.state_dict().items() if "running" in n}
    supernet.load_state_dict(before)
    return found


def assert_equal_engines(
    space: Space,
    *,
    seed: int,
    share: float = 1.0,
    dtype: torch.dtype = torch.float64,
    size: int = 8,
    training: bool = True,
    edges: bool = True,
    tolerance: float = 1e-10,
    noise: Noise = NO_NOISE,
    partial_channels: int = 1,
) -> None:
    torch.manual_seed(seed)
    supernet = (
        Supernet(space, channels=2, classes=5, partial_channels=partial_channels).to(dtype).train(training)
    )
    for name, tensor in supernet.state_dict().items():
        if "running" in name:
            tensor.copy_(torch.rand_like(tensor) + 0.5)
    mixture, leaves = random_mixture(space, share, dtype, edges, noise)
    x, labels = torch.randn(3, 2, size, size, dtype=dtype), torch.randint(5, (3,))
    # Where a ReLU is within rounding of zero, either gradient is right: a point beside it tells.
    differs = ""
    for _ in range(3 if dtype == torch.float32 else 1):
        differs = difference(supernet, x, labels, mixture, leaves, tolerance)
        if not differs:
            return
        x = x + 1e-3 * torch.randn_like(x)
    raise AssertionError(differs)


def difference(
    supernet: Supernet,
    x: torch.Tensor,
    labels: torch.Tensor,
    mixture: dict[str, CellMixture],
    leaves: list[torch.Tensor],
    tolerance: float,
) -> str:
    """Return what differs between the engines, relative to the largest entry of each tensor."""
    reference = everything(supernet, "reference", x, labels, mixture, leaves)
    fused = everything(supernet, "fused", x, labels, mixture, leaves)
    # A gradient that is zero but for rounding has no size of its own to compare with.
    scale = max(t.abs().max().item() for name, t in reference.items() if name.startswith("gradient"))
    for name, expected in reference.items():
        largest = max(expected.abs().max().item(), 1e-4 * scale if name.startswith("gradient") else 0.0)
        error = (fused[name] - expected).abs().max().item()
        if error > tolerance * max(largest, 1e-12):
            return f"{name}: {error / largest:.1e} of the largest entry"
    return ""


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10**6),
    share=st.sampled_from([0.0, 0.15, 0.5, 1.0]),
    size=st.integers(4, 9),
    name=st.sampled_from(["cifar-o2d", "cifar-darts", "nasbench201"]),
    training=st.booleans(),
    edges=st.booleans(),
)
def test_in_double_precision(
    seed: int, share: float, size: int, name: str, training: bool, edges: bool
) -> None:
    space = narrow(get_space(name).with_size(**SIZE))
    assert_equal_engines(space, seed=seed, share=share, size=size, training=training, edges=edges)


@settings(max_examples=5, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    share=st.sampled_from([0.2, 0.6, 1.0]),
    size=st.integers(6, 11),
    name=st.sampled_from(["cifar-o2d", "nasbench201"]),
    training=st.booleans(),
)
def test_in_single_precision(seed: int, share: float, size: int, name: str, training: bool) -> None:
    # Here the compiled kernels compute, where there is a compiler.
    space = narrow(get_space(name).with_size(**SIZE))
    assert_equal_engines(
        space, seed=seed, share=share, size=size, training=training, dtype=torch.float32, tolerance=2e-3
    )


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    share=st.sampled_from([0.15, 0.5, 1.0]),
    size=st.integers(4, 9),
    name=st.sampled_from(["cifar-darts", "nasbench201"]),
    noise=st.builds(Noise, st.sampled_from([0.0, 0.4]), st.sampled_from([0.0, 0.3])),
    partial_channels=st.sampled_from([1, 2]),
    edges=st.booleans(),
    training=st.booleans(),
)
def test_with_noise(
    seed: int,
    share: float,
    size: int,
    name: str,
    noise: Noise,
    partial_channels: int,
    edges: bool,
    training: bool,
) -> None:
    assert_equal_engines(
        narrow(get_space(name).with_size(**SIZE)),
        seed=seed,
        share=share,
        size=size,
        edges=edges,
        noise=noise,
        partial_channels=partial_channels,
        training=training,
    )


@pytest.mark.parametrize("name", ["cifar-o2d", "cifar-darts", "nasbench201"])
def test_every_operation_of_a_space_has_a_fused_form(name: str) -> None:
    space = get_space(name).with_size(**SIZE)
    searched = [cell for cell in Supernet(space).cells if isinstance(cell, SupernetCell)]
    assert searched
    for cell in searched:
        plans = [Plan(cell, all_alive(space.cell), state) for state in range(space.cell.states[-1])]
        assert not any(plan.others for plan in plans)


def test_imagenet_skeleton() -> None:
    assert_equal_engines(narrow(get_space("imagenet-o2d").with_size(K=0, C1=4, C2=16)), seed=1, size=32)


def test_an_operation_without_a_fused_form_is_computed_by_its_module() -> None:
    @register("test_conv_1x1")
    def build(channels: int, stride: tuple[int, ...], norms: object) -> torch.nn.Module:
        return torch.nn.Conv2d(channels, channels, 1, stride=stride)

    try:
        cell = CellSpace("test", ("skip_connect", "test_conv_1x1", "sep_conv_3x3", "max_pool_3x3"), nodes=2)
        space = Space("test", cell, get_skeleton("cifar").with_size(**SIZE))
        assert_equal_engines(space, seed=4, share=0.7)
    finally:
        del _BUILDERS["test_conv_1x1"]


def test_after_pruning() -> None:
    torch.manual_seed(0)
    space = narrow(get_space("cifar-o2d").with_size(**SIZE))
    supernet = Supernet(space, engine="fused").double()
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    supernet(x, mixture_of({kind: all_alive(space.cell) for kind in space.kinds}))
    alive = {
        kind: tuple(tuple(o == e % 7 for o in range(7)) for e in range(len(space.cell.edges)))
        for kind in space.kinds
    }
    supernet.prune(alive)
    mixture = {k: CellMixture(m.weights.double(), m.active) for k, m in mixture_of(alive).items()}
    found = supernet(x, mixture)
    with supernet.computed_by("reference"):
        assert torch.allclose(found, supernet(x, mixture), rtol=1e-10)


def test_frozen_statistics_stay_to_the_bit() -> None:
    torch.manual_seed(0)
    space = narrow(get_space("cifar-o2d").with_size(**SIZE))
    supernet = Supernet(space, engine="fused").train()
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    mixture = mixture_of({kind: all_alive(space.cell) for kind in space.kinds})
    with frozen_statistics(supernet):
        supernet(torch.randn(2, 3, 8, 8), mixture)
    assert all(torch.equal(tensor, before[name]) for name, tensor in supernet.state_dict().items())


def test_gradients_of_gradients_are_refused() -> None:
    # A backward pass of our own has no derivative: better an error than a term that is silently missing.
    space = narrow(get_space("cifar-o2d").with_size(**SIZE))
    supernet = Supernet(space, engine="fused")
    mixture, leaves = random_mixture(space, 1.0, torch.float32, edges=False)
    loss = F.cross_entropy(supernet(torch.randn(2, 3, 8, 8), mixture), torch.tensor([0, 1]))
    with pytest.raises(AutodasError, match="reference engine"):
        torch.autograd.grad(loss, leaves, create_graph=True)


def test_the_same_parameters_under_the_same_names() -> None:
    space = narrow(get_space("cifar-darts").with_size(**SIZE))
    reference, fused = Supernet(space), Supernet(space, engine="fused")
    assert list(reference.state_dict()) == list(fused.state_dict())
    fused.load_state_dict(reference.state_dict())


def test_every_one_of_many_iterations() -> None:
    """Forty steps of SGD in single precision; in each, both engines start from the same weights.

    (Two searches side by side part ways: training amplifies the last bits of either.)
    """
    torch.manual_seed(0)
    space = narrow(get_space("cifar-o2d").with_operations(FEW).with_size(K=0, C1=4, C2=8))
    supernet = Supernet(space, channels=1, classes=3)
    weights, leaves = list(supernet.parameters()), []
    mixture = mixture_of({kind: all_alive(space.cell) for kind in space.kinds})
    mixture = {k: CellMixture(m.weights / len(FEW), m.active) for k, m in mixture.items()}
    pictures, labels = torch.randn(2, 16, 1, 6, 6), torch.randint(3, (2, 16))
    optimiser = torch.optim.SGD(weights, lr=0.02, momentum=0.9)
    apart = set()
    for step in range(40):
        batch = (pictures[step % 2], labels[step % 2], mixture, leaves)
        found = {name: everything(supernet, name, *batch) for name in ("fused", "reference")}
        expected = found["reference"]
        scale = max(t.abs().max().item() for n, t in expected.items() if n.startswith("gradient"))
        for name, tensor in expected.items():
            # What is zero but for rounding has no size of its own to compare with.
            floor = 1e-2 * (scale if name.startswith("gradient") else 1.0)
            largest = max(tensor.abs().max().item(), floor)
            if (found["fused"][name] - tensor).abs().max().item() > 1e-4 * largest:
                apart.add(step)
        for name, weight in supernet.named_parameters():
            weight.grad = expected[f"gradient of {name}"]
        optimiser.step()
        if step == 0:
            first = expected["logits"]
    # Where a ReLU is within rounding of zero, either gradient is right.
    assert len(apart) <= 1
    assert F.cross_entropy(expected["logits"], labels[1]) < 0.5 * F.cross_entropy(first, labels[0])
