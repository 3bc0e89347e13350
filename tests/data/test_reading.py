"""Reading very many files: order, progress, errors."""

from __future__ import annotations

import time

import pytest

from autodas import progress
from autodas.data.files._progress import evenly_spaced, read_all


@pytest.mark.parametrize("threads", [False, True])
def test_results_come_in_order_and_what_takes_long_is_told(
    threads: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0.02)
    monkeypatch.setattr(progress, "LINES_APART", 0.02)

    def slowly(number: int) -> int:
        time.sleep(0.005)
        return number * number

    assert read_all(slowly, 40, "squaring", threads=threads) == [n * n for n in range(40)]
    lines = capsys.readouterr().err.splitlines()
    assert lines
    assert all(line.startswith("squaring: ") and line.endswith(" left") for line in lines)
    assert " of 40, " in lines[0]


def test_what_is_quick_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert read_all(str, 3, "writing", threads=False) == ["0", "1", "2"]
    assert read_all(str, 0, "writing", threads=True) == []
    assert capsys.readouterr().err == ""


def test_an_error_ends_it_at_once() -> None:
    started = []

    def fail(number: int) -> None:
        started.append(number)
        time.sleep(0.01)
        raise KeyError(number)

    with pytest.raises(KeyError):
        read_all(fail, 1000, "failing", threads=True)
    assert len(started) < 100


def test_evenly_spaced() -> None:
    assert evenly_spaced(4, 9) == [0, 1, 2, 3]
    assert evenly_spaced(101, 5) == [0, 25, 50, 75, 100]
