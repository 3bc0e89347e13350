"""Code of the user's own, by path: ``python:package.module:name``."""

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
"""What names of the user's own code begin with."""

_ALLOWED: set[str] = set()


def is_user_code(name: str) -> bool:
    """Return whether a name stands for code of the user's own."""
    return name.startswith(PREFIX)


def module_of(name: str) -> str:
    """Return the module of a name such as ``python:package.module:name``."""
    return name.removeprefix(PREFIX).partition(":")[0]


def short_name(name: str) -> str:
    """Return what drawings and tables call it: ``name`` of ``python:package.module:name``."""
    return name.rpartition(":")[2] if is_user_code(name) else name


def allow_code(*modules: str) -> None:
    """Allow modules to be imported where a genotype names operations in them.

    A genotype is data that may come from anyone, so by itself it imports nothing. Modules are allowed by the
    option ``code``, by the configuration of the run that a genotype belongs to, by a space that is searched,
    and by this function.

    Args:
        modules: such as ``package.module``, without ``python:`` and the name in it.
    """
    _ALLOWED.update(modules)


def allow_code_of(names: Iterable[str]) -> None:
    """Allow the modules of those names that stand for code of the user's own."""
    allow_code(*(module_of(name) for name in names if is_user_code(name)))


def import_allowed(name: str, where: str) -> Any:
    """Return what a name in a file stands for.

    Args:
        name: ``python:package.module:name``.
        where: what the error message calls it.

    Raises:
        AutodasError: if nobody has allowed its module, and as :func:`import_named`.
    """
    module = module_of(name)
    if module not in _ALLOWED:
        raise AutodasError(
            f"{where} is code of the module '{module}', which a file alone does not import: allow it with "
            f"`code={module}`"
        )
    return import_named(name, where)


def import_function(path: str, where: str) -> Callable[..., Any]:
    """Return a function (or a class) of the user's own; arguments as of :func:`import_named`.

    Raises:
        AutodasError: as :func:`import_named`, and if it cannot be called.
    """
    found: Callable[..., Any] = import_named(path, where)
    if not callable(found):
        raise AutodasError(f"{where}: {type(found).__name__} '{path}' is no function")
    return found


def import_named(path: str, where: str) -> Any:
    """Return what a path stands for.

    Args:
        path: ``package.module:name``, with or without ``python:`` before it. A module in the working folder
            is found, too.
        where: what the error message calls it.

    Raises:
        AutodasError: if it cannot be imported, with file and line, or the module has nothing of that name.
    """
    module_name, _, name = path.removeprefix(PREFIX).partition(":")
    if not module_name or not name:
        raise AutodasError(f"{where}: write package.module:name")
    # A module beside the user is found as "python -m" would find it. It stays on the path because worker
    # processes have to find it too; at the end, so that it hides nothing.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        module = import_module(module_name)
    except Exception as error:  # whatever the user's module does while it is imported
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
    """Return an error of the user's code in words, with file and line where it was raised, if it has some."""
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
    """Return where a class or function stands: ``file, line n``; its module where there is no file."""
    try:
        return f"{inspect.getsourcefile(code)}, line {inspect.getsourcelines(code)[1]}"
    except (TypeError, OSError):
        return f"module {getattr(code, '__module__', type(code).__module__)}"


def _is_users(filename: str) -> bool:
    ours = str(Path(__file__).parent) + os.sep
    return not filename.startswith((ours, "<frozen")) and f"{os.sep}importlib{os.sep}" not in filename
