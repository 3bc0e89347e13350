"""The floors of docs/architecture.md, held against the imports of every file."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import autodas

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "autodas"
FILES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports(path: Path) -> Iterator[str]:
    """Yield the files of the package that a file imports, wherever in it, also for types only."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            # A name is a file of a package, or something that the package hands on.
            places = [file_of(f"{node.module}.{alias.name}") or file_of(node.module) for alias in node.names]
        elif isinstance(node, ast.Import):
            places = [file_of(alias.name) for alias in node.names]
        else:
            continue
        yield from filter(None, places)


def file_of(module: str) -> str | None:
    package, *parts = module.split(".")
    if package != "autodas":
        return None
    place = "/".join(parts)
    return next((f for f in (f"{place}.py", f"{place}/__init__.py".lstrip("/")) if f in FILES), None)


GRAPH = {name: {other for other in imports(path) if other != name} for name, path in FILES.items()}


def floors() -> dict[str, float]:
    """Return the floor of each room, and of each file on the ground."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| ([0-9.]+) \| (.*?) \|", text, re.MULTILINE)
    return {room: float(floor) for floor, rooms in rows for room in re.findall(r"`([\w/.]+)`", rooms)}


def room_of(name: str, rooms: dict[str, float]) -> str:
    fitting = [room for room in rooms if name == room or (room.endswith("/") and name.startswith(room))]
    assert fitting, f"{name} stands in no room of docs/architecture.md"
    return max(fitting, key=len)


def test_no_circle_of_files() -> None:
    tuple(TopologicalSorter(GRAPH).static_order())  # raises CycleError


def test_imports_only_go_down() -> None:
    rooms = floors()
    upwards = []
    for name, others in GRAPH.items():
        if name in ("__init__.py", "__main__.py"):
            continue
        for other in others:
            room, below = room_of(name, rooms), room_of(other, rooms)
            if room != below and not rooms[below] < rooms[room] and not rooms[room] == rooms[below] == 0:
                upwards.append(f"{name} ({rooms[room]}) -> {other} ({rooms[below]})")
    assert not upwards


def test_the_table_names_no_room_that_is_not_there() -> None:
    for room in floors():
        assert (PACKAGE / room).exists(), room


def test_public_names_have_types_and_places() -> None:
    """The names under TYPE_CHECKING, which editors read, are those that are found when they are used."""
    (block,) = [node for node in ast.parse(FILES["__init__.py"].read_text()).body if isinstance(node, ast.If)]
    typed = {alias.asname or alias.name for node in block.body for alias in node.names}  # type: ignore[attr-defined]
    places = {
        f"{node.module}:{alias.name}"
        for node in block.body
        for alias in node.names  # type: ignore[attr-defined]
    }
    listed = {place if ":" in place else f"{place}:{name}" for name, place in autodas._PLACES.items()}
    assert places == listed
    assert {name for name in typed if name in autodas._PLACES} == typed - {"build", "register"}
