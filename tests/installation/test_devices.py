"""What is said of torch, processors and GPUs."""

from __future__ import annotations

import pytest
import torch

from autodas.installation import Finding, _computing
from autodas.installation._computing import torch_and_devices
from autodas.kernels import GpuKernels


def test_here() -> None:
    found = list(torch_and_devices())
    assert found[0].found == f"{torch.__version__}, {torch.get_num_threads()} threads"
    assert torch.backends.cpu.get_cpu_capability() in found[1].found
    if not torch.cuda.is_available():
        assert (found[2].part, found[2].state) == ("GPU", "limited")
    else:
        assert torch.cuda.get_device_name(0) in found[2].found


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU: the test above has looked at it")
@pytest.mark.parametrize(
    ("tried", "triton"),
    [
        (
            GpuKernels(torch, "triton"),
            Finding("Triton 0", "ok", "kernels are compiled and correct on a small case"),
        ),
        (
            GpuKernels(None, "CalledProcessError: Python.h"),
            Finding(
                "Triton 0",
                "limited",
                "CalledProcessError: Python.h",
                "searches on this GPU take longer",
                "install Triton, a C compiler and Python's headers",
            ),
        ),
    ],
)
def test_a_gpu_as_torch_describes_it(
    tried: GpuKernels, triton: Finding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Some GPU")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (3 * 2**30, 8 * 2**30))
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr("autodas.kernels.gpu_kernels", lambda device: tried)
    gpu, kernels = _computing._gpus()
    assert gpu == Finding("GPU 0", "ok", "Some GPU, 3.0 of 8.0 GiB free, CUDA 12.8")
    assert kernels == triton
