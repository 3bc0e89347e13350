"""Check of a processor's gradients in reduced precision; some processors compute them wrongly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from autodas.errors import AutodasError
from autodas.kernels import CHANNELS_LAST

TOLERANCE = 0.1
"""Relative error from which a gradient is taken to be wrong. Rounding to bf16 causes errors of 0.005."""

_SAMPLES = 4
_Convolution = nn.Conv2d | nn.Conv3d


def check_reduced_gradients(network: nn.Module, *arguments: object) -> None:
    """Compare the bf16 gradients of the network's convolutions on a CPU with those in single precision.

    Each kind of convolution is computed once, on noise of the shape of its feature maps: some versions of the
    library behind them return garbage for some shapes, and a network silently learns from it.

    Args:
        network: a network on a CPU; it is not changed.
        arguments: arguments of its forward pass, for a few samples of the size used in training.

    Raises:
        AutodasError: if a gradient is wrong; the message names the layer.
    """
    generator = torch.Generator().manual_seed(0)
    for name, convolution, shape in _convolutions_seen(network, arguments):
        error = _gradient_error(convolution, shape, generator)
        if not error <= TOLERANCE:
            raise AutodasError(
                f"gradients in bf16 are wrong on this processor (layer {name}, maps of {shape}: relative "
                f"error {error:.2g}, torch {torch.__version__}): use compute.precision fp32"
            )


def _convolutions_seen(
    network: nn.Module, arguments: tuple[object, ...]
) -> list[tuple[str, _Convolution, tuple[int, ...]]]:
    """Return one convolution of each kind and shape of feature map, with the name of its layer."""
    seen: dict[object, tuple[str, _Convolution, tuple[int, ...]]] = {}

    def note(name: str, module: _Convolution, x: Tensor) -> None:
        shape = (min(_SAMPLES, x.shape[0]), *x.shape[1:])
        kind = (type(module), module.out_channels, module.kernel_size, module.stride, module.dilation)
        seen.setdefault((*kind, module.groups, shape), (name, module, shape))

    training = network.training
    network.eval()  # keeps the running statistics
    try:
        with _hooks(network, note), torch.no_grad():
            network(*arguments)
    finally:
        network.train(training)
    return list(seen.values())


@contextmanager
def _hooks(network: nn.Module, note: Callable[[str, _Convolution, Tensor], None]) -> Iterator[None]:
    handles = [
        module.register_forward_pre_hook(lambda module, inputs, name=name: note(name, module, inputs[0]))
        for name, module in network.named_modules()
        if isinstance(module, _Convolution)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _gradient_error(convolution: _Convolution, shape: tuple[int, ...], generator: torch.Generator) -> float:
    """Return the larger of the relative errors of the gradients of the weights and of the feature map."""
    x = torch.randn(shape, generator=generator)
    x = x.to(memory_format=CHANNELS_LAST[x.dim()]).requires_grad_()
    upstream: Tensor | None = None
    gradients = []
    for reduced in (False, True):
        with torch.enable_grad(), torch.autocast("cpu", torch.bfloat16, enabled=reduced):
            y = convolution(x)
        if upstream is None:
            upstream = torch.randn(y.shape, generator=generator)
        gradients.append(torch.autograd.grad((y.float() * upstream).sum(), (convolution.weight, x)))
    return max(
        float((reduced.float() - exact).norm() / exact.norm().clamp(min=1e-12))
        for exact, reduced in zip(*gradients, strict=True)
    )
