"""Checkpoints of the right form with the wrong content: one sentence, for everything that can be wrong."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from autodas.cli.main import main
from autodas.errors import AutodasError
from autodas.loop import load_checkpoint
from autodas.runs.folder import RunFolder
from autodas.spaces import get_skeleton

pytestmark = pytest.mark.slow

SEARCH = [
    "--data=digits",
    *("--space.K=0", "--space.C1=16", "--space.C2=64", "--epochs=1", "--batch_size=8", "--data.subset=40"),
    "--space.operations=skip_connect,max_pool_3x3,sep_conv_3x3",
    *("--compute.threads=1", "--tensorboard=false", "--check_memory=false", "--quiet"),
]

Change = Callable[[dict[str, Any]], object]

# Of both commands: what is wrong, and a part of the sentence.
_SHARED: list[tuple[Change, str]] = [
    (lambda s: s.pop("random"), "'random' is missing"),
    (
        lambda s: s.update(iteration=True) if "iteration" in s else s["run"].update(iteration=True),
        "iteration: a whole",
    ),
    (lambda s: s["random"].update(cpu=torch.zeros(3)), "damaged"),
    (lambda s: s["random"].update(threads=0), "threads: a whole number from 1"),
    (lambda s: s.update(log={}), "'events' is missing"),
    (lambda s: s["log"].update(events=-1), "events: a whole number from 0"),
    (lambda s: s["log"].update(columns=[["step"]]), "columns[0]: text is expected"),
]
_TRAIN: list[tuple[Change, str]] = [
    (lambda s: s.pop("iteration"), "'iteration' is missing"),
    (lambda s: s.update(iteration=10**9), "iteration 1000000000 of 15"),
    (lambda s: s.update(meter=torch.zeros(3)), "4 sums are expected"),
    (lambda s: s.update(network=[]), "network: a mapping is expected, found []"),
    (lambda s: s["network"].popitem(), "damaged"),
    (lambda s: s["network"].update({next(iter(s["network"])): torch.zeros(1)}), "damaged"),
    (lambda s: s["optimiser"].pop("param_groups"), "damaged"),
    (lambda s: s["optimiser"].update(state=[]), "damaged"),
    (lambda s: s["optimiser"].update(state={}), "a momentum is missing"),
    (
        lambda s: s["optimiser"]["state"][0].update(momentum_buffer=torch.zeros(7)),
        "does not fit its parameter",
    ),
    (lambda s: s.update(best={"epoch": 1}), "'top1' is missing"),
    (lambda s: s.update(best={"epoch": 1, "top1": 3.0, "weights": {}}), "damaged"),
]
_SEARCH: list[tuple[Change, str]] = [
    (lambda s: s["run"].pop("iteration"), "run: 'iteration' is missing"),
    (lambda s: s["run"].update(iteration=10**9), "iteration 1000000000 of"),
    (lambda s: s.update(phase=7), "phase 7 of 1"),
    (lambda s: s.update(run=[]), "run: a mapping is expected"),
    (lambda s: s.update(margins=["x"]), "margins[0]: a number"),
    (lambda s: s.update(clock=[1.0]), "clock: a list of 2 to 3 items"),
    (lambda s: s.update(candidates=[{"phase": "a", "file": "x", "derived": True}]), "damaged"),
    (lambda s: s["run"].update(meters=[torch.zeros(4)] * 2), "4 sums are expected"),
    (lambda s: s["run"]["strategy"].clear(), "damaged"),
    (lambda s: s["run"]["strategy"].update(alpha=3), "damaged"),
    (lambda s: s["run"]["strategy"].update(decisions={}), "damaged"),
    (lambda s: s["run"]["strategy"]["decisions"]["reduction"]["operation"].update({0: 2.0}), "2.0"),
    (lambda s: s["run"]["strategy"]["decisions"]["reduction"]["operation"].update({0: 99}), "99"),
    (lambda s: s["run"]["strategy"]["decisions"]["reduction"]["kept"].update({5: (0, 1)}), "0"),
    (lambda s: s["run"]["strategy"]["decisions"]["reduction"]["operation"].popitem(), "undecided edges"),
    (lambda s: s["run"]["strategy"]["alpha"]["reduction"].update({0: torch.zeros(3)}), "undecided edges"),
    (lambda s: s["run"]["strategy"].update(beta={}), "damaged"),
    (lambda s: s["run"]["supernet"].popitem(), "damaged"),
    (lambda s: s["run"].update(weight_optimiser={}), "damaged"),
]


def changed(path: Path, change: Change) -> None:
    content = torch.load(path, weights_only=True)
    change(content["state"])
    torch.save(content, path)


@pytest.fixture(scope="module")
def stopped_training(make_tools: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, bytes]:
    skeleton = get_skeleton("cifar").with_size(0, 16, 64)
    tools = make_tools(tmp_path_factory.mktemp("training"), skeleton)
    fit = tools.fit(tools.folder("whole"))
    fit.run()
    return tools, fit.folder.checkpoint.read_bytes()


@pytest.mark.parametrize(("change", "expected"), [*_SHARED, *_TRAIN])
def test_training(change: Change, expected: str, stopped_training: tuple[Any, bytes], tmp_path: Path) -> None:
    tools, content = stopped_training
    folder = RunFolder(tmp_path / "run").create()
    folder.checkpoint.write_bytes(content)
    tools.fit(folder, resume=True)  # as it is, it is taken over
    changed(folder.checkpoint, change)
    with pytest.raises(AutodasError) as caught:
        tools.fit(folder, resume=True)
    assert str(caught.value).startswith(f"{folder.checkpoint}: not a checkpoint of autodas, or damaged (")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def stopped_search(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("search") / "run"
    assert main(["search", "--strategy=sdas-b", *SEARCH, f"--run={folder}"]) == 0
    (folder / "summary.json").unlink()
    return folder


@pytest.mark.parametrize(("change", "expected"), [*_SHARED, *_SEARCH])
def test_search(
    change: Change, expected: str, stopped_search: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = stopped_search / "checkpoints" / "last.pt"
    content = checkpoint.read_bytes()
    try:
        changed(checkpoint, change)
        capsys.readouterr()
        assert main(["search", f"--resume={stopped_search}", "--quiet"]) == 2
        message = capsys.readouterr().err
    finally:
        checkpoint.write_bytes(content)
    assert f"{checkpoint}: not a checkpoint of autodas, or damaged (" in message
    assert expected in message
    assert [line.partition(":")[0] for line in message.splitlines()] == ["note", "autodas"]


def test_packed_and_older_containers_are_not_unpacked(tmp_path: Path) -> None:
    from autodas.loop import save_checkpoint

    path = tmp_path / "last.pt"
    save_checkpoint(path, "search", {"zeros": torch.zeros(10**6)})
    whole = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry.filename))
    assert path.stat().st_size < 20_000
    with pytest.raises(AutodasError, match="truncated, or not a checkpoint"):
        load_checkpoint(path, "search")
    torch.save({"format": "autodas checkpoint"}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(AutodasError, match="truncated, or not a checkpoint"):
        load_checkpoint(path, "search")
