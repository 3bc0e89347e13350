"""Progress on standard error, where there is no terminal."""

from __future__ import annotations

import sys

import pytest

from autodas import progress
from autodas.progress import Progress, duration


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_a_long_count_is_told_now_and_then(clock: Clock, capfd: pytest.CaptureFixture[str]) -> None:
    with Progress(1000, what="reading images") as counting:
        for _ in range(1000):
            clock.now += 0.03
            counting.advance()
    # 30 seconds: a line after 5 and 20; the next would be due at 35.
    assert capfd.readouterr().err.splitlines() == [
        "reading images: 167 of 1,000, 25 s left",
        "reading images: 667 of 1,000, 10 s left",
    ]


def test_what_was_done_before_does_not_count_for_the_pace(
    clock: Clock, capfd: pytest.CaptureFixture[str]
) -> None:
    counting = Progress(100, done=90, what="storing frames")
    clock.now += 8
    counting.advance(4)
    assert capfd.readouterr().err == "storing frames: 94 of 100, 12 s left\n"


def test_short_and_quiet_counts_print_nothing(clock: Clock, capfd: pytest.CaptureFixture[str]) -> None:
    for quiet, pace in ((False, 0.004), (True, 1.0)):
        with Progress(1000, quiet=quiet, what="reading images") as counting:
            for _ in range(1000):
                clock.now += pace
                counting.advance()
    assert capfd.readouterr() == ("", "")


def test_durations() -> None:
    assert [duration(s) for s in (0.2, 59, 185, 7800)] == ["0 s", "59 s", "3 min 5 s", "2 h 10 min"]


def test_a_program_without_standard_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with Progress(3, what="reading images") as progress:
        progress.advance()
        assert not progress.due
