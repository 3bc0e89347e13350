"""Import of optional libraries: what is missing, and torchvision with operators that do not load.

Each program has a process of its own, since what is declared stays so until a process ends. The packages that
stand for broken ones are real packages on its path.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from autodas.errors import AutodasError
from autodas.optional_imports import import_optional

DECLARED = """
import torch
from autodas.errors import AutodasError
from autodas.optional_imports import import_torchvision
try:
    print(import_torchvision().__name__)
except Exception as error:
    print(f"{type(error).__name__}: {error}")
print(hasattr(torch.ops.torchvision, "nms"), hasattr(torch.ops.torchvision, "qnms"))
"""


def run(program: str, folder: Path | None = None) -> list[str]:
    """Return the lines that a program prints, with a folder before all others on its path."""
    path = os.pathsep.join(filter(None, [str(folder or ""), *sys.path]))
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def package(folder: Path, name: str, text: str) -> Path:
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(text)
    return folder


def test_a_missing_library_names_its_extra() -> None:
    with pytest.raises(
        AutodasError, match=r"'nothing_like_it' is not installed: pip install 'autodas\[hub\]'"
    ):
        import_optional("nothing_like_it", "hub")


def test_a_library_that_misses_another_is_not_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(package(tmp_path, "present", "import nothing_like_it"))
    with pytest.raises(ModuleNotFoundError, match="nothing_like_it"):
        import_optional("present", "hub")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["timm", "transformers"])
def test_libraries_that_use_torchvision_are_imported(name: str) -> None:
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    program = f"from autodas.optional_imports import import_{name}; print(import_{name}().__name__)"
    assert run(program)[-1] == name


@pytest.mark.slow
def test_nothing_is_declared_where_operators_load(tmp_path: Path) -> None:
    # A second declaration would end the process.
    package(tmp_path, "torchvision", "")
    assert run(DECLARED, tmp_path) == ["torchvision", "False False"]


BROKEN = """
import torch
for name in ("nms", "qnms"):
    torch.library.register_fake(f"torchvision::{name}")(lambda dets, scores, threshold: dets)
"""


@pytest.mark.slow
def test_operators_that_do_not_load_are_declared(tmp_path: Path) -> None:
    assert run(DECLARED, package(tmp_path, "torchvision", BROKEN)) == ["torchvision", "True True"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "raise RuntimeError('operator torchvision::other does not exist')",
            "AutodasError: torchvision does not fit the installed torch (operator torchvision::other does "
            "not exist): install versions that belong together",
        ),
        ("raise RuntimeError('out of luck')", "RuntimeError: out of luck"),
        ("raise OSError('no such library')", "OSError: no such library"),
    ],
)
def test_other_failures_are_reported(tmp_path: Path, text: str, error: str) -> None:
    assert run(DECLARED, package(tmp_path, "torchvision", text))[0] == error


@pytest.mark.slow
def test_without_the_libraries(tmp_path: Path) -> None:
    # As where they are not installed: their names lead to nothing.
    program = """
import sys
from autodas.errors import AutodasError
for missing in ("timm", "transformers", "huggingface_hub"):
    sys.modules[missing] = None
for module in ("timm", "transformers", "hub"):
    try:
        __import__(f"autodas.{module}")
    except AutodasError as error:
        print(error)
"""
    assert run(program) == [
        "the package 'timm' is not installed: pip install 'autodas[timm]'",
        "the package 'transformers' is not installed: pip install 'autodas[transformers]'",
        "the package 'huggingface_hub' is not installed: pip install 'autodas[hub]'",
    ]
