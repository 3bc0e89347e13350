"""Nothing that a file holds acts on the terminal, and no message is longer than a person reads."""

from __future__ import annotations

import io
import sys
import unicodedata
from pathlib import Path

import pytest

from autodas.cli.main import main
from autodas.progress import Progress
from autodas.terminal import LONGEST, message, visible, visible_output

EVIL = "\x1b[31mred\x9b31m\u202eevil\u2066\x07\ud800\udcff"
SEEN = r"\x1b[31mred\x9b31m\u202eevil\u2066\x07\ud800\udcff"


def acting(text: str) -> set[str]:
    """Characters that control, turn the direction of writing, end lines, or are none, by Unicode's tables."""
    turning = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    return {
        c
        for c in text
        if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(c) in turning
    }


def test_everything_that_acts_is_written_out() -> None:
    assert visible(EVIL) == SEEN
    whole = "".join(map(chr, range(0x11000)))
    assert acting(visible(whole)) == {"\n", "\t"}
    assert visible("rückwärts ± 中文 🙂\n\ta\r\n") == "rückwärts ± 中文 🙂\n\ta\r\n"
    assert visible("old\rnew") == r"old\rnew"


def test_a_message_is_one_line_and_cut() -> None:
    assert message("a\nb") == "a b"
    assert message("x" * LONGEST) == "x" * LONGEST
    for text in ("x" * 9000, EVIL * 1000):
        found = message(f"beginning {text} end")
        assert len(found) == LONGEST
        assert found.startswith("beginning ")
        assert found.endswith(" end")
        assert " ... " in found
    assert message("ab" * 100, longest=20) == "ababababa ... ababab"


@pytest.mark.parametrize(("encoding", "shown"), [("utf-8", "±é"), ("ascii", r"\xb1\xe9"), ("latin-1", "±é")])
def test_what_a_terminal_cannot_write_is_written_out(
    encoding: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    with visible_output():
        print(f"±é{EVIL}")
    assert sys.stdout is stream
    stream.flush()
    assert written.getvalue().decode(encoding) == f"{shown}{SEEN}\n"


@pytest.mark.parametrize("quoted", [EVIL.replace("\ud800", ""), "x" * 9000])
def test_keys_of_a_file_cannot_act_in_messages(
    quoted: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # JSON texts are YAML, and the escapes in them mean the same.
    import json

    path = tmp_path / "c.yaml"
    path.write_text(f"{json.dumps(quoted)}: 3\n")
    assert main(["search", "--config", str(path)]) == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert acting(written.err) == {"\n"}
    assert written.err.count("\n") == 1
    assert len(written.err) < LONGEST + 30


@pytest.mark.slow
def test_the_program_itself(tmp_path: Path) -> None:
    """In a process of its own, where standard output is a real one."""
    import json
    import os
    import subprocess

    evil = EVIL.replace("\ud800", "")
    (tmp_path / "c.yaml").write_text(f"{json.dumps(evil)}: 3\n")
    for changes in ({"LC_ALL": "C"}, {"LC_ALL": "C.UTF-8"}, {"PYTHONIOENCODING": "ascii"}):
        found = subprocess.run(
            [sys.executable, "-m", "autodas", "search", "--config", str(tmp_path / "c.yaml")],
            env={**os.environ, **changes},
            capture_output=True,
            check=False,
        )
        assert found.returncode == 2
        assert acting(found.stderr.decode()) == {"\n"}
        assert visible(evil) in found.stderr.decode()


def test_lines_of_a_run_cannot_act(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(1) as progress:
        progress.line(f"data/{EVIL}.png cannot be read")
    assert capsys.readouterr().err == f"data/{SEEN}.png cannot be read\n"


def test_json_stays_exact(capsys: pytest.CaptureFixture[str]) -> None:
    import json

    from autodas.cli._output import print_facts

    name = EVIL.replace("\ud800", "")  # JSON makes one character of both halves
    with visible_output():
        print_facts({"file": name}, as_json=True)
    text = capsys.readouterr().out
    assert json.loads(text) == {"file": name}
    assert text.isascii()
