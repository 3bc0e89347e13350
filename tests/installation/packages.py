"""Packages on the path that stand for others: real ones, in a folder before all others."""

from __future__ import annotations

from pathlib import Path


def distribution(folder: Path, name: str, version: str, *requirements: str) -> None:
    """Write the metadata of an installed package."""
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requirements]
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("\n".join(lines) + "\n")


def module(folder: Path, name: str, text: str) -> None:
    """Write a package with a text as its content."""
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(text)
