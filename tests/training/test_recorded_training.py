"""A training whose iterations are recorded equals one whose iterations are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from autodas.loop import Compute, load_checkpoint
from autodas.loop import _iterations as iterations_module
from autodas.loop import _optimisers as optimisers_module
from autodas.loop import _recorded as graph_module
from autodas.settings import OptimSettings
from autodas.training.fit import Regularisation

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("micro_batches", "size"), [(1, 8), (2, 32)])
def test_a_recorded_training_equals_one_that_is_not(
    tools: Any, tape_recorder: Any, monkeypatch: pytest.MonkeyPatch, micro_batches: int, size: int
) -> None:
    """Learning rate, momentum, clipping, drop path, auxiliary head, a smaller last batch; to the bit."""
    monkeypatch.setattr(optimisers_module, "on_accelerator", lambda parameters: True)
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
    # Three epochs, each with a drop path of its own, of five batches of four: one to warm up.
    assert (tape_recorder.recorded, tape_recorder.played) == (3, 12)
    assert events[0] == events[1]
    left, right = (network.state_dict() for network in networks)
    assert all(torch.equal(left[name], right[name]) for name in left)
    for key in ("optimiser", "network", "meter", "random"):
        assert repr(states[0][key]) == repr(states[1][key])


def _without_times(path: Path) -> list[str]:
    return [line.split('"volatile"')[0] for line in path.read_text().splitlines()]
