"""Logs of searches, made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

START = {
    "event": "start",
    "command": "search",
    "strategy": "sdas",
    "data": "digits",
    "space": {"name": "cifar-o2d", "cell": "o2d", "kinds": ["normal"], "operations": [], "K": 1},
    "phases": [{"name": "search", "iterations": 10}],
    "remaining": 1000,
}


def decision(step: int, edge: list[int], operation: str) -> dict[str, Any]:
    return {
        "event": "decision",
        "step": step,
        "iteration": step,
        "epoch": 1,
        "kind": "normal",
        "what": "edge",
        "edge": edge,
        "operation": operation,
        "priority": 0.5,
        "remaining": 1000 - step,
    }


def write_run(folder: Path, *events: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in (START, *events)))
    return folder
