"""The server of `watch`: what it shows, and what it does not."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.report.watch.logs import decision, write_run

from autodas.cli.main import main
from autodas.errors import AutodasError
from autodas.report.watch import WatchServer, _server

Serve = Callable[..., WatchServer]


def ask(
    server: WatchServer, path: str, method: str = "GET", host: str | None = None
) -> tuple[int, str, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=20)
    # As it stands: clients would tidy up the path.
    connection.putrequest(method, path, skip_host=host is not None)
    if host is not None:
        connection.putheader("Host", host)
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), answer.headers


def test_the_page_of_a_run_and_its_parts(tmp_path: Path, serve: Serve) -> None:
    server = serve(write_run(tmp_path / "first", decision(1, [0, 2], "sep_conv_3x3")))
    status, _, headers = ask(server, "/")
    assert (status, headers["Location"]) == (302, "first/")
    status, page, headers = ask(server, "/first/")
    assert status == 200
    assert headers["Cache-Control"] == "no-store"
    assert "sep_conv_3x3" in page
    status, content, headers = ask(server, "/first/main")
    assert status == 200
    assert content in page, "the part that is put in place is that of the page"
    assert headers["X-Version"] == ask(server, "/first/version")[1]
    assert f'data-version="{headers["X-Version"]}"' in page


def test_the_version_follows_a_log_that_grows_and_shrinks(tmp_path: Path, serve: Serve) -> None:
    run = write_run(tmp_path / "run", decision(1, [0, 2], "sep_conv_3x3"))
    server = serve(run)
    one = ask(server, "/run/version")[1]
    assert ask(server, "/run/version")[1] == one
    write_run(run, decision(1, [0, 2], "sep_conv_3x3"), decision(2, [1, 2], "dil_conv_5x5"))
    two = ask(server, "/run/version")[1]
    assert "dil_conv_5x5" in ask(server, "/run/main")[1]
    write_run(run, decision(1, [0, 2], "sep_conv_3x3"))  # as a run that goes on from its checkpoint
    assert len({one, two, ask(server, "/run/version")[1]}) == 3
    assert "dil_conv_5x5" not in ask(server, "/run/main")[1]


def test_several_runs_stand_in_a_list(tmp_path: Path, serve: Serve) -> None:
    write_run(tmp_path / "runs" / "demo" / "search")
    write_run(tmp_path / "runs" / "a b<i>")
    server = serve(tmp_path / "runs")
    status, page, _ = ask(server, "/")
    assert status == 200
    assert 'href="demo/search/"' in page
    assert 'href="a%20b%3Ci%3E/"' in page
    assert "a b&lt;i&gt;" in page
    assert "<i>" not in page
    assert ask(server, "/a%20b%3Ci%3E/")[0] == 200
    assert ask(server, "/demo/search")[2]["Location"] == "search/"
    assert 'href="../../">All runs' in ask(server, "/demo/search/")[1]
    before = ask(server, "/version")[1]
    write_run(tmp_path / "runs" / "later")
    assert ask(server, "/version")[1] != before
    assert 'href="later/"' in ask(server, "/main")[1]


def test_equal_names_are_told_apart(tmp_path: Path, serve: Serve) -> None:
    one = write_run(tmp_path / "a" / "run", decision(1, [0, 2], "sep_conv_3x3"))
    other = write_run(tmp_path / "b" / "run", decision(1, [0, 2], "dil_conv_5x5"))
    server = serve(one, other)
    assert "sep_conv_3x3" in ask(server, "/run/main")[1]
    assert "dil_conv_5x5" in ask(server, "/run-2/main")[1]


def test_a_folder_without_runs_waits_for_one(tmp_path: Path, serve: Serve) -> None:
    server = serve(tmp_path)
    assert "No runs yet" in ask(server, "/")[1]
    write_run(tmp_path / "new")
    assert "new/" in ask(server, "/main")[1]


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/run/../../outside/version",
        "/run/../outside/",
        "/run/config.yaml",
        "/run/events.jsonl",
        "/run//main",
        "/outside/",
        "/run/%00",
        "/%ff/",
        "/absent/main",
        "//[",
    ],
)
def test_nothing_else_is_shown(tmp_path: Path, serve: Serve, path: str) -> None:
    write_run(tmp_path / "outside")
    write_run(tmp_path / "runs" / "run")
    (tmp_path / "runs" / "run" / "config.yaml").write_text("seed: 0\n")
    status, text, _ = ask(serve(tmp_path / "runs"), path)
    assert status == 404
    assert text == "no such run\n"


def test_links_that_lead_out_are_not_followed(tmp_path: Path, serve: Serve) -> None:
    outside = write_run(tmp_path / "outside")
    (outside / "config.yaml").write_text("secret: 1\n")
    runs = tmp_path / "runs"
    write_run(runs / "honest")
    (runs / "link").symlink_to(outside)
    (write_run(runs / "file") / "config.yaml").symlink_to(outside / "config.yaml")
    (write_run(runs / "pictures") / "examples").symlink_to(outside)
    (write_run(runs / "picture") / "examples").mkdir()
    (runs / "picture" / "examples" / "1.png").symlink_to(outside / "config.yaml")
    server = serve(runs)
    page = ask(server, "/")[1]
    assert "honest" in page
    for name in ("link", "file", "pictures", "picture"):
        assert f"{name}/" not in page
        assert ask(server, f"/{name}/")[0] == 404
    # One that turns into such a link while it is shown.
    (runs / "honest" / "config.yaml").symlink_to(outside / "config.yaml")
    assert ask(server, "/honest/")[0] == 404


def test_it_only_reads(tmp_path: Path, serve: Serve) -> None:
    server = serve(write_run(tmp_path / "run"))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        status, _, headers = ask(server, "/run/", method)
        assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert ask(server, "/run/", "BREW")[0] == 501
    status, text, headers = ask(server, "/run/", "HEAD")
    assert (status, text) == (200, "")
    assert int(headers["Content-Length"]) == len(ask(server, "/run/")[1].encode())
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_names_that_only_seem_to_be_this_machine_are_refused(tmp_path: Path, serve: Serve) -> None:
    server = serve(write_run(tmp_path / "run"))
    for host in ("127.0.0.1:99", "localhost:8765", "localhost", "[::1]:8765"):
        assert ask(server, "/run/version", host=host)[0] == 200
    for host in ("evil.example", "evil.example:8765", "127.0.0.1.evil.example", ""):
        status, text, _ = ask(server, "/run/version", host=host)
        assert status == 403
        assert "127.0.0.1" in text


def test_elsewhere_a_random_word_is_needed(tmp_path: Path, serve: Serve) -> None:
    server, other = (serve(write_run(tmp_path / "run"), host="0.0.0.0") for _ in range(2))
    assert server.token
    assert len(server.token) >= 20
    assert server.token != other.token
    assert server.address.endswith(f"/{server.token}/")
    for path in ("/", "/run/", "/run/version", f"/{server.token[:-1]}/run/", f"/{other.token}/run/", "/%ff/"):
        assert ask(server, path)[0] == 404, path
    assert ask(server, f"/{server.token}")[2]["Location"] == f"{server.token}/"
    assert ask(server, f"/{server.token}/run/", host="my-machine:80")[0] == 200
    assert ask(server, f"/{server.token}/run/main")[0] == 200


def test_a_defect_is_one_line_without_traceback(
    tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    server = serve(write_run(tmp_path / "run"))

    def fail(*_: object) -> str:
        raise ZeroDivisionError("in a section")

    monkeypatch.setattr(_server, "render_main", fail)
    status, text, _ = ask(server, "/run/main")
    assert (status, text) == (500, "cannot show this page: ZeroDivisionError: in a section\n")
    with socket.create_connection(server.server_address[:2]) as line:
        line.sendall(b"nonsense\r\n\r\n")
        assert line.recv(1000).startswith(b"Bad request syntax")
    assert ask(server, "/run/version")[0] == 200
    assert "Traceback" not in capfd.readouterr().err


def test_a_run_is_rendered_once_for_all(
    tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(write_run(tmp_path / "run"))
    rendered = []
    monkeypatch.setattr(_server, "render_main", lambda runs: rendered.append(runs) or "content")
    assert [ask(server, "/run/main")[1] for _ in range(3)] == ["content"] * 3
    assert len(rendered) == 1


def test_places_that_are_no_folders(tmp_path: Path) -> None:
    with pytest.raises(AutodasError, match="no such folder"):
        WatchServer([tmp_path / "absent"], port=0)


def test_a_port_that_is_in_use(tmp_path: Path, serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    port = serve(tmp_path).server_address[1]
    assert main(["watch", str(tmp_path), "--port", str(port)]) == 2
    error = capsys.readouterr().err
    assert error == (
        f"autodas: error: port {port} of 127.0.0.1 is in use; choose another one with --port, "
        "or any free one with --port 0\n"
    )
    assert main(["watch", str(tmp_path), "--port", "70000"]) == 2
    assert "choose one from 1024 to 65535" in capsys.readouterr().err
    assert main(["watch", str(tmp_path), "--host", "203.0.113.7"]) == 2
    assert "choose another --host" in capsys.readouterr().err


@pytest.mark.slow
def test_ctrl_c_stops_it(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    command = [sys.executable, "-m", "autodas", "watch", str(tmp_path), "--port", "0"]
    # A shell gives its background jobs an ignored Ctrl-C.
    server = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert server.stdout is not None
    line = server.stdout.readline()
    assert line.startswith("http://127.0.0.1:")
    server.send_signal(signal.SIGINT)
    _, error = server.communicate(timeout=20)
    assert server.returncode == 130
    assert error == "autodas: interrupted\n"
