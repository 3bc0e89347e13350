"""The scripts in the shells themselves, where these are installed."""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def needs(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A folder with data, and this autodas first on the path."""
    program = tmp_path / "bin/autodas"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m autodas "$@"\n')
    program.chmod(0o755)
    (tmp_path / "here/my pictures").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    return {
        **os.environ,
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "AUTODAS_CACHE": str(tmp_path / "cache"),
        "TERM": "dumb",
    }


CASES = {
    "autodas zoo sh": "autodas zoo show ",
    "autodas search --strategy das --strategy.unr": "autodas search --strategy das --strategy.unrolled ",
    "autodas search --preset pcda": "autodas search --preset pcdarts-cifar10-search ",
    "autodas search --strategy=pd": "autodas search --strategy=pdarts ",
    "autodas search --data imagef": "autodas search --data imagefolder:",
    "autodas search --data imagefolder:my": r"autodas search --data imagefolder:my\ pictures/",
    "autodas report my": r"autodas report my\ pictures/",
    "autodas compare --search.ep": "autodas compare --search.epochs ",
}
"""Lines, and what they are after a tab."""


class Terminal:
    """An interactive shell in a terminal of its own.

    Args:
        command: the shell.
        start: what it runs first.
        environment: its environment variables.
    """

    def __init__(self, command: list[str], start: str, environment: dict[str, str]) -> None:
        self.process, self.line = pty.fork()
        if self.process == 0:
            os.execvpe(command[0], command, environment)
        os.write(self.line, f"{start}; echo rea''dy\r".encode())
        self._read(r"\nready\r")

    def completed(self, line: str) -> str:
        """Return what a line is after a tab; it is not run, but printed by the shell."""
        # The next word, home, the beginning of a command, end, the end of the command.
        os.write(self.line, f"{line}\tNEXT\x01printf '<%s>\\n' '\x05'\r".encode())
        return self._read(r"\n<(.*)NEXT>\r")

    def _read(self, pattern: str, seconds: float = 60) -> str:
        found, started = "", time.monotonic()
        while time.monotonic() - started < seconds:
            if select.select([self.line], [], [], 0.1)[0]:
                found += os.read(self.line, 65536).decode(errors="replace")
            if match := re.search(pattern, found):
                return match.group(match.lastindex or 0)
        raise AssertionError(found)

    def close(self) -> None:
        os.close(self.line)
        os.waitpid(self.process, 0)


@pytest.mark.parametrize(
    ("shell", "start"),
    [
        pytest.param(["bash", "--norc", "-i"], 'eval "$(autodas completion bash)"', marks=needs("bash")),
        pytest.param(
            ["zsh", "-f", "-i"],
            'autoload -U compinit; compinit -D -u; eval "$(autodas completion zsh)"',
            marks=needs("zsh"),
        ),
    ],
    ids=["bash", "zsh"],
)
def test_keys(shell: list[str], start: str, environment: dict[str, str]) -> None:
    terminal = Terminal(shell, start, environment)
    try:
        assert {line: terminal.completed(line) for line in CASES} == CASES
    finally:
        terminal.close()


@needs("bash")
def test_bash_function(environment: dict[str, str]) -> None:
    script = """
        eval "$(autodas completion bash)"
        COMP_LINE='autodas search --strategy sdas-' COMP_POINT=${#COMP_LINE}
        COMP_WORDS=(autodas search --strategy sdas-) COMP_CWORD=3
        _autodas autodas sdas- --strategy
        printf '%s\\n' "${COMPREPLY[@]}"
        complete -p autodas
    """
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["sdas-a", "sdas-b", "sdas-c", "complete -F _autodas autodas"]


@needs("fish")
def test_fish(environment: dict[str, str]) -> None:
    for line, expected in CASES.items():
        word = shlex.split(expected)[-1]
        script = f"autodas completion fish | source; complete -C {shlex.quote(line)}"
        done = subprocess.run(["fish", "-N", "-c", script], env=environment, capture_output=True, text=True)
        assert [found.partition("\t")[0] for found in done.stdout.splitlines()] == [word], line
