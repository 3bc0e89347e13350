"""What a run writes down of the machine."""

from __future__ import annotations

from pathlib import Path

import torch

from autodas.loop import write_environment
from autodas.runs.folder import RunFolder


def test_environment(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run").create()
    write_environment(folder)
    facts = folder.read_json("environment.json")
    assert facts["torch"] == torch.__version__
    assert {"autodas", "python", "platform", "processor", "cores", "threads", "command"} <= facts.keys()
    assert facts["threads"] == 1
