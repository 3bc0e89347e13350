from __future__ import annotations

import itertools
from math import cos, pi
from typing import Any

import pytest
import torch

from autodas.errors import AutodasError
from autodas.loop import _optimisers as optimisers_module
from autodas.loop import load_optimiser, set_learning_rate, weight_optimiser
from autodas.settings import AdamWSettings, OptimSettings, learning_rate


def rates(iterations: int, an_epoch: int, **settings: Any) -> list[float]:
    optim = OptimSettings(**settings)
    return [learning_rate(optim, t, iterations, an_epoch) for t in range(iterations)]


def test_cosine() -> None:
    # eta_T + (eta_0 - eta_T)(1 + cos(pi t / T)) / 2 with 0.025 -> 0.001 (DARTS): at 0, T/4, T/2, 3T/4.
    found = rates(8, 2, lr=0.025, final_lr=0.001)
    assert found[0] == 0.025
    assert found[2] == pytest.approx(0.001 + 0.024 * (1 + 0.70710678) / 2)
    assert found[4] == pytest.approx(0.013)
    assert found[6] == pytest.approx(0.001 + 0.024 * (1 - 0.70710678) / 2)
    assert all(later < earlier for earlier, later in itertools.pairwise(found))


def test_linear() -> None:
    assert rates(4, 2, lr=0.5, final_lr=0.1, schedule="linear") == pytest.approx([0.5, 0.4, 0.3, 0.2])


def test_exponential_falls_after_every_epoch() -> None:
    # DARTS on ImageNet: 0.1 x 0.97 an epoch.
    found = rates(7, 3, lr=0.1, schedule="exponential", decay=0.97)
    assert found == pytest.approx([0.1] * 3 + [0.097] * 3 + [0.09409])


def test_warm_up_then_cosine() -> None:
    # One epoch of 4: 1/4, 2/4, 3/4, 4/4 of 0.8; then a cosine over the remaining 4 iterations to 0.
    found = rates(8, 4, lr=0.8, warmup_epochs=1.0)
    assert found[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert found[4:] == pytest.approx([0.4 * (1 + cos(pi * i / 4)) for i in range(4)])


def test_warm_up_of_part_of_an_epoch() -> None:
    # Half an epoch of 5 is 2.5 iterations: the rate arrives within 3.
    found = rates(20, 5, lr=0.3, schedule="linear", warmup_epochs=0.5)
    assert found[:3] == pytest.approx([0.1, 0.2, 0.3])
    assert found[3] == pytest.approx(0.3 * (1 - 0.5 / 17.5))


def test_warm_up_longer_than_the_run() -> None:
    assert rates(3, 3, lr=0.6, warmup_epochs=2.0) == pytest.approx([0.1, 0.2, 0.3])


@pytest.mark.parametrize("schedule", ["cosine", "linear", "exponential"])
@pytest.mark.parametrize("warmup", [0.0, 0.3, 1.0, 5.0])
def test_rates_stay_between_zero_and_the_first(schedule: str, warmup: float) -> None:
    found = rates(30, 7, lr=0.1, schedule=schedule, warmup_epochs=warmup)
    assert all(0 < rate <= 0.1 + 1e-12 for rate in found)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("lr", 0.0),
        ("lr", -1.0),
        ("lr", float("nan")),
        ("lr", float("inf")),
        ("final_lr", -0.1),
        ("final_lr", 0.03),  # above lr
        ("final_lr", float("nan")),
        ("decay", 0.0),
        ("decay", 1.1),
        ("momentum", 1.0),
        ("momentum", -0.1),
        ("weight_decay", -1e-4),
        ("clip", -5.0),
        ("warmup_epochs", -1.0),
        ("label_smoothing", 1.0),
        ("label_smoothing", -0.1),
    ],
)
def test_settings_out_of_range(setting: str, value: float) -> None:
    with pytest.raises(AutodasError, match=rf"optim\.{setting}") as caught:
        OptimSettings(**{setting: value})  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_the_optimiser_is_sgd_as_in_darts() -> None:
    parameter = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    optimiser = weight_optimiser([parameter], OptimSettings(lr=0.1, momentum=0.9, weight_decay=0.5))
    # v = 0.9 v + (g + 0.5 w); w = w - lr v, twice by hand with g = (1, 1).
    expected, velocity = torch.tensor([1.0, -2.0]), torch.zeros(2)
    for rate in (0.1, 0.01):
        set_learning_rate(optimiser, rate)
        parameter.grad = torch.ones(2)
        optimiser.step()
        velocity = 0.9 * velocity + (1 + 0.5 * expected)
        expected = expected - rate * velocity
        assert torch.allclose(parameter.detach(), expected)


def test_the_optimiser_of_detectors_is_adamw() -> None:
    parameter = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    optimiser = weight_optimiser([parameter], AdamWSettings(lr=0.1, weight_decay=0.5))
    expected, first, second = torch.tensor([1.0, -2.0]), torch.zeros(2), torch.zeros(2)
    gradients = [torch.tensor([1.0, 3.0]), torch.tensor([-2.0, 1.0])]
    for step, (rate, gradient) in enumerate(zip((0.1, 0.01), gradients, strict=True), start=1):
        set_learning_rate(optimiser, rate)
        parameter.grad = gradient.clone()
        optimiser.step()
        # Loshchilov and Hutter 2019, algorithm 2: the decay is apart from the gradient.
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        moved = (first / (1 - 0.9**step)) / ((second / (1 - 0.999**step)).sqrt() + 1e-8)
        expected = expected - rate * 0.5 * expected - rate * moved
        assert torch.allclose(parameter.detach(), expected)


def test_a_rate_in_a_tensor_is_set_in_place_and_survives_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU, whose recorded iterations read it where it lies; the state is from a CPU."""

    def optimiser() -> torch.optim.SGD:
        weight = torch.nn.Parameter(torch.ones(3))
        weight.grad = torch.ones(3)
        return weight_optimiser([weight], OptimSettings(lr=0.5, weight_decay=0.0))

    plain = optimiser()
    assert plain.param_groups[0]["lr"] == 0.5
    plain.step()
    monkeypatch.setattr(optimisers_module, "on_accelerator", lambda parameters: True)
    other = optimiser()
    load_optimiser(other, plain.state_dict())
    rate = other.param_groups[0]["lr"]
    assert isinstance(rate, torch.Tensor)
    set_learning_rate(other, 0.25)
    assert other.param_groups[0]["lr"] is rate
    other.step()
    # Momentum of the first step went along: 0.9 x 1 + 1, times the rate.
    assert other.param_groups[0]["params"][0].tolist() == pytest.approx([1 - 0.25 * 1.9] * 3)
