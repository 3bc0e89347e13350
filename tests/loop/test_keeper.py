"""What keeps a run: what is saved, when, and that a run stops where it can go on."""

from __future__ import annotations

import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from autodas.errors import AutodasError, Interrupted
from autodas.loop import Keeper, Keeping, load_checkpoint, time_of_epoch
from autodas.loop import _clock as clock_module
from autodas.loop.checkpoint import SHARED
from autodas.reading import Fields, Whole
from autodas.runs.events import read_event
from autodas.runs.folder import RunFolder
from autodas.stopping import Stopped

SHAPE = Fields({"iteration": Whole(), **SHARED})


def keeper_of(path: Path, **options: Any) -> Keeper:
    folder = RunFolder(path)
    folder = folder if options.get("resume") else folder.create()
    keeping = Keeping(folder, tensorboard=False, quiet=True, **options)
    return Keeper(keeping, "train", torch.device("cpu"), SHAPE)


def test_a_state_comes_back_with_what_all_of_them_hold(tmp_path: Path) -> None:
    keeper = keeper_of(tmp_path / "run")
    assert keeper.state is None
    with keeper.running(10, 0):
        keeper.log.event(read_event({"event": "begun"}))
        keeper.after(3, lambda: {"iteration": 3}, due=True)
        keeper.log.event(read_event({"event": "lost"}))
    again = keeper_of(tmp_path / "run", resume=True)
    assert again.state is not None
    assert list(again.state) == ["iteration", "random", "computed", "log"]
    assert again.state["iteration"] == 3
    with again.running(10, 3):
        pass
    assert (tmp_path / "run/events.jsonl").read_text() == '{"event": "begun"}\n', "cut back to the checkpoint"


def test_saved_where_it_is_due_and_nowhere_else(tmp_path: Path) -> None:
    keeper = keeper_of(tmp_path / "run")
    with keeper.running(3, 0):
        keeper.after(1, lambda: {"iteration": 1}, due=True)
        keeper.after(2, lambda: pytest.fail("the state is made only where it is saved"), due=False)
    assert load_checkpoint(keeper.folder.checkpoint, "train")["iteration"] == 1


@pytest.mark.parametrize("ended", [False, True])
def test_a_request_to_stop_saves_and_stops(tmp_path: Path, ended: bool) -> None:
    keeper = keeper_of(tmp_path / "run")

    def go() -> None:
        with keeper.running(3, 0):
            signal.raise_signal(signal.SIGTERM)
            keeper.after(2, lambda: {"iteration": 2}, due=False, ended=ended)

    if ended:
        go()
    else:
        with pytest.raises(Interrupted, match=r"^stopped after iteration 2$"):
            go()
    assert load_checkpoint(keeper.folder.checkpoint, "train")["iteration"] == 2


def test_a_request_while_batches_are_waited_for_saves_what_there_is(tmp_path: Path) -> None:
    keeper = keeper_of(tmp_path / "run")
    with (
        pytest.raises(Interrupted, match="stopped after iteration 5"),
        keeper.running(9, 0),
        keeper.waiting(5, lambda: {"iteration": 5}),
    ):
        raise Stopped
    assert load_checkpoint(keeper.folder.checkpoint, "train")["iteration"] == 5


def test_a_request_while_something_is_evaluated_saves_nothing(tmp_path: Path) -> None:
    keeper = keeper_of(tmp_path / "run")
    with pytest.raises(Interrupted, match=r"^stopped while evaluating$"), keeper.running(9, 0):
        raise Stopped
    assert not keeper.folder.checkpoint.exists()


def test_who_does_not_write_saves_nothing(tmp_path: Path) -> None:
    keeper = keeper_of(tmp_path / "run", writes=False)
    with keeper.running(3, 0):
        keeper.log.event(read_event({"event": "begun"}))
        keeper.after(1, lambda: {"iteration": 1}, due=True)
    assert sorted(path.name for path in keeper.folder.path.rglob("*")) == ["checkpoints"]


def test_there_is_nothing_to_go_on_from(tmp_path: Path) -> None:
    with pytest.raises(AutodasError, match="the checkpoint is missing"):
        keeper_of(tmp_path / "run", resume=True)


def test_the_clock_goes_on_where_it_stood(tmp_path: Path) -> None:
    keeper = keeper_of(tmp_path / "run")
    # Earlier versions did not count waiting.
    for spent in ((100.0, 50.0, 25.0), (100.0, 50.0)):
        keeper.clock.start(spent)
        wall, cpu, waited = keeper.clock.spent
        assert 100 <= wall < 110
        assert 50 <= cpu < 60
        assert waited == sum(spent[2:])


def test_waiting_for_batches_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [10.0]
    monkeypatch.setattr(clock_module, "time", SimpleNamespace(monotonic=lambda: now[0], process_time=float))
    keeper = keeper_of(tmp_path / "run")
    for iteration, (waiting, computing) in enumerate([(3.0, 1.0), (0.5, 2.0)]):
        with keeper.waiting(iteration, lambda: pytest.fail("nothing is saved")):
            now[0] += waiting
        now[0] += computing
    assert keeper.clock.spent == (6.5, 0.0, 3.5)
    keeper.clock.start()
    assert keeper.clock.spent == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("seconds", "waited", "text"),
    [
        (30.0, 5.9, "30 s"),
        (30.0, 6.1, "30 s (6 s of it waiting for data)"),
        (200.0, 100.0, "3 min 20 s (1 min 40 s of it waiting for data)"),
        (1.2, 0.9, "1 s"),
    ],
)
def test_waiting_is_told_where_it_is_much(seconds: float, waited: float, text: str) -> None:
    assert time_of_epoch(seconds, waited) == text
