"""Checks in processes of their own: a library that ends its process must not end the examination."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from importlib import import_module
from typing import NamedTuple

from autodas.child_process import end_with_parent, signal_name, start_child
from autodas.installation._finding import Finding

PATIENCE = 600.0
"""Seconds after which a check is ended: compiling the kernels may take some of them."""

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from autodas.installation._isolated import answer; answer(*sys.argv[2:])"
)

# No check downloads anything, whatever a library does when it is imported.
_OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


class Outcome(NamedTuple):
    """Findings of a check, and why it ended early; empty if it did not."""

    findings: list[Finding]
    failure: str


def isolated(check: Callable[..., Iterable[Finding]], *arguments: str) -> Outcome:
    """Run a check in a process of its own.

    Args:
        check: function of a module.
        arguments: its arguments.
    """
    words = [json.dumps(sys.path), f"{check.__module__}:{check.__name__}", *arguments]
    process = start_child(
        [sys.executable, "-c", _START, *words],
        environment=_OFFLINE,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        output, errors = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return Outcome([], f"has not finished within {PATIENCE:.0f} s")
    found = [json.loads(line) for line in output.decode(errors="replace").splitlines()]
    findings = [Finding(**facts) for facts in found if "part" in facts]
    failure = next((str(facts["failure"]) for facts in found if "failure" in facts), "")
    if not failure and process.returncode:
        lines = errors.decode(errors="replace").strip().splitlines()
        last = f": {lines[-1]}" if lines else ""
        code = process.returncode
        failure = f"{signal_name(code) if code < 0 else f'exit code {code}'}{last}"
    return Outcome(findings, failure)


def answer(place: str, *arguments: str) -> None:
    """Run a check in this process, which :func:`isolated` has started, and write its findings."""
    end_with_parent()
    # What libraries print is no finding.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        module, _, name = place.partition(":")
        for finding in getattr(import_module(module), name)(*arguments):
            print(json.dumps(asdict(finding)), file=answers, flush=True)
    except BaseException as error:
        print(json.dumps({"failure": reason(error)}), file=answers, flush=True)


def reason(error: BaseException) -> str:
    """Return an error as one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__
