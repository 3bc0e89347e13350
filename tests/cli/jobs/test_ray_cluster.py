"""The share of each job in a Ray cluster, and clusters that cannot be reached."""

from __future__ import annotations

import importlib.util
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.test_compare import compare

from autodas.cli.jobs import Resources
from autodas.cli.jobs._ray_cluster import _address, share_of
from autodas.cli.main import main
from autodas.errors import AutodasError

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs autodas[ray]")


@pytest.mark.parametrize(
    ("nodes", "wanted", "expected"),
    [
        # One for each CPU, unless the number of jobs or of threads is given.
        ([(2, 0)], Resources(), (2, 1, 0)),
        ([(8, 0), (4, 0)], Resources(), (12, 1, 0)),
        ([(8, 0), (4, 0)], Resources(3), (3, 4, 0)),
        ([(8, 0), (4, 0)], Resources(2), (2, 4, 0)),
        ([(8, 0), (4, 0)], Resources(1), (1, 8, 0)),
        ([(8, 0), (4, 0)], Resources(5), (5, 2, 0)),
        ([(8, 0), (4, 0)], Resources(40), (12, 1, 0)),
        ([(8, 0), (4, 0)], Resources(threads=3), (3, 3, 0)),
        ([(8, 0), (4, 0)], Resources(2, threads=1), (2, 1, 0)),
        # One for each GPU; on nodes without one there is none.
        ([(8, 2), (4, 2), (64, 0)], Resources(), (4, 2, 1)),
        ([(8, 2), (4, 2), (64, 0)], Resources(2), (2, 4, 1)),
        ([(8, 2), (4, 2), (64, 0)], Resources(8), (8, 1, 0.5)),
        ([(16, 1)], Resources(3), (3, 5, 0.3333)),
        ([(16, 2)], Resources(3), (3, 5, 0.5)),
        ([(8, 2), (64, 0)], Resources(device="cpu"), (72, 1, 0)),
        ([(0, 0), (4, 0)], Resources(), (4, 1, 0)),
    ],
)
def test_share(nodes: list[tuple[int, int]], wanted: Resources, expected: tuple[int, int, float]) -> None:
    share = share_of(nodes, wanted)
    assert share == expected
    # All of them fit.
    assert sum(
        min(cpus // share.cpus, int(gpus / share.gpus + 1e-9) if share.gpus else share.at_once)
        for cpus, gpus in nodes
    ) >= (share.at_once)


@pytest.mark.parametrize(
    ("nodes", "wanted", "message"),
    [
        ([(8, 0)], Resources(device="cuda"), "`compute.device=cuda`: no node of the Ray cluster has a GPU"),
        (
            [(8, 0), (4, 0)],
            Resources(threads=9),
            "`compute.threads=9`: no node of the Ray cluster has 9",
        ),
        ([(4, 1), (9, 0)], Resources(threads=9), "has 9 CPUs and a GPU; the largest has 4 CPUs"),
        ([(0, 0)], Resources(), "no node of the Ray cluster has 1 CPU"),
        ([], Resources(), "no node of the Ray cluster has 1 CPU"),
    ],
)
def test_no_node_for_a_job(nodes: list[tuple[int, int]], wanted: Resources, message: str) -> None:
    with pytest.raises(AutodasError) as caught:
        share_of(nodes, wanted)
    assert message in str(caught.value)


@pytest.fixture
def port() -> Iterator[int]:
    """A port at which something answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


class TestAddress:
    @pytest.fixture(autouse=True)
    def _nothing_here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
        monkeypatch.delenv("RAY_ADDRESS", raising=False)

    def test_the_last_cluster_started_here_if_it_lives(
        self, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert _address() is None
        latest = tmp_path / "ray/ray_current_cluster"
        latest.parent.mkdir()
        latest.write_text("127.0.0.1:1")  # it has died without removing this
        assert _address() is None
        latest.write_text(f"127.0.0.1:{port}\n")
        assert _address() == "auto"
        monkeypatch.setenv("RAY_ADDRESS", "local")
        assert _address() is None
        monkeypatch.setenv("RAY_ADDRESS", "auto")
        assert _address() == "auto"

    def test_the_one_in_the_variable(self, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
        assert _address() == f"127.0.0.1:{port}"

    @pytest.mark.parametrize(
        ("address", "message"),
        [
            ("127.0.0.1:1", "no Ray cluster can be reached there: Connection refused; correct the variable"),
            ("127.0.0.1", "it is not of the form HOST:PORT"),
            ("127.0.0.1:70000", "no Ray cluster can be reached there"),
            ("ray://127.0.0.1:10001", "expected HOST:PORT; Ray's client cannot run comparisons"),
            ("auto", "no Ray cluster on this machine: start one with 'ray start --head'"),
        ],
    )
    def test_none_can_be_reached(self, address: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(AutodasError) as caught:
            _address()
        assert str(caught.value).startswith(f"RAY_ADDRESS={address}: ")
        assert message in str(caught.value)

    @needs_ray
    def test_by_the_command(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
        assert main(compare(tmp_path / "run", "--methods=random", "--seeds=1", "--on=ray")) == 2
        error = capsys.readouterr().err
        assert error.startswith("autodas: error: RAY_ADDRESS=127.0.0.1:1: no Ray cluster can be reached")
        assert error.count("\n") == 1


def test_ray_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(compare(tmp_path / "run", "--methods=random", "--seeds=1", "--on=ray")) == 2
    expected = "autodas: error: --on ray: the package 'ray' is not installed: install autodas[ray]\n"
    assert capsys.readouterr().err == expected
