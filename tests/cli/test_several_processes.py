"""Commands started by torchrun: the same command lines, one that prints and writes, errors in one line."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from autodas.cli.main import main
from autodas.errors import AutodasError
from autodas.launched import process_count, process_number, start_time
from autodas.loop import free_memory, own_device, start_group

pytestmark = pytest.mark.slow

SIZE = ["--space.K=0", "--space.C1=4", "--space.C2=8", "--tensorboard=false", "--compute.threads=1"]
By = Callable[..., list[tuple[str, str]]]
SEARCH = ["search", "--data=digits", "--data.subset=120", "--strategy=sdas-c", *SIZE, "--batch_size=20"]
SEARCH += ["--strategy.learning_rate=0.05", "--epochs=3", "--checkpoint_every=2"]


def torchrun(folder: Path, *words: str, processes: int = 2, restarts: int = 0) -> subprocess.Popen[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}"]
    return subprocess.Popen(
        [*launcher, f"--max-restarts={restarts}", "-m", "autodas", "--", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.fixture
def by_hand(command: Any) -> Callable[..., list[tuple[str, str]]]:
    """Runs two processes as other launchers start them; returns what they print, and what they say."""

    def run(
        folder: Path, code: int, first: list[str], second: list[str], **more: str
    ) -> list[tuple[str, str]]:
        place = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), **more}

        def start(rank: int, words: list[str]) -> Any:
            variables = {"RANK": str(rank), **place}
            return command(folder, *words, prepare=lambda: os.environ.update(variables))

        processes = [start(rank, words) for rank, words in enumerate((first, second))]
        assert [process.wait() for process in processes] == [code, code], processes[0].printed
        assert not any("Traceback" in process.printed[1] for process in processes)
        return [process.printed for process in processes]

    return run


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def events(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "events.jsonl").read_text().splitlines()
    return [{**json.loads(line), "volatile": None} for line in lines]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state = torch.load(folder / "checkpoints/last.pt", weights_only=True)["state"]
    return state["run"]["supernet"] | state["run"]["strategy"]["alpha"]["reduction"]


def test_a_killed_process_is_started_again(tmp_path: Path, by_hand: By) -> None:
    """The run goes on, without a person and without a folder's name."""
    (tmp_path / "killed").mkdir()
    launched = torchrun(tmp_path / "killed", *SEARCH, restarts=2)
    limit = time.monotonic() + 100
    while not list((tmp_path / "killed").glob("runs/*/checkpoints/last.pt")):
        assert time.monotonic() < limit
        time.sleep(0.01)
    children = Path(f"/proc/{launched.pid}/task/{launched.pid}/children").read_text().split()
    workers = [each for each in children if b"search" in Path(f"/proc/{each}/cmdline").read_bytes()]
    os.kill(int(workers[1]), signal.SIGKILL)
    printed, told_of_killed = launched.communicate(timeout=100)
    assert launched.returncode == 0, told_of_killed
    assert "another process of this run has ended" in told_of_killed
    assert printed.count("genotype: ") == 1, "one of them prints"

    first, second = by_hand(tmp_path, 0, *[[*SEARCH, "--run=whole"]] * 2)
    assert first[1].count("epoch 1/3") == 1
    assert re.search(r"epoch 3/3: .* samples a second by 2 processes", first[1])
    assert second == ("", "")
    (left,), right = (tmp_path / "killed/runs").iterdir(), tmp_path / "whole"
    assert events(left) == events(right)
    assert all(torch.equal(weight, weights(right)[name]) for name, weight in weights(left).items())


def test_connections_are_closed_at_the_end() -> None:
    """Otherwise one process in ten or so is aborted by a thread that it leaves behind."""
    program = """
import atexit, torch
# Called last, as it is registered first.
atexit.register(lambda: print("open" if torch.distributed.is_initialized() else "closed"))
from autodas.loop import start_group
start_group(torch.device("cpu"))
assert torch.distributed.is_initialized()
# Neither leaves while the other is still connecting.
torch.distributed.barrier()
"""
    place = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            env={**place, "RANK": str(rank)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    assert [process.communicate(timeout=100)[0] for process in started] == ["closed\n"] * 2
    assert [process.returncode for process in started] == [0, 0]


def test_one_process_gives_what_no_launcher_gives(tmp_path: Path, launch: Callable[..., None]) -> None:
    assert main([*SEARCH, f"--run={tmp_path / 'usual'}", "--quiet"]) == 0
    launch(rank=0, size=1, LOCAL_RANK="0", LOCAL_WORLD_SIZE="1", TORCHELASTIC_RUN_ID="of a test")
    assert main([*SEARCH, f"--run={tmp_path / 'launched'}", "--quiet"]) == 0
    left, right = tmp_path / "launched", tmp_path / "usual"
    assert events(left) == events(right)
    assert (left / "metrics.csv").read_bytes() == (right / "metrics.csv").read_bytes()
    found, usual = weights(left), weights(right)
    assert all(torch.equal(found[name], weight) for name, weight in usual.items())
    assert "others" not in torch.load(left / "checkpoints/last.pt", weights_only=True)["state"]


def test_train_and_evaluate(tmp_path: Path, by_hand: By, capsys: pytest.CaptureFixture[str]) -> None:
    size = ["--skeleton.K=0", "--skeleton.C1=4", "--skeleton.C2=16", "--compute.threads=1"]
    words = ["train", "darts_v2", "--data=digits", "--data.subset=100", "--auxiliary=false", "--epochs=2"]
    words += ["--tensorboard=false", *size, "--batch_size=25", "--run=run"]
    (printed, _), _ = by_hand(tmp_path, 0, words, words)
    assert printed.count("test accuracy") == 1
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    words = ["evaluate", "run", "--data=digits", "--json", "--batch_size=50", "--compute.threads=1"]
    (printed, _), nothing = by_hand(tmp_path, 0, words, words)
    assert nothing[0] == ""
    assert main(["evaluate", str(tmp_path / "run"), *words[2:]]) == 0
    alone = json.loads(capsys.readouterr().out)
    assert {**json.loads(printed), "model": None} == {**alone, "model": None}
    assert alone["top1"] == summary["test"]["top1"]


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (
            [],
            ["--epochs=4"],
            "process 1 of this run has other settings than process 0 (epochs: 4 in place of 3)",
        ),
        (["--batch_size=3"], ["--batch_size=3"], "2 processes cannot share batches of 3 samples"),
        (["--strategy=das2"], ["--strategy=das2"], "second order cannot be computed by 2 processes together"),
    ],
)
def test_processes_that_cannot_compute_together(
    first: list[str], second: list[str], message: str, tmp_path: Path, by_hand: By
) -> None:
    words = [[*SEARCH, "--run=run", *more] for more in (first, second)]
    assert all(message in told for _, told in by_hand(tmp_path, 2, *words))
    assert not (tmp_path / "run").exists()


