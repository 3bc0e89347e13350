"""The page on exports, run as it is printed."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.trained_networks import RECORDED

from autodas.cli.main import main

PAGE = (Path(__file__).parents[2] / "docs" / "export.md").read_text()
COMMANDS = re.findall(r"^autodas (.*)$", PAGE, re.MULTILINE)
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.slow
def test_every_block_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxscript")
    shutil.copytree(RECORDED, tmp_path / "runs" / "digits-net")
    monkeypatch.chdir(tmp_path)
    Image.new("L", (8, 8), 100).save("picture.png")
    for command in COMMANDS:
        assert main(shlex.split(command)) == 0
    *_, predicted = capsys.readouterr().out.splitlines()
    names: dict[str, Any] = {}
    for block in BLOCKS:
        exec(compile(block, "docs/export.md", "exec"), names)
    best = capsys.readouterr().out.strip()
    assert predicted.startswith(f"picture.png: {best} ")
    assert Path("net.pt2").exists()
