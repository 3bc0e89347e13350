"""Steps of SGD by the compiled kernels, against torch's own."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from autodas.kernels import compiled_library
from autodas.loop import clipped_step, weight_optimiser
from autodas.loop._descent import descended
from autodas.settings import OptimSettings

compiled = pytest.mark.skipif(compiled_library() is None, reason="there are no compiled kernels")


def weights(dtype: torch.dtype = torch.float32) -> list[nn.Parameter]:
    """Return weights of all layouts that networks have."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(1,), (5,), (3, 4), (16, 1, 3, 3), (7, 6, 1, 1), (4, 3, 3, 3), (4, 2, 3, 3, 3), (33, 8)]
    made = [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes]
    made[5] = made[5].to(memory_format=torch.channels_last)
    made[6] = made[6].to(memory_format=torch.channels_last_3d)
    return [nn.Parameter(each) for each in made]


def give_gradients(parameters: Sequence[nn.Parameter], seed: int, without: int = 2) -> None:
    generator = torch.Generator().manual_seed(seed)
    for number, weight in enumerate(parameters):
        drawn = torch.randn(weight.shape, generator=generator, dtype=torch.float64).to(weight.dtype)
        weight.grad = None if number == without else torch.empty_like(weight).copy_(drawn)


@compiled
@pytest.mark.parametrize("clip", [0.0, 0.5, 100.0])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_the_same_as_torch(clip: float, decay: float) -> None:
    settings = OptimSettings(lr=0.3, momentum=0.8, weight_decay=decay, clip=clip)
    ours, theirs = weights(), weights(dtype=torch.float64)
    optimiser = weight_optimiser(ours, settings)
    expected = torch.optim.SGD(theirs, lr=0.3, momentum=0.8, weight_decay=decay)
    for step in range(4):
        give_gradients(ours, step, without=step)
        give_gradients(theirs, step, without=step)
        assert descended(optimiser, clip)
        if clip > 0:
            nn.utils.clip_grad_norm_(theirs, clip)
        expected.step()
        if step == 0:
            assert torch.equal(ours[0], weights()[0]), "without a gradient, and without a momentum yet"
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own.double(), other, rtol=2e-6, atol=2e-6)
        mine = optimiser.state[own]["momentum_buffer"].double()
        torch.testing.assert_close(mine, expected.state[other]["momentum_buffer"], rtol=2e-6, atol=2e-6)


@compiled
def test_the_number_of_threads_makes_no_difference() -> None:
    found = []
    before = torch.get_num_threads()
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        parameters = weights()
        optimiser = weight_optimiser(parameters, OptimSettings(lr=0.1))
        for step in range(3):
            give_gradients(parameters, step)
            assert descended(optimiser, 1.0)
        found.append(torch.cat([weight.detach().flatten() for weight in parameters]))
    torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


@compiled
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_a_number_is_not_hidden(bad: float) -> None:
    parameters = weights()
    optimiser = weight_optimiser(parameters, OptimSettings(lr=0.1))
    give_gradients(parameters, 0)
    gradient = parameters[3].grad
    assert gradient is not None
    gradient[0] = bad
    assert descended(optimiser, 5.0)
    assert not torch.isfinite(parameters[3]).all()


@compiled
def test_autograd_notices_that_weights_have_changed() -> None:
    weight = nn.Parameter(torch.ones(3))
    optimiser = weight_optimiser([weight], OptimSettings(lr=0.1))
    weight.grad = torch.ones(3)
    loss = weight.square().sum()
    clipped_step(optimiser, 0.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def _strided() -> Tensor:
    return torch.randn(6, 4).t()


@pytest.mark.parametrize(
    ("weight", "gradient", "settings"),
    [
        (torch.randn(3), torch.randn(3), {"momentum": 0.0}),
        (torch.randn(3), torch.randn(3), {"nesterov": True}),
        (torch.randn(3), torch.randn(3), {"lr": torch.tensor(0.2)}),
        (torch.randn(3).double(), torch.randn(3).double(), {}),
        (torch.randn(4, 6), _strided(), {}),
        (torch.randn(8, 6)[:, ::2], torch.randn(8, 6)[:, ::2], {}),
    ],
)
def test_torch_steps_where_the_kernels_cannot(weight: Tensor, gradient: Tensor, settings: dict) -> None:  # type: ignore[type-arg]
    own, other = nn.Parameter(weight.clone(memory_format=torch.preserve_format)), nn.Parameter(weight.clone())
    own.data, other.data = weight, weight.clone()
    options = {"lr": 0.2, "momentum": 0.9, "weight_decay": 0.1, **settings}
    optimiser, expected = torch.optim.SGD([own], **options), torch.optim.SGD([other], **options)
    for _ in range(2):
        own.grad, other.grad = gradient.clone(), gradient.clone()
        clipped_step(optimiser, 0.5)
        nn.utils.clip_grad_norm_([other], 0.5)
        expected.step()
    assert torch.equal(own, other)


def test_each_of_several_groups_has_its_own_settings() -> None:
    first, second = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    groups = [{"params": [first], "lr": 1.0}, {"params": [second], "lr": 0.5}]
    optimiser = torch.optim.SGD(groups, lr=0.1)
    first.grad, second.grad = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 4.0])
    clipped_step(optimiser, 1.0)
    torch.testing.assert_close(first.detach(), torch.tensor([0.4, 1.0]), rtol=1e-5, atol=0)
    torch.testing.assert_close(second.detach(), torch.tensor([1.0, 0.6]), rtol=1e-5, atol=0)
