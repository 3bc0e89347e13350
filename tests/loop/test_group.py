"""What processes exchange, and what becomes of errors."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
import torch
from tests.several_processes import together

from autodas.errors import AutodasError, Relayed
from autodas.loop import ALONE, Group, check_same_facts, check_same_tensors, finished


def test_alone_nothing_changes() -> None:
    parameter = torch.ones(3, requires_grad=True)
    parameter.grad = torch.arange(3.0)
    loss = torch.tensor(2.0)
    assert finished(ALONE.sum_gradients([parameter], loss, 1.0)) is loss
    ALONE.mean_([parameter.detach()])
    ALONE.collect_(parameter.detach())
    assert parameter.tolist() == [1, 1, 1]
    assert ALONE.most(3, -1) == [3, -1]
    assert ALONE.in_turn([1, 2]) == ALONE.from_first(lambda: [1, 2]) == ALONE.after_first(lambda: [1, 2])
    assert list(ALONE.sum_gradients([parameter], loss, 1.0)) == [], "one piece"


def exchanges(group: Group) -> dict[str, Any]:
    weights = [torch.zeros(2, 3, requires_grad=True), torch.zeros(1), torch.zeros(2, requires_grad=True)]
    # Channels last, as gradients of convolutions are.
    weights[0].grad = (torch.arange(6.0).view(3, 2).t() + 10 * group.rank).requires_grad_(False)
    weights[2].grad = torch.full((2,), float(group.rank))
    share = (0.75, 0.25, 0.0)[group.rank]
    if share == 0:
        weights[0].grad = torch.full((2, 3), torch.inf)
    total = finished(group.sum_gradients(weights, torch.tensor(float(group.rank + 1)), share))
    means = [torch.tensor([group.rank, 1.0]), torch.tensor(3.0 * group.rank)]
    group.mean_(means)
    sums = torch.tensor([1.0, group.rank], dtype=torch.float64)
    group.collect_(sums)
    return {
        "gradients": [weight.grad for weight in weights],
        "loss": float(total),
        "means": [mean.tolist() for mean in means],
        "sums": sums.tolist(),
        "most": group.most(group.rank, -group.rank),
        "any": (group.any(group.rank == 1), group.any(False)),
        "turns": group.in_turn([f"{group.rank}{i}" for i in range(2 - group.rank)]),
        "first": group.from_first(lambda: f"of {group.rank}"),
        "after": group.after_first(lambda: f"of {group.rank}"),
    }


@pytest.mark.slow
def test_three_processes() -> None:
    found = together(exchanges, 3)
    for rank, own in enumerate(found):
        # 0.75 g + 0.25 (g + 10); the third has no share.
        assert torch.equal(own["gradients"][0], torch.arange(6.0).view(3, 2).t() + 2.5)
        assert own["gradients"][1] is None
        assert own["gradients"][2].tolist() == [0.25, 0.25]
        assert own["loss"] == 0.75 * 1 + 0.25 * 2
        assert own["means"] == [[1.0, 1.0], 3.0]
        assert own["sums"] == ([3.0, 3.0] if rank == 0 else [0.0, 0.0])
        assert own["most"] == [2, 0]
        assert own["any"] == (True, False)
        assert own["turns"] == ["00", "10", "01"]
        assert own["first"] == "of 0"
        assert own["after"] == f"of {rank}"


@pytest.mark.slow
def test_an_error_of_the_first_process_is_one_of_all() -> None:
    def fail(group: Group) -> None:
        def refuse() -> None:
            raise AutodasError("the folder is taken")

        group.from_first(refuse)

    first, second = together(fail)
    assert str(first) == str(second) == "the folder is taken"
    assert isinstance(second, Relayed)
    assert not isinstance(first, Relayed)


@pytest.mark.slow
def test_the_end_of_a_process_ends_the_others() -> None:
    def die(group: Group) -> None:
        if group.rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        group.gather(0)

    error, nothing = together(die)
    assert nothing is None
    assert "another process of this run has ended" in str(error)


@pytest.mark.slow
@pytest.mark.parametrize("facts", [{"epochs": 3}, {"epochs": 2, "more": 1}])
def test_other_facts_are_named(facts: dict[str, int]) -> None:
    errors = together(
        lambda group: check_same_facts(group, "other settings", {"epochs": 2} if group.first else facts)
    )
    for error in errors:
        assert "process 1 of this run has other settings than process 0" in str(error)
        assert ("epochs: 3 in place of 2" in str(error)) or ("more: 1 in place of none" in str(error))


@pytest.mark.slow
def test_one_bit_is_a_difference() -> None:
    def compare(group: Group) -> None:
        alpha, weight = torch.full((2, 2), 0.1), torch.ones(3)
        check_same_tensors(group, lambda: {"alpha": alpha, "weight": weight}, "since epoch 1")
        if group.rank == 1:
            alpha[1, 1] = torch.nextafter(alpha[1, 1], torch.tensor(1.0))
        check_same_tensors(group, lambda: {"weight": weight}, "since epoch 2")
        check_same_tensors(group, lambda: {"weight": weight, "alpha": alpha}, "since epoch 3")

    for error in together(compare):
        assert "'alpha' differs between processes 0 and 1 since epoch 3" in str(error)
