"""User code by path: ``python:package.module:name``."""

from __future__ import annotations

import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from autodas.errors import AutodasError, nearest

PREFIX = "python:"
"""Prefix of the names of user code."""

_ALLOWED: set[str] = set()


def is_user_code(name: str) -> bool:
    """Return whether a name refers to user code."""
    return name.startswith(PREFIX)


def module_of(name: str) -> str:
    """Return the module of a name such as ``python:package.module:name``."""
    return name.removeprefix(PREFIX).partition(":")[0]


def short_name(name: str) -> str:
    """Return the name for drawings and tables: ``name`` of ``python:package.module:name``."""
    return name.rpartition(":")[2] if is_user_code(name) else name


def allow_code(*modules: str) -> None:
    """Allow the import of modules for operations that a genotype names.

    A genotype is data from anywhere, so it does not import anything by itself. Modules are allowed by the
    option ``code``, by the configuration of the genotype's run, by the space of a search, and by this
    function.

    Args:
        modules: modules such as ``package.module``, without ``python:`` and the name in the module.
    """
    _ALLOWED.update(modules)


def allow_code_of(names: Iterable[str]) -> None:
    """Allow the modules of all names that refer to user code."""
    allow_code(*(module_of(name) for name in names if is_user_code(name)))


def import_allowed(name: str, where: str) -> Any:
    """Return the object that a name in a file refers to.

    Args:
        name: ``python:package.module:name``.
        where: description of the name in error messages.

    Raises:
        AutodasError: if its module is not allowed, and as :func:`import_named`.
    """
    module = module_of(name)
    if module not in _ALLOWED:
        raise AutodasError(
            f"{where} is code in the module '{module}', which is not imported without permission: allow it "
            f"with `code={module}`"
        )
    return import_named(name, where)


def import_function(path: str, where: str) -> Callable[..., Any]:
    """Return a function or a class of the user; arguments as for :func:`import_named`.

    Raises:
        AutodasError: as :func:`import_named`, and if the object is not callable.
    """
    function: Callable[..., Any] = import_named(path, where)
    if not callable(function):
        raise AutodasError(f"{where}: {type(function).__name__} '{path}' is not a function")
    return function


def import_named(path: str, where: str) -> Any:
    """Return the object at a path.

    Args:
        path: ``package.module:name``, with or without the prefix ``python:``. The module may be in the
            working folder.
        where: description of the path in error messages.

    Raises:
        AutodasError: if the module cannot be imported, with file and line, or does not have that name.
    """
    module_name, _, name = path.removeprefix(PREFIX).partition(":")
    if not module_name or not name:
        raise AutodasError(f"{where}: write package.module:name")
    # Modules in the working folder are found as by "python -m". The folder stays on the path for worker
    # processes, at the end so that it does not shadow anything.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        module = import_module(module_name)
    except Exception as error:  # importing the user's module can raise anything
        raise AutodasError(
            f"{where}: module '{module_name}' cannot be imported: {what_failed(error)}"
        ) from error
    if not hasattr(module, name):
        known = [each for each, value in vars(module).items() if callable(value) and each[0] != "_"]
        raise AutodasError(
            f"{where}: module '{module_name}' ({getattr(module, '__file__', None) or 'without a file'}) has "
            f"no '{name}'{nearest(name, known)}"
        )
    return getattr(module, name)


def what_failed(error: BaseException) -> str:
    """Return a description of an error in user code, with file and line if available."""
    place = ""
    if isinstance(error, SyntaxError) and error.filename:
        place = f" in {error.filename}, line {error.lineno}"
    else:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename)]
        if frames:
            place = f" in {frames[-1].filename}, line {frames[-1].lineno}"
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}{place}: {text}"


def place_of(code: Any) -> str:
    """Return the place of a class or function: ``file, line n``, or its module if it has no file."""
    try:
        return f"{inspect.getsourcefile(code)}, line {inspect.getsourcelines(code)[1]}"
    except (TypeError, OSError):
        return f"module {getattr(code, '__module__', type(code).__module__)}"


def _is_users(filename: str) -> bool:
    ours = str(Path(__file__).parent) + os.sep
    return not filename.startswith((ours, "<frozen")) and f"{os.sep}importlib{os.sep}" not in filename
