"""The pinned versions can be installed by anybody who has the public index and nothing else."""

import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
UNREACHABLE = "connection broken by"


def public_environment(home: Path) -> dict[str, str]:
    """Return the environment of a machine without any settings of pip's, caches or wheels of its own."""
    kept = {key: value for key, value in os.environ.items() if not key.upper().startswith(("PIP_", "UV_"))}
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}


# Pip downloads what it would install: 3 GB where torch comes with CUDA.
@pytest.mark.timeout(1500)
def test_constraints_resolve_from_the_public_index(tmp_path: Path) -> None:
    words = ["install", "--dry-run", "--ignore-installed", "--quiet", "--disable-pip-version-check"]
    found = subprocess.run(
        [sys.executable, "-m", "pip", *words, "-c", "constraints.txt", "-e", ".[all,dev]"],
        cwd=ROOT,
        env=public_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=1400,
    )
    if found.returncode and UNREACHABLE in found.stderr:
        pytest.skip("no package index can be reached")
    assert found.returncode == 0, found.stderr


def test_every_pin_runs_on_the_oldest_python_that_we_allow() -> None:
    (oldest,) = re.findall(r'^requires-python = ">=([\d.]+)"', (ROOT / "pyproject.toml").read_text(), re.M)
    refused = {}
    for name, pin in re.findall(r"^([\w.-]+)==([\w.]+)$", (ROOT / "constraints.txt").read_text(), re.M):
        try:
            installed = metadata(name)
        except PackageNotFoundError:
            continue
        needed = installed["Requires-Python"] or ""
        # Other tests run with other versions, which say nothing of the pins.
        if Version(installed["Version"]).public == pin and f"{oldest}.0" not in SpecifierSet(needed):
            refused[name] = needed
    assert not refused
