"""The oldest versions that pyproject.toml allows, as constraints for pip, on standard output."""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
# A name, extras, a minimum, an upper bound, a marker.
MINIMUM = re.compile(r"([\w.-]+)(?:\[[\w,]+\])?>=([\w.]+)(?:,<[\w.]+)?(;.*)?")


def requirements(pyproject: Path = PYPROJECT) -> Iterator[str]:
    """Yield all requirements: to build the project, to run it, and those of its extras."""
    contents = tomllib.loads(pyproject.read_text())
    yield from contents["build-system"]["requires"]
    yield from contents["project"]["dependencies"]
    for extra in contents["project"]["optional-dependencies"].values():
        yield from extra


def oldest_versions(pyproject: Path = PYPROJECT) -> Iterator[str]:
    """Yield a line ``name==version`` for each requirement that has a minimum."""
    for requirement in requirements(pyproject):
        if found := MINIMUM.fullmatch(requirement):
            name, version, marker = found.groups(default="")
            yield f"{name}=={version}{marker}"


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in oldest_versions())
