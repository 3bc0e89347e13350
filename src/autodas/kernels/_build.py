"""Compiles the kernels on first use, where there is a compiler, for the processor that is there."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

SOURCES = ("kernels.c", "kernels_lanes.h")
FLAGS = (
    "-O3",
    "-march=native",
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fopenmp",
    "-fPIC",
    "-shared",
)


class Kernels(ctypes.CDLL):
    """The compiled functions; one that finds no memory raises MemoryError, and has written nothing."""

    def __getitem__(self, name_or_ordinal: Any) -> Any:
        function = super().__getitem__(name_or_ordinal)
        function.errcheck = _checked
        return function


def _checked(failed: Any, function: object, arguments: object) -> Any:
    if failed:
        raise MemoryError("the compiled kernels found no memory")
    return failed


@cache
def compiled_library() -> ctypes.CDLL | None:
    """Return the compiled kernels, or ``None`` where they cannot be had; then the plain forms compute.

    The result is kept in ``$XDG_CACHE_HOME/autodas`` (``~/.cache/autodas``), under a name that follows from
    source, compiler and processor. ``AUTODAS_KERNELS=plain`` does without.
    """
    if os.environ.get("AUTODAS_KERNELS") == "plain":
        return None
    compiler = shlex.split(os.environ.get("CC", "")) or [_first("cc", "gcc", "clang")]
    if not compiler[0]:
        return None
    try:
        return _load(compiler)
    except (OSError, subprocess.SubprocessError):
        # A broken compiler or a read-only home must not stop a search that can do without.
        return None


def _first(*names: str) -> str:
    return next((path for name in names if (path := shutil.which(name))), "")


def _load(compiler: list[str]) -> ctypes.CDLL:
    source = {name: files("autodas.kernels").joinpath(name).read_bytes() for name in SOURCES}
    version = subprocess.run([*compiler, "--version"], capture_output=True, check=True, timeout=60).stdout
    key = hashlib.sha256()
    for part in (*source.values(), version, " ".join(FLAGS).encode(), _processor().encode()):
        key.update(part)
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "autodas"
    library = folder / f"kernels-{key.hexdigest()[:16]}.so"
    if not library.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _compile(compiler, source, library)
    return Kernels(str(library))


def _compile(compiler: list[str], source: dict[str, bytes], library: Path) -> None:
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        for name, text in source.items():
            (Path(folder) / name).write_bytes(text)
        built = Path(folder) / library.name
        # Wide registers are slower on some old processors; there this option does nothing.
        for extra in (["-mprefer-vector-width=512"], []):
            command = [*compiler, *FLAGS, *extra, str(Path(folder) / SOURCES[0]), "-o", str(built)]
            done = subprocess.run(command, capture_output=True, check=False, timeout=300)
            if done.returncode == 0:
                break
        done.check_returncode()
        # Another process may have built it meanwhile: both are the same.
        os.replace(built, library)


def _processor() -> str:
    """Return what the compiler would tune for: the processor's model and its abilities."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))
