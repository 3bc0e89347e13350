"""Compilation of the kernels on first use, for the current processor, if a compiler is available."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import re
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

SOURCES = (
    "kernels.c",
    "descent.h",
    "kernels_lanes.h",
    "pools_lanes.h",
    "projection.h",
    "state.h",
    "winograd.h",
    "winograd_lanes.h",
)
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
    """The compiled functions; one that runs out of memory raises MemoryError.

    Args:
        library: the compiled library.
        source: its source, from which the types of arguments are taken.
    """

    def __init__(self, library: Path, source: str) -> None:
        super().__init__(str(library))
        self._types = {
            name: [_type(argument) for argument in arguments.split(",")]
            for name, arguments in _FUNCTION.findall(source)
        }

    def __getitem__(self, name_or_ordinal: Any) -> Any:
        function = super().__getitem__(name_or_ordinal)
        function.argtypes, function.errcheck = self._types[name_or_ordinal], _checked
        return function


_FUNCTION = re.compile(r"^int (autodas_\w+)\(([^)]*)\)", re.MULTILINE)
_TYPES = {"int": ctypes.c_int, "long": ctypes.c_long, "float": ctypes.c_float}


def _type(argument: str) -> type:
    """Return the type of an argument as declared in C: a pointer, or a number."""
    return ctypes.c_void_p if "*" in argument else _TYPES[argument.split()[0]]


def _checked(failed: Any, function: object, arguments: object) -> Any:
    if failed:
        raise MemoryError("the compiled kernels have run out of memory")
    return failed


@dataclass(frozen=True)
class Built:
    """Result of building the kernels.

    Attributes:
        library: the compiled functions; ``None`` if the plain forms compute.
        how: the compiler that built them, or the reason why there are none.
        chosen: whether this is the user's choice.
    """

    library: ctypes.CDLL | None
    how: str
    chosen: bool = False


def compiled_library() -> ctypes.CDLL | None:
    """Return the compiled kernels, or ``None`` if they are not available; then the plain forms compute."""
    return built_kernels().library


@cache
def built_kernels() -> Built:
    """Return the compiled kernels, or the reason why they are not available.

    The result is stored in the :func:`~autodas.cache_folder.cache_folder`, under a name derived from source,
    compiler with its options, and processor. ``AUTODAS_KERNELS=plain`` disables the kernels.
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
        # A broken compiler or a full disk must not stop a search that can do without kernels.
        return Built(None, f"{compiler[0]}: {error.strerror or error}")


def _first(*names: str) -> str:
    return next((path for name in names if (path := shutil.which(name))), "")


def _load(compiler: list[str]) -> Built:
    source = {name: files("autodas.kernels").joinpath(name).read_bytes() for name in SOURCES}
    version = subprocess.run([*compiler, "--version"], capture_output=True, check=True, timeout=60).stdout
    key = hashlib.sha256()
    for part in (*source.values(), version, shlex.join([*compiler, *FLAGS]).encode(), _processor().encode()):
        key.update(part)
    folder = cache_folder("kernels")
    if folder is None:
        return Built(None, "there is no folder to store them in: set AUTODAS_CACHE to a writable one")
    library = folder / f"kernels-{key.hexdigest()[:16]}.so"
    if not library.exists():
        _compile(compiler, source, library)
    declared = b"".join(source.values()).decode()
    try:
        kernels = Kernels(library, declared)
    except OSError:
        # The existing file is damaged.
        _compile(compiler, source, library)
        kernels = Kernels(library, declared)
    first = version.decode(errors="replace").strip().splitlines()
    return Built(kernels, first[0] if first else compiler[0])


def _compile(compiler: list[str], source: dict[str, bytes], library: Path) -> None:
    _remove_leftovers(library.parent)
    with tempfile.TemporaryDirectory(prefix=_BUILDING, dir=library.parent) as folder:
        for name, text in source.items():
            (Path(folder) / name).write_bytes(text)
        built = Path(folder) / library.name
        # Wide registers are slower on some old processors, where this option has no effect.
        for extra in (["-mprefer-vector-width=512"], []):
            command = [*compiler, *FLAGS, *extra, str(Path(folder) / SOURCES[0]), "-o", str(built)]
            done = subprocess.run(command, capture_output=True, check=False, timeout=300)
            if done.returncode == 0:
                break
        done.check_returncode()
        # Another process may have built it meanwhile: both are the same.
        os.replace(built, library)


def _remove_leftovers(folder: Path) -> None:
    """Remove the remains of killed compilations; none takes an hour."""
    for left in folder.glob(f"{_BUILDING}*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > 3600:
                shutil.rmtree(left)


def _processor() -> str:
    """Return what the compiler would tune for: the processor's model and features."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))
