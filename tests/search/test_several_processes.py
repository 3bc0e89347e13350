"""Searches by two processes, against one process that computes the two parts of each batch in turn."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.narrow_spaces import narrow, small
from tests.several_processes import together
from torch import Tensor

import autodas
from autodas.data import Batch, Part
from autodas.loop import Compute, Group
from autodas.loop import _iterations as iterations_module
from autodas.loop import _optimisers as optimisers_module
from autodas.loop import _recorded as graph_module
from autodas.loop.tasks import Classification
from autodas.search._phase import PhaseRun
from autodas.settings import OptimSettings
from autodas.strategies import STRATEGIES, choose_strategy, load_strategy
from autodas.strategies.base import SearchPlan
from autodas.supernet import Supernet

pytestmark = pytest.mark.slow

ITERATIONS = 50
SETTINGS: dict[str, dict[str, Any]] = {
    "random": {"candidates": 2},
    "pdarts": {"skip_dropout": (0.0, 0.0, 0.0)},
    "snas": {"drop_path": 0.0},
    "hdas": {"level": "cells"},
}
"""Without noise on the maps, for which each process draws random numbers of its own."""


def batch(seed: int, part: Part) -> Batch:
    """Seven samples, or three, of which a second process has none."""
    generator = torch.Generator().manual_seed(seed)
    size = 3 if seed % 5 == 4 else 7
    images = torch.randn(size, 1, 8, 8, generator=generator)
    labels = torch.randint(0, 3, (size,), generator=generator)
    own, share = part.of_batch(size)
    return Batch(images[own], labels[own], torch.arange(size)[own], share)


def start(name: str, engine: str, compute: Compute) -> PhaseRun:
    size = {"K": 0, "C1": 8, "C2": 32} if name == "pcdarts" else {"K": 0, "C1": 4, "C2": 8}
    space = autodas.get_space("cifar-o2d").with_size(**size)
    space = narrow(space) if name == "pdarts" else small(space)
    rate = {} if name == "random" else {"learning_rate": 0.05}
    choice = choose_strategy(name, **rate, **SETTINGS.get(choose_strategy(name).name, {}))
    method = load_strategy(name)
    strategy = method(choice.settings, SearchPlan(space, ITERATIONS, 0, lambda alive: 1))
    phase = strategy.start(0, "cpu")
    torch.manual_seed(0)
    partial = method.partial_channels
    supernet = Supernet(phase.space, classes=3, channels=1, engine=engine, partial_channels=partial)
    optim = OptimSettings(lr=0.05, clip=1.0)
    return PhaseRun(phase, 0, strategy, supernet, Classification(3), optim, ITERATIONS, compute)


def gradients(run: PhaseRun) -> dict[str, Tensor]:
    named = {**run.strategy.parameters(), **dict(run.supernet.named_parameters())}
    return {name: tensor.grad.clone() for name, tensor in named.items() if tensor.grad is not None}


def search(name: str, engine: str, compute: Compute) -> dict[str, Any]:
    run, decided, first = start(name, engine, compute), [], {}
    for number in range(min(ITERATIONS, run.phase.iterations)):
        run.step(batch(number, compute.part), batch(100 + number, compute.part) if run.searches else None)
        first = first or gradients(run)
        if decisions := run.strategy.after_iteration(run.iteration):
            decided += [(each.kind, each.what, dict(each.detail)) for each in decisions]
            run.let_go()
    run.average_statistics()
    run.collect_meters()
    state = run.state_dict()
    return {
        "gradients": first,
        "architecture": {name: p.detach() for name, p in run.strategy.parameters().items()},
        "supernet": state["supernet"],
        "decided": decided,
        "meters": state["meters"],
    }


@pytest.mark.parametrize("engine", ["reference", "fused"])
@pytest.mark.parametrize("name", [*(name for name in STRATEGIES if name != "sdas"), "sdas-a", "sdas-c"])
def test_two_processes_equal_two_micro_batches(name: str, engine: str, double: None) -> None:
    whole = search(name, engine, Compute(micro_batches=2))
    first, second = together(lambda group: search(name, engine, Compute(group=group)))
    for key in ("gradients", "architecture", "supernet"):
        assert first[key].keys() == whole[key].keys()
        assert all(torch.equal(first[key][each], second[key][each]) for each in first[key]), "to the bit"
    for each, gradient in whole["gradients"].items():
        assert torch.allclose(first["gradients"][each], gradient, rtol=0, atol=1e-12), each
    assert max(float(gradient.abs().max()) for gradient in whole["gradients"].values()) > 1e-3
    for each, parameter in whole["architecture"].items():
        assert torch.allclose(first["architecture"][each], parameter, rtol=0, atol=1e-8), each
    for each, tensor in whole["supernet"].items():
        # Running statistics follow the mean of the parts, not one part after the other.
        if "running" not in each and "num_batches" not in each:
            assert torch.allclose(first["supernet"][each], tensor, rtol=0, atol=1e-8), each
    assert first["decided"] == second["decided"] == whole["decided"]
    assert len(whole["decided"]) > 0 or not name.startswith("sdas")
    for found, meter in zip(first["meters"], whole["meters"], strict=True):
        assert torch.allclose(found, meter, rtol=1e-9)
    assert all(not meter.any() for meter in second["meters"]), "counted by the first process alone"


@pytest.mark.parametrize(("name", "pieces"), [("sdas-c", 3), ("snas", 2)])
def test_pieces_of_a_recording_equal_what_is_not_recorded(
    name: str, pieces: int, tape_recorder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is exchanged stands between the pieces: one exchange a step, SNAS has one step."""
    monkeypatch.setattr(optimisers_module, "on_accelerator", lambda parameters: True)
    monkeypatch.setattr(graph_module, "WARM_UP", 1)
    monkeypatch.setattr(graph_module, "PAYS", 1)

    def recorded(group: Group) -> tuple[dict[str, Any], int, int]:
        monkeypatch.setattr(iterations_module, "recorder_for", lambda device, graphs: tape_recorder)
        found = search(name, "reference", Compute(group=group))
        return found, tape_recorder.recorded, tape_recorder.played

    plain = together(lambda group: search(name, "reference", Compute(group=group)))
    for whole, (found, recordings, played) in zip(plain, together(recorded), strict=True):
        assert recordings % pieces == played % pieces == 0
        assert recordings >= 2 * pieces
        assert played >= 20 * pieces
        for key in ("gradients", "architecture", "supernet"):
            assert all(torch.equal(found[key][each], whole[key][each]) for each in whole[key]), key
        assert found["decided"] == whole["decided"]
        assert all(map(torch.equal, found["meters"], whole["meters"]))


def test_the_second_order_is_refused() -> None:
    space = small(autodas.get_space("cifar-o2d").with_size(K=0, C1=4, C2=8))

    def refused(group: Group) -> None:
        autodas.Search(
            autodas.open_dataset("digits", subset=60),
            space,
            "das2",
            keeping=autodas.Keeping(autodas.RunFolder("nowhere")),
            epochs=1,
            compute=Compute(group=group),
        )

    for error in together(refused):
        assert "second order cannot be computed by 2 processes" in str(error)
