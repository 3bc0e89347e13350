"""Description of this machine as a device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from autodas.devices._clock import clock_for
from autodas.errors import AutodasError
from autodas.loop import best_device, environment
from autodas.measure_options import MeasureSettings
from autodas.optional_imports import import_optional


def describe_device(settings: MeasureSettings) -> dict[str, Any]:
    """Return what the results of a measurement on this machine depend on, as plain data.

    Args:
        settings: how networks are measured.

    Returns:
        ``machine`` (name of the processor, or of the GPU), ``cores`` of the processor, ``version`` of the
        runtime, the settings, and the ``clock``.

    Raises:
        AutodasError: if the device is not available, or the runtime is not installed.
    """
    here, device = environment(), best_device(settings.device)
    machine = here["processor"] if device.type == "cpu" else torch.cuda.get_device_name(device)
    version = here["torch"]
    if settings.runtime == "onnxruntime":
        version = str(import_optional("onnxruntime", "export").__version__)
    facts = settings.to_dict()
    return {
        "machine": machine,
        "cores": here["cores"],
        "runtime": facts.pop("runtime"),
        "version": version,
        **facts,
        "clock": clock_for(settings).name,
    }


def is_this_device(device: Mapping[str, Any]) -> bool:
    """Return whether this machine can repeat the measurements of a device, described as above.

    Another version of the runtime does not matter: what is measured now is what this machine takes now.

    Args:
        device: description in a table of costs, which may be that of anything.
    """
    try:
        here = describe_device(MeasureSettings.from_dict(device, "device"))
    except AutodasError:
        return False
    return all(device.get(name) == here[name] for name in ("machine", "cores"))
