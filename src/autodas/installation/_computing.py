"""Torch, devices and kernels: each is used for something small."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autodas.installation._finding import Finding

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from autodas.supernet import Supernet

GIB = 2**30
TOLERANCE = 0.01
"""Largest relative difference between compiled kernels and plain forms: rounding makes some 1e-4."""


def torch_and_devices() -> Iterator[Finding]:
    """Report torch, the processor and the GPUs."""
    import torch

    from autodas.loop import environment

    here = environment()
    instructions = torch.backends.cpu.get_cpu_capability()
    total = float((torch.arange(6.0).view(2, 3) @ torch.ones(3, 2)).sum())
    if total != 30:
        yield Finding("torch", "broken", f"{here['torch']}: a small product is {total:g} instead of 30")
        return
    yield Finding("torch", "ok", f"{here['torch']}, {here['threads']} threads")
    yield Finding("processor", "ok", f"{here['processor']}, {here['cores']} cores, {instructions}")
    yield from _gpus()


def _gpus() -> Iterator[Finding]:
    import torch

    if not torch.cuda.is_available():
        cost = "everything is computed on the processor"
        built = torch.version.cuda
        found = f"torch for CUDA {built} finds none" if built else "this torch is for processors"
        remedy = "with an NVIDIA GPU install its driver" if built else "see pytorch.org for one with CUDA"
        yield Finding("GPU", "limited", found, cost, remedy)
        return
    for number in range(torch.cuda.device_count()):
        device = torch.device("cuda", number)
        free, total = torch.cuda.mem_get_info(device)
        name = torch.cuda.get_device_name(device)
        found = f"{name}, {free / GIB:.1f} of {total / GIB:.1f} GiB free, CUDA {torch.version.cuda}"
        yield Finding(f"GPU {number}", "ok", found)
        yield _triton(device)


def _triton(device: torch.device) -> Finding:
    """Report the kernels for a GPU, which are compared with torch's operations when they are tried."""
    from autodas.kernels import gpu_kernels

    kernels, part = gpu_kernels(device), f"Triton {device.index}"
    if kernels.module is not None:
        return Finding(part, "ok", "kernels are compiled and correct on a small case")
    remedy = "install Triton, a C compiler and Python's headers"
    return Finding(part, "limited", kernels.how, "searches on this GPU take longer", remedy)


def compiled_kernels() -> Iterator[Finding]:
    """Report the kernels for processors, compared with the formulas as printed, in double precision."""
    from autodas.kernels import built_kernels

    built = built_kernels()
    if built.library is None:
        cost = "searches on the processor take two to three times as long"
        remedy = "unset AUTODAS_KERNELS" if built.chosen else "install gcc or clang with OpenMP"
        yield Finding("kernels", "limited", f"plain ({built.how})", cost, remedy)
        return
    difference = kernel_error()
    if difference <= TOLERANCE:
        yield Finding("kernels", "ok", f"compiled ({built.how}), correct on a small case")
    else:
        found = f"compiled ({built.how}), but wrong by {difference:.2g} on a small case"
        remedy = "use another compiler (CC), or AUTODAS_KERNELS=plain; please report this as a bug"
        yield Finding("kernels", "broken", found, "searches compute something else", remedy)


def kernel_error() -> float:
    """Return the largest relative error of a small supernet's scores and gradients in the fused engine.

    It computes with the compiled kernels in single precision, the reference engine without them in double
    precision. Errors of gradients are relative to the norm of all.
    """
    import torch

    from autodas.spaces import get_space
    from autodas.supernet import Supernet

    torch.manual_seed(0)
    supernet = Supernet(get_space("cifar-o2d").with_size(1, 8, 16), engine="fused")
    x = torch.randn(2, 3, 8, 8)
    found = _scores_and_gradients(supernet, x)
    with supernet.double().computed_by("reference"):
        expected = _scores_and_gradients(supernet, x.double())
    errors = [(a.double() - b).norm() / b.norm() for a, b in zip(found, expected, strict=True)]
    worst = float(torch.stack(errors).max())
    return worst if worst == worst else float("inf")  # nan compares with nothing


def _scores_and_gradients(supernet: Supernet, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the scores of a network that mixes all candidates, and all gradients in one vector."""
    import torch

    from autodas.supernet import CellMixture

    cell = supernet.space.cell
    shape = (len(cell.edges), len(cell.operations))
    ramp = torch.linspace(0.1, 1.0, shape[0] * shape[1], dtype=x.dtype).view(shape)
    active = ((True,) * shape[1],) * shape[0]
    mixture = {kind: CellMixture(ramp.clone().requires_grad_(), active) for kind in supernet.space.kinds}
    leaves = [*(part.weights for part in mixture.values()), *supernet.parameters()]
    scores = supernet(x, mixture)
    gradients = torch.autograd.grad(scores.square().sum(), leaves, allow_unused=True)
    return scores.detach(), torch.cat([g.flatten() for g in gradients if g is not None])
