"""Going on with a run: ``--resume FOLDER`` written out, and whether the settings are the same."""

from __future__ import annotations

from pathlib import Path

from autodas.errors import AutodasError


def resumed_words(argv: list[str]) -> list[str]:
    """Return the words of a command line with ``--resume FOLDER`` written out.

    The run's own configuration comes first, and the folder is the run's.

    Raises:
        AutodasError: if the folder holds no run.
    """
    for position, word in enumerate(argv):
        if word == "--resume" and position + 1 < len(argv):
            value = argv[position + 1]
        elif word.startswith("--resume="):
            value = word.partition("=")[2]
        else:
            continue
        if value in ("auto", "never"):
            return argv
        if not (Path(value) / "config.yaml").exists():
            raise AutodasError(f"{value}: holds no run that could be continued")
        return ["--config", str(Path(value) / "config.yaml"), "--run", value, *argv]
    return argv


def difference(saved: str, wanted: str) -> str:
    """Return the first setting in which two saved configurations differ, for people."""
    pairs = zip(saved.splitlines(), wanted.splitlines(), strict=False)
    return next((f"{a.strip()} there, {b.strip()} here" for a, b in pairs if a != b), "another layout")
