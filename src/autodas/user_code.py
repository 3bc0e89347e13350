"""Functions that users name on the command line or in a configuration."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from autodas.errors import AutodasError, nearest


def import_function(path: str, where: str) -> Callable[..., Any]:
    """Return a function of the user's own.

    Args:
        path: ``package.module:function``. A module in the working folder is found, too.
        where: what the error message calls it.

    Raises:
        AutodasError: if it cannot be imported or is no function.
    """
    module_name, _, function_name = path.partition(":")
    if not module_name or not function_name:
        raise AutodasError(f"{where}: write package.module:function")
    # A module beside the user is found as "python -m" would find it. It stays on the path because worker
    # processes have to find it too; at the end, so that it hides nothing.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        module = import_module(module_name)
    except Exception as error:  # whatever the user's module does while it is imported
        raise AutodasError(
            f"{where}: module '{module_name}' cannot be imported ({type(error).__name__}: {error})"
        ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        known = [name for name, value in vars(module).items() if callable(value) and name[0] != "_"]
        raise AutodasError(
            f"{where}: module '{module_name}' has no function '{function_name}'"
            f"{nearest(function_name, known)}"
        )
    found: Callable[..., Any] = function
    return found