def test_a_taken_folder_is_told_once(tmp_path: Path, by_hand: By) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.yaml").write_text("epochs: 3\n")
    first, second = by_hand(tmp_path, 2, *[[*SEARCH, "--run=run"]] * 2)
    assert "run: already holds a run" in first[1]
    assert second == ("", "")


def test_a_restart_does_not_take_over_a_folder_of_another_run(tmp_path: Path, by_hand: By) -> None:
    """A command that is refused is started again, too."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.yaml").write_text("epochs: 3\n")
    os.utime(tmp_path / "run/config.yaml", (0, 0))
    more = {"TORCHELASTIC_RESTART_COUNT": "1", "TORCHELASTIC_RUN_ID": "of a test"}
    first, _ = by_hand(tmp_path, 2, *[[*SEARCH, "--run=run"]] * 2, **more)
    assert "run: already holds a run" in first[1]


def test_a_port_in_use(launch: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        launch(rank=0, MASTER_PORT=str(server.getsockname()[1]))
        assert main(SEARCH) == 2
    told = capsys.readouterr().err
    assert "the 2 processes of this run cannot connect at 127.0.0.1:" in told
    assert "master-port of torchrun" in told


@pytest.fixture
def launch(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def start(rank: int = 1, size: int = 2, **more: str) -> None:
        place = {"RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
        for name, value in {**place, **more}.items():
            monkeypatch.setenv(name, value)

    return start


def test_other_commands_are_refused(launch: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    launch()
    assert main(["compare", "--help"]) == 2
    assert "process 1: 'autodas compare' computes in a single process" in capsys.readouterr().err
    assert main(["bench", "growth"]) == 2
    assert "'autodas bench growth' computes in a single process" in capsys.readouterr().err


def test_what_a_launcher_says(launch: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    assert (process_count(), process_number()) == (1, 0)
    assert abs(start_time() - time.time()) < 5
    launch(rank=3, size=4, LOCAL_WORLD_SIZE="2")
    assert (process_count(), process_number()) == (4, 3)
    available = free_memory(torch.device("cpu"))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "200")
    fewer = free_memory(torch.device("cpu"))
    assert available is not None
    assert fewer is not None
    assert fewer == pytest.approx(available / 100, rel=0.5)
    launch(size="many")
    with pytest.raises(AutodasError, match="WORLD_SIZE=many"):
        process_count()


def test_devices_and_backends(launch: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    launch(LOCAL_RANK="1", LOCAL_WORLD_SIZE="2")
    assert own_device("cuda") == "cuda", "without a GPU it is refused later"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert own_device("auto") == own_device("cuda") == "cuda:1"
    assert own_device("cpu") == "cpu"
    with pytest.raises(AutodasError, match="'cuda:0' is one GPU for 2 processes"):
        own_device("cuda:0")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(AutodasError, match="2 processes have been started on this machine, which has 1 GPUs"):
        own_device("auto")
    monkeypatch.setattr(torch.distributed, "is_nccl_available", lambda: False)
    with pytest.raises(AutodasError, match="it has no NCCL"):
        start_group(torch.device("cuda:0"))
    monkeypatch.setattr(torch.distributed, "is_available", lambda: False)
    with pytest.raises(AutodasError, match="it has no gloo"):
        start_group(torch.device("cpu"))


def test_bench_step_compares_one_process_with_two(tmp_path: Path, by_hand: By) -> None:
    size = ["--space.K=0", "--space.C1=4", "--space.C2=8", "--image_size=8", "--batch_size=8"]
    words = ["bench", "step", "--engines=fused", *size, "--repeats=2", "--json", "--compute.threads=1"]
    (printed, _), nothing = by_hand(tmp_path, 0, words, words)
    assert nothing[0] == ""
    rows = json.loads(printed)["results"]
    assert [row["engine"] for row in rows] == ["fused", "fused"]
    assert [row["processes"] for row in rows] == ["1 process", "2 processes"]
    assert rows[0]["ratio"] == 1
    assert 0.1 < rows[1]["ratio"] < 10
