"""Forward passes of a network in a runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from autodas.devices._random_network import random_network
from autodas.errors import AutodasError
from autodas.export import export_onnx, open_model, sample_inputs
from autodas.loop import best_device, check_precision, in_precision, use_single_precision
from autodas.measure_options import MeasureSettings
from autodas.training.model_file import ModelFacts

_WARM_UP = 3


@contextmanager
def prepared(settings: MeasureSettings) -> Iterator[None]:
    """Give torch the threads of a measurement, and restore its own afterwards.

    Raises:
        AutodasError: if the device is not available, or does not compute in the precision.
    """
    device, threads = best_device(settings.device), torch.get_num_threads()
    check_precision(device, settings.precision)
    use_single_precision()
    torch.set_num_threads(settings.threads)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def network_for(facts: ModelFacts, settings: MeasureSettings, file: Path | None = None) -> nn.Module:
    """Return a network with random weights, as the runtime takes it.

    Args:
        facts: description of the network.
        settings: how it is measured.
        file: its ONNX file for ONNX Runtime; by default it is exported first.

    Raises:
        AutodasError: if there is no such file, or the network cannot be exported.
    """
    if settings.runtime != "onnxruntime":
        return random_network(facts)
    if file is not None:
        return open_model(file)[0]
    with TemporaryDirectory() as folder:
        return export_onnx(Path(folder, "network.onnx"), random_network(facts), facts).network


def forward_of(network: nn.Module, facts: ModelFacts, settings: MeasureSettings) -> Callable[[], None]:
    """Return a function that passes random samples through a network once.

    It has passed a few times when it is returned, so that what is made once has been made.

    Args:
        network: the network, in evaluation mode; it is moved to the device.
        facts: its description.
        settings: how it is measured, within :func:`prepared`.

    Raises:
        AutodasError: if the runtime cannot compute the network.
    """
    inputs = sample_inputs(facts, settings.batch)
    if settings.runtime != "onnxruntime":
        # As the loader of evaluations gives them.
        form = torch.channels_last if facts.blueprint.dimensions == 2 else torch.channels_last_3d
        inputs = inputs.to(best_device(settings.device), memory_format=form)
        network.to(inputs.device)
    compiled = settings.runtime == "torch-compile"
    forward = (_compiled if compiled else _forward)(network, inputs, settings)
    for _ in range(_WARM_UP):
        forward()
    return forward


def _forward(
    network: Callable[[Tensor], object], inputs: Tensor, settings: MeasureSettings
) -> Callable[[], None]:
    device = inputs.device

    def forward() -> None:
        with torch.inference_mode(), in_precision(settings.precision, device):
            network(inputs)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return forward


def _compiled(network: nn.Module, inputs: Tensor, settings: MeasureSettings) -> Callable[[], None]:
    """Return passes through a compiled network.

    The network is exported first, as a module whose code is its own: torch.compile keeps what it has compiled
    with the code, so that networks of one class would share it, each slower than the one before, and those
    after the eighth would not be compiled at all.
    """
    with torch.no_grad():
        module = torch.export.export(network, (inputs,)).module()
    forward = _forward(torch.compile(module, fullgraph=True), inputs, settings)
    try:
        forward()
    except Exception as error:  # compilers fail in many ways
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[0] if lines else type(error).__name__
        raise AutodasError(
            f"torch.compile does not work here: {reason}; it needs a C++ compiler on CPUs (install g++, or "
            "name one in CXX) and Triton on GPUs; or choose `runtime=torch`"
        ) from error
    return forward
