"""Import of libraries that extras install."""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from autodas.errors import AutodasError

_UNLOADED = ("nms", "qnms")
"""Operators of torchvision whose forms for shape inference it registers when it is imported."""


def import_optional(name: str, extra: str) -> ModuleType:
    """Import a library that an extra installs.

    Args:
        name: name of the module.
        extra: extra of autodas that installs it.

    Raises:
        AutodasError: if the library is not installed; the message names the extra.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        package = name.partition(".")[0]
        if (error.name or "").partition(".")[0] != package:
            raise
        raise AutodasError(
            f"the package '{package}' is not installed: pip install 'autodas[{extra}]'"
        ) from error


def import_timm() -> ModuleType:
    """Import timm, with :func:`import_torchvision` before it.

    Raises:
        AutodasError: if timm is not installed, or torchvision cannot be imported.
    """
    _torchvision_first()
    return import_optional("timm", "timm")


def import_transformers(extra: str = "transformers") -> ModuleType:
    """Import transformers, with :func:`import_torchvision` before it.

    Args:
        extra: extra of autodas that installs it.

    Raises:
        AutodasError: if transformers is not installed, or torchvision cannot be imported.
    """
    _torchvision_first()
    return import_optional("transformers", extra)


def _torchvision_first() -> None:
    """Import torchvision if it is installed: libraries that use it import it in their own way."""
    if find_spec("torchvision") is not None:
        import_torchvision()


def import_torchvision() -> ModuleType:
    """Import torchvision, also where its compiled operators do not load.

    They do not load if it was built for another torch, for instance one with CUDA. Then its import fails,
    and with it that of timm, which needs none of these operators. Here torchvision is imported a second
    time, with the operators declared that it expects; calling one of them remains an error. Where the
    operators load, nothing is declared: a second declaration would end the process.

    Raises:
        AutodasError: if it is not installed, or fails on another operator.
    """
    try:
        return import_optional("torchvision", "timm")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    for module in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[module]
    _declare_operators()
    try:
        return import_optional("torchvision", "timm")
    except RuntimeError as error:
        raise AutodasError(
            f"torchvision does not fit the installed torch ({error}): install versions that belong together"
        ) from error


@cache
def _declare_operators() -> Any:
    """Declare the missing operators, and return what keeps their declarations alive."""
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in _UNLOADED:
        if not hasattr(torch.ops.torchvision, name):
            schema = f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            library.define(schema)  # type: ignore[no-untyped-call]
    return library
