"""A training whose iterations are recorded equals one whose iterations are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_leaves

from autodas.loop import Compute, load_checkpoint
from autodas.loop import _iterations as iterations_module
from autodas.loop import _optimisers as optimisers_module
from autodas.loop import _recorded as graph_module
from autodas.settings import OptimSettings
from autodas.training import fit as fit_module
from autodas.training.fit import Regularisation

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("micro_batches", "size"), [(1, 8), (2, 32)])
def test_a_recorded_training_equals_one_that_is_not(
    tools: Any, tape_recorder: Any, monkeypatch: pytest.MonkeyPatch, micro_batches: int, size: int
) -> None:
    """Learning rate, momentum, clipping, drop path, auxiliary head, a smaller last batch; to the bit."""
    for module in (optimisers_module, fit_module):
        monkeypatch.setattr(module, "on_accelerator", lambda parameters: True)
    monkeypatch.setattr(graph_module, "WARM_UP", 1)
    monkeypatch.setattr(graph_module, "PAYS", 1)
    networks, states, events = [], [], []
    for recorder in (None, tape_recorder):
        monkeypatch.setattr(iterations_module, "recorder_for", lambda device, graphs, r=recorder: r)
        folder = tools.folder(f"run-{recorder is None}")
        networks.append(tools.network(auxiliary=True, image_size=size))
        fit = tools.fit(
            folder,
            networks[-1],
            train=tools.loader(tools.images(22, size), 4),
            optim=OptimSettings(lr=0.05, label_smoothing=0.1, warmup_epochs=0.5, clip=0.5),
            regularisation=Regularisation(drop_path=0.3),
            compute=Compute(micro_batches=micro_batches),
        )
        torch.manual_seed(11)
        fit.run()
        states.append(load_checkpoint(folder.checkpoint, "train"))
        events.append(_without_times(folder.path / "events.jsonl"))
    # Three epochs of five batches of four and one of two, one of each to warm up. The rate of drop path
    # changes with the epoch, but is in a lasting tensor.
    assert (tape_recorder.recorded, tape_recorder.played) == (2, 14 + 2)
    assert events[0] == events[1]
    left, right = (network.state_dict() for network in networks)
    assert all(torch.equal(left[name], right[name]) for name in left)
    for key in ("optimiser", "network", "meter", "random"):
        assert repr(states[0][key]) == repr(states[1][key])


def test_a_training_step_asks_nothing_of_the_host(
    tools: Any, tape: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (optimisers_module, fit_module):
        monkeypatch.setattr(module, "on_accelerator", lambda parameters: True)
    fit = tools.fit(tools.folder(), regularisation=Regularisation(drop_path=0.3))
    fit.steps.watch.every = 50
    stream = fit.train.stream(0)
    for _ in range(len(fit.train)):
        fit.step(next(stream))
    batch = next(stream)
    with tape(strict=True) as noted:
        fit.step(batch)
    assert float(fit.rate) == pytest.approx(0.1)
    # One operation counts the batch in all layers.
    adds = [(str(f), tree_leaves(args)) for f, args, *_ in noted.operations if "add" in str(f)]
    counts = [name for name, leaves in adds if any(_is_count(leaf) for leaf in leaves)]
    assert counts == ["aten._foreach_add_.Scalar"]


def _is_count(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.dtype == torch.int64 and value.dim() == 0


def _without_times(path: Path) -> list[str]:
    return [line.split('"volatile"')[0] for line in path.read_text().splitlines()]
