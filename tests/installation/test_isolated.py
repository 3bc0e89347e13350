"""Checks that end their process, one way or another."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from autodas.installation import Finding, _isolated
from autodas.installation._isolated import isolated

CHECKS = """
import os, sys, time
from autodas.installation import Finding

def good(found):
    print("what a library prints is no finding")
    os.write(1, b"nor this")
    yield Finding("part", "ok", found, "cost", "remedy")

def raises():
    yield Finding("first", "ok", "1")
    raise ZeroDivisionError("one\\nline")

def leaves():
    yield Finding("first", "ok", "1")
    sys.exit(3)

def ends():
    yield Finding("first", "ok", "1")
    print("last words", file=sys.stderr, flush=True)
    os._exit(3)

def aborts():
    yield Finding("first", "ok", "1")
    os.abort()

def hangs():
    time.sleep(600)
    yield Finding("first", "ok", "1")
"""


@pytest.fixture
def checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    (tmp_path / "some_checks.py").write_text(CHECKS)
    monkeypatch.syspath_prepend(tmp_path)
    return import_module("some_checks")


def test_findings_come_back(checks: ModuleType) -> None:
    expected = [Finding("part", "ok", "É 中", "cost", "remedy")]
    assert isolated(checks.good, "É 中") == (expected, "")


@pytest.mark.parametrize(
    ("name", "failure"),
    [
        ("raises", "ZeroDivisionError: one line"),
        ("leaves", "SystemExit: 3"),
        ("ends", "exit code 3: last words"),
        ("aborts", "SIGABRT"),
    ],
)
def test_what_was_found_before_is_kept(checks: ModuleType, name: str, failure: str) -> None:
    found, why = isolated(getattr(checks, name))
    assert found == [Finding("first", "ok", "1")]
    assert why.startswith(failure)


def test_patience_ends(checks: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_isolated, "PATIENCE", 1.0)
    assert isolated(checks.hangs) == ([], "has not finished within 1 s")
