"""Kernels for GPUs are tried once; where they do not work, the plain forms compute."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from autodas.cli._setup import tell_kernels
from autodas.kernels import GpuKernels, _gpu, gpu_kernels, stencils_forward

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    monkeypatch.delenv("AUTODAS_KERNELS", raising=False)
    gpu_kernels.cache_clear()
    yield
    gpu_kernels.cache_clear()


def test_a_triton_that_cannot_launch() -> None:
    """Without a GPU any launch fails, with Triton's own error."""
    pytest.importorskip("triton")
    found = gpu_kernels(CPU)
    assert (found.module, found.chosen) == (None, False)
    assert "Error: " in found.how
    assert "\n" not in found.how


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Failed to find C compiler. Please specify via CC environment variable."),
        subprocess.CalledProcessError(1, ["gcc", "cuda_utils.c"]),  # no Python.h
        OSError("no space left"),
        AssertionError(),
    ],
)
def test_whatever_goes_wrong_is_one_line(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("triton")

    def fail(kernels: Any, device: torch.device) -> None:
        raise error

    monkeypatch.setattr(_gpu, "_try", fail)
    assert gpu_kernels(CPU).how.startswith(f"{type(error).__name__}: {str(error)[:30]}")


def test_memory_that_has_run_out_is_another_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("triton")

    def fail(kernels: Any, device: torch.device) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(_gpu, "_try", fail)
    with pytest.raises(torch.OutOfMemoryError):
        gpu_kernels(CPU)


def test_wrong_results_are_noticed() -> None:
    def wrong(x: Tensor, stencils: Any, stride: Any) -> Tensor:
        out = stencils_forward(x, stencils, stride)
        return out.flip(1)

    _gpu._try(SimpleNamespace(stencils_forward=stencils_forward), CPU)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="wrong"):
        _gpu._try(SimpleNamespace(stencils_forward=wrong), CPU)  # type: ignore[arg-type]


def test_the_user_can_do_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTODAS_KERNELS", "plain")
    assert gpu_kernels(CPU) == GpuKernels(None, "AUTODAS_KERNELS=plain", chosen=True)


@pytest.mark.parametrize(
    ("kernels", "told"),
    [
        (GpuKernels(None, "RuntimeError: no compiler"), "do not work here; searches take longer: RuntimeE"),
        (GpuKernels(None, "AUTODAS_KERNELS=plain", chosen=True), ""),
        (GpuKernels(_gpu, "triton", new=True), "compiling kernels for this GPU"),
        (GpuKernels(_gpu, "triton"), ""),
    ],
)
def test_what_users_are_told(
    kernels: GpuKernels, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("autodas.cli._setup.gpu_kernels", lambda device: kernels)
    tell_kernels(torch.device("cuda:0"))
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == bool(told)


def test_launches_are_on_the_device_of_the_map(monkeypatch: pytest.MonkeyPatch) -> None:
    """Triton launches on the current device, whatever the map is on."""
    pytest.importorskip("triton")
    from autodas.kernels.gpu._launch import launch

    current: list[str] = []
    launched: list[Any] = []

    @contextmanager
    def device_of(x: Tensor) -> Iterator[None]:
        current.append("of the map")
        yield
        current.pop()

    class Kernel:
        def __getitem__(self, grid: tuple[int, int, int]) -> Any:
            return lambda *arguments, **constants: launched.append((grid, list(current), constants))

    monkeypatch.setattr(torch.cuda, "device_of", device_of)
    launch(Kernel(), (3, 2, 1), torch.zeros(4), CHANNELS=8)
    assert launched == [((3, 2, 1), ["of the map"], {"CHANNELS": 8})]
