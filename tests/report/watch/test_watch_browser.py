"""The page of `watch` in a browser, while a search goes on."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.report.watch.logs import decision, write_run

from autodas.report.watch import WatchServer

pytestmark = pytest.mark.slow

EDGES = [[0, 2], [1, 2], [0, 3], [1, 3], [2, 3]]

Serve = Callable[..., WatchServer]


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page that must not complain, but for a server that is away."""
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(45_000)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
    yield page
    context.close()
    assert [text for text in complaints if "ERR_CONNECTION" not in text] == []


def mark(page: Any) -> None:
    """Leave a mark that is lost when the page is loaded again."""
    page.evaluate("window.loadedOnce = true")


def is_marked(page: Any) -> bool:
    return bool(page.evaluate("window.loadedOnce === true"))


def last_step(page: Any) -> int:
    return int(page.locator(".evolution input[type=range]").first.get_attribute("max"))


def test_the_page_follows_the_log_and_keeps_what_the_reader_did(
    tmp_path: Path, serve: Serve, page: Any
) -> None:
    decisions = [decision(i + 1, edge, "sep_conv_3x3") for i, edge in enumerate(EDGES)]
    run = write_run(tmp_path / "run", *decisions[:3])
    page.goto(serve(run).address)
    mark(page)
    assert last_step(page) == 3
    # Who stands at the end is taken along.
    write_run(run, *decisions[:4])
    wait_until(lambda: last_step(page) == 4)
    assert page.locator(".evolution input").input_value() == "4"
    # Who looks at an earlier step stays there, and details stay open.
    page.evaluate("const s = document.querySelector('.evolution input'); s.value = 1;"
                  "s.dispatchEvent(new Event('input')); s.focus()")  # fmt: skip
    details = page.locator("details")
    for number in range(details.count()):
        details.nth(number).evaluate("it => it.open = true")
    earlier = page.locator(".moment").text_content()
    write_run(run, *decisions)
    wait_until(lambda: last_step(page) == 5)
    assert page.locator(".evolution input").input_value() == "1"
    assert page.locator(".moment").text_content() == earlier
    assert page.locator("details:not([open])").count() == 0
    assert page.evaluate("document.activeElement.type") == "range"
    # The new content works like the first.
    page.keyboard.press("ArrowRight")
    assert page.locator(".evolution input").input_value() == "2"
    assert page.locator(".moment").text_content() != earlier
    # A log that was cut back.
    write_run(run, *decisions[:2])
    wait_until(lambda: last_step(page) == 2)
    assert is_marked(page)


def test_the_list_follows_its_folder(tmp_path: Path, serve: Serve, page: Any) -> None:
    write_run(tmp_path / "first")
    page.goto(serve(tmp_path).address)
    mark(page)
    write_run(tmp_path / "second", decision(1, [0, 2], "sep_conv_3x3"))
    page.get_by_text("second").wait_for()
    assert is_marked(page)
    page.get_by_text("second").click()
    page.locator(".evolution").first.wait_for()
    page.get_by_text("All runs").click()
    page.get_by_text("first").wait_for()


def test_the_page_goes_on_when_the_server_does(tmp_path: Path, page: Any) -> None:
    run = write_run(tmp_path / "run", decision(1, [0, 2], "sep_conv_3x3"))
    port = free_port()
    server = watch(run, port)
    try:
        page.goto(f"http://127.0.0.1:{port}/run/")
        mark(page)
        server.kill()
        server.wait()
        page.get_by_text("does not respond").wait_for()
        write_run(run, decision(1, [0, 2], "sep_conv_3x3"), decision(2, [1, 2], "dil_conv_5x5"))
        server = watch(run, port)
        wait_until(lambda: last_step(page) == 2)
        wait_until(lambda: page.locator("#watch").text_content() == "")
        assert is_marked(page)
    finally:
        server.kill()
        server.wait()


def test_the_page_follows_a_search_that_is_killed_and_goes_on(
    tmp_path: Path, serve: Serve, page: Any, command: type
) -> None:
    run = tmp_path / "run"
    words = [
        "search",
        "--data",
        "digits",
        "--data.subset",
        "300",
        "--preset",
        "quickstart",
        "--space.C2",
        "16",
    ]
    words += ["--space.C1", "4", "--epochs", "40", "--strategy.schedule", "b", "--run", str(run), "--quiet"]
    words += ["--space.operations", "skip_connect,max_pool_3x3,sep_conv_3x3"]
    words += ["--checkpoint_every", "3", "--compute.threads", "1", "--tensorboard", "false"]
    search = command(tmp_path, *words)
    try:
        wait_until(lambda: (run / "checkpoints" / "last.pt").exists())
        page.goto(serve(run).address)
        mark(page)
        before = last_step(page)
        wait_until(lambda: last_step(page) > before)
        search.signal(signal.SIGKILL)
        search.wait()
        # What was written after the last checkpoint is cut away, the rest goes on.
        search = command(tmp_path, "search", "--resume", str(run), "--quiet")
        assert search.wait() == 0
        wait_until(lambda: "The run has not finished" not in page.content())
        events = (run / "events.jsonl").read_text()
        steps = events.count('"event": "decision"')
        assert steps > 20
        wait_until(lambda: last_step(page) >= steps)
        assert is_marked(page)
    finally:
        if search.poll() is None:
            search.signal(signal.SIGKILL)
            search.wait()


def autodas(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "autodas", *words],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
    )


def watch(run: Path, port: int) -> subprocess.Popen[bytes]:
    server = autodas("watch", str(run), "--port", str(port))

    def answers() -> bool:
        with socket.socket() as line:
            return line.connect_ex(("127.0.0.1", port)) == 0

    wait_until(answers)
    return server


def free_port() -> int:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return int(line.getsockname()[1])


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
