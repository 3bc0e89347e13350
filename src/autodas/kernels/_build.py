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
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from autodas.cache_folder import cache_folder

_BUILDING = "building-"

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


@dataclass(frozen=True)
class Built:
    """What became of the kernels.

    Attributes:
        library: the compiled functions; ``None`` where the plain forms compute.
        how: the compiler that made them, or why there are none.
        chosen: whether the user wants it so.
    """

    library: ctypes.CDLL | None
    how: str
    chosen: bool = False


def compiled_library() -> ctypes.CDLL | None:
    """Return the compiled kernels, or ``None`` where they cannot be had; then the plain forms compute."""
    return built_kernels().library


@cache
def built_kernels() -> Built:
    """Return the compiled kernels, or why they cannot be had.

    The result is kept in the :func:`~autodas.cache_folder.cache_folder`, under a name that follows from
    source, compiler and processor. ``AUTODAS_KERNELS=plain`` does without.
    """
    if os.environ.get("AUTODAS_KERNELS") == "plain":
        return Built(None, "AUTODAS_KERNELS=plain", chosen=True)
    compiler = shlex.split(os.environ.get("CC", "")) or [_first("cc", "gcc", "clang")]
    if not compiler[0]:
        return Built(None, "there is no C compiler (cc, gcc or clang)")
    try:
        return _load(compiler)
    except subprocess.TimeoutExpired as error:
        return Built(None, f"{compiler[0]} has not finished within {error.timeout:.0f} s")
    except subprocess.SubprocessError as error:
        lines = (getattr(error, "stderr", None) or b"").decode(errors="replace").strip().splitlines()
        return Built(None, f"{compiler[0]} fails: {lines[0] if lines else error}")
    except OSError as error:
        # A broken compiler or a full disk must not stop a search that can do without.
        return Built(None, f"{compiler[0]}: {error.strerror or error}")


def _first(*names: str) -> str:
    return next((path for name in names if (path := shutil.which(name))), "")


def _load(compiler: list[str]) -> Built:
    source = {name: files("autodas.kernels").joinpath(name).read_bytes() for name in SOURCES}
    version = subprocess.run([*compiler, "--version"], capture_output=True, check=True, timeout=60).stdout
    key = hashlib.sha256()
    for part in (*source.values(), version, " ".join(FLAGS).encode(), _processor().encode()):
        key.update(part)
    folder = cache_folder("kernels")
    if folder is None:
        return Built(None, "there is no folder to keep them in: set AUTODAS_CACHE to one that can be written")
    library = folder / f"kernels-{key.hexdigest()[:16]}.so"
    if not library.exists():
        _compile(compiler, source, library)
    try:
        kernels = Kernels(str(library))
    except OSError:
        # What is there is damaged.
        _compile(compiler, source, library)
        kernels = Kernels(str(library))
    first = version.decode(errors="replace").strip().splitlines()
    return Built(kernels, first[0] if first else compiler[0])


def _compile(compiler: list[str], source: dict[str, bytes], library: Path) -> None:
    _remove_leftovers(library.parent)
    with tempfile.TemporaryDirectory(prefix=_BUILDING, dir=library.parent) as folder:
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


def _remove_leftovers(folder: Path) -> None:
    """Remove what compilations have left that were killed; none takes an hour."""
    for left in folder.glob(f"{_BUILDING}*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > 3600:
                shutil.rmtree(left)


def _processor() -> str:
    """Return what the compiler would tune for: the processor's model and its abilities."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))
