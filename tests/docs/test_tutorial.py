"""The tutorial, run as it is printed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
BLOCKS = re.findall(r"```(python|sh)\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("forked_jobs")
def test_every_block_in_order(
    tmp_path: Path, command: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for language, text in BLOCKS:
        if language == "python":
            exec(compile(text, str(PAGE), "exec"), names)
            continue
        for line in text.splitlines():
            program, *words = shlex.split(line)
            assert program == "autodas"
            process = command(tmp_path, *words)
            assert process.wait() == 0, (line, process.printed[1])
    for file in ("sheet.png", "cell-normal.svg", "search.html", "runs/comparison/comparison.md"):
        assert (tmp_path / file).stat().st_size > 500, file
    printed = capsys.readouterr().out.split()[-2:]
    assert printed[0] in names["facts"].classes
    assert 0 < float(printed[1]) <= 1
