"""The source archive and the wheel: built, looked into, and used where there is nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from email.parser import BytesParser
from pathlib import Path

import pytest
from packaging.metadata import Metadata

import autodas

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "autodas"
UNREACHABLE = "connection broken by"


def run(words: list[str], folder: Path, **variables: str) -> str:
    """Return what a command prints in a folder, and skip the test if it misses the package index."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        words, cwd=folder, env={**environment, **variables}, capture_output=True, text=True, check=False
    )
    if done.returncode and UNREACHABLE in done.stdout + done.stderr:
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def constraints() -> str:
    """Return the constraints of the environment of these tests."""
    return os.environ.get("PIP_CONSTRAINT", "constraints.txt")


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory, constraints: str) -> Path:
    """Return a folder with a source archive, and with the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    words = [sys.executable, "-m", "build", "--outdir", str(folder)]
    run(words, ROOT, PIP_CONSTRAINT=constraints)
    return folder


@pytest.fixture(scope="module")
def wheel(archives: Path) -> Path:
    (found,) = archives.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(f"autodas-{autodas.__version__}.dist-info/METADATA")


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    kept = (path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert packed == {path.relative_to(PACKAGE.parent).as_posix() for path in kept}
    assert {
        "autodas/py.typed",
        "autodas/kernels/kernels.c",
        "autodas/presets/search/quickstart.yaml",
        "autodas/report/page/page.css",
        "autodas/report/page/page.js",
        "autodas/zoo/genotypes/darts_v2.json",
    } <= packed


def test_the_source_archive_holds_every_file_of_the_project(archives: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("only git knows the files of the project")
    tracked = run(["git", "ls-files", "-z"], ROOT).split("\0")
    present = {name for name in tracked if name and (ROOT / name).exists()}
    (path,) = archives.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    assert not present - packed


def test_the_metadata_are_valid(metadata: bytes) -> None:
    found = Metadata.from_email(metadata, validate=True)
    assert found.name == "autodas"
    assert str(found.version) == autodas.__version__
    assert found.license_expression == "Apache-2.0"
    assert found.description_content_type == "text/markdown"


def test_the_description_refers_to_nothing_that_an_index_lacks(metadata: bytes) -> None:
    description = BytesParser().parsebytes(metadata).get_payload()
    assert isinstance(description, str)
    assert "# autodas" in description
    targets = re.findall(r"\]\(([^)]*)\)", description) + re.findall(r'(?:src|href)="([^"]*)"', description)
    assert [target for target in targets if not target.startswith(("https://", "#"))] == []


# Pip downloads 3 GB where torch comes with CUDA.
@pytest.mark.timeout(1500)
def test_the_wheel_works_in_an_empty_environment(wheel: Path, constraints: str, tmp_path: Path) -> None:
    venv.create(tmp_path / "environment", with_pip=True)
    programs = tmp_path / "environment" / "bin"
    python, command = str(programs / "python"), str(programs / "autodas")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel)]
    run(install, ROOT, PIP_CONSTRAINT=constraints)
    run([python, "-m", "pip", "check"], tmp_path)

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert "usage: autodas COMMAND" in run([command, "--help"], elsewhere)
    where = run([python, "-c", "import autodas; print(autodas.__file__, autodas.__version__)"], elsewhere)
    assert where.startswith(str(tmp_path))
    assert where.endswith(f" {autodas.__version__}\n")
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    demo = [command, "demo", "--run", "demo", "--epochs", "2", "--train_epochs", "2"]
    assert "test accuracy: " in run(demo, elsewhere, **cache)
    assert (elsewhere / "demo" / "report.html").stat().st_size > 100_000
    assert "darts_v2" in run([command, "zoo", "list"], elsewhere, **cache)
