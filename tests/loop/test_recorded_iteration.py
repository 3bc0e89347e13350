"""Recording: what is played back equals what is computed, and what cannot be recorded is computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from autodas.settings import OptimSettings
from autodas.training import RecordedIteration, load_checkpoint, recorder_for
from autodas.training import _optimisers as optimisers_module
from autodas.training import _recorded as graph_module
from autodas.training import fit as fit_module
from autodas.training.fit import Regularisation


class Count:
    """Adds up what it is given; a factor of the host is frozen in a recording."""

    def __init__(self) -> None:
        self.total, self.factor, self.calls = torch.zeros(()), 1.0, 0

    def __call__(self, x: Tensor) -> tuple[Tensor]:
        self.calls += 1
        self.total += self.factor * x.sum()
        return (self.total * 2,)


def test_warm_up_recording_and_play(tape_recorder: Any) -> None:
    count = Count()
    recorded = RecordedIteration(count, tape_recorder)
    found = []
    for i in range(1, 7):
        batch = torch.full((3,), float(i))
        found.append(recorded(batch)[0])
        batch.fill_(99.0)  # the caller's tensors are not kept
    # 3, 3 + 6, ...: every iteration was done once, and earlier results are not written over.
    assert [float(f) for f in found] == [2 * 3 * i * (i + 1) / 2 for i in range(1, 7)]
    assert count.calls == graph_module.WARM_UP + 1
    assert (tape_recorder.recorded, tape_recorder.played) == (1, 4)


def test_numbers_of_the_host_are_frozen_until_they_are_forgotten(tape_recorder: Any) -> None:
    count = Count()
    recorded = RecordedIteration(count, tape_recorder)
    for _ in range(4):
        recorded(torch.ones(1))
    count.factor = 10.0
    assert float(recorded(torch.ones(1))[0]) == 2 * 5
    recorded.forget()
    assert float(recorded(torch.ones(1))[0]) == 2 * 15


def test_a_recording_for_each_shape(tape_recorder: Any) -> None:
    count = Count()
    recorded = RecordedIteration(count, tape_recorder)
    sizes = [4, 4, 1, 4, 4, 1, 1, 1, 4]
    for size in sizes:
        recorded(torch.ones(size))
    assert float(count.total) == sum(sizes)
    assert tape_recorder.recorded == 2
    # Layout counts as well: a copy into other strides would be right, but slow at every turn.
    recorded(torch.ones(4).expand(2, 4))
    assert tape_recorder.recorded == 2


class Failing:
    """A recorder without luck, as where an operation waits for the device."""

    def __init__(self) -> None:
        self.tries = 0

    def warm_up(self, call: Any) -> Any:
        return call()

    def record(self, call: Any) -> Any:
        self.tries += 1
        raise RuntimeError("operation not permitted\nwhen stream is capturing")


def test_failure_is_told_once_and_nothing_is_lost() -> None:
    count, recorder, said = Count(), Failing(), []
    recorded = RecordedIteration(count, recorder, said.append)
    found = [float(recorded(torch.ones(2))[0]) for _ in range(6)]
    assert found == [4.0 * i for i in range(1, 7)]
    assert recorder.tries == 1
    (line,) = said
    assert "operation not permitted when stream is capturing" in line
    assert recorded.failure == "operation not permitted when stream is capturing"


def test_off_and_cpu_do_not_record() -> None:
    assert recorder_for(torch.device("cpu"), "auto") is None
    assert recorder_for(torch.device("cuda"), "off") is None
    count = Count()
    plain = RecordedIteration(count, None)
    for _ in range(4):
        plain(torch.ones(1))
    assert count.calls == 4


@pytest.mark.parametrize(("micro_batches", "size"), [(1, 8), (2, 32)])
def test_a_recorded_training_equals_one_that_is_not(
    tools: Any, tape_recorder: Any, monkeypatch: pytest.MonkeyPatch, micro_batches: int, size: int
) -> None:
    """Learning rate, momentum, clipping, drop path, auxiliary head, a smaller last batch; to the bit."""
    monkeypatch.setattr(optimisers_module, "on_accelerator", lambda parameters: True)
    monkeypatch.setattr(graph_module, "WARM_UP", 1)
    networks, states, events = [], [], []
    for recorder in (None, tape_recorder):
        monkeypatch.setattr(fit_module, "recorder_for", lambda device, graphs, r=recorder: r)
        folder = tools.folder(f"run-{recorder is None}")
        networks.append(tools.network(auxiliary=True, image_size=size))
        fit = tools.fit(
            folder,
            networks[-1],
            train=tools.loader(tools.images(22, size), 4),
            optim=OptimSettings(lr=0.05, label_smoothing=0.1, warmup_epochs=0.5, clip=0.5),
            regularisation=Regularisation(drop_path=0.3),
            micro_batches=micro_batches,
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
