"""Devices by name, what they can compute, and what is saved and reported of them; without a GPU."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import autodas
from autodas.cli._settings import ComputeConfig
from autodas.cli._setup import use_compute
from autodas.errors import AutodasError
from autodas.loop import (
    best_device,
    explain_damage,
    is_out_of_memory,
    random_state,
    restore_random_state,
    used_memory,
)


def test_devices() -> None:
    assert best_device("cpu") == torch.device("cpu")
    assert best_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(AutodasError, match="device 'cuda:99' is not available; here: cpu") as caught:
        best_device("cuda:99")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["gpu", "", "cpu:x", "cuda:", "cuda0"])
def test_names_that_are_no_device(name: str) -> None:
    with pytest.raises(AutodasError, match=f"^there is no device '{name}'; here: cpu.* or auto"):
        best_device(name)


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps", "xpu", "meta:0", "gpu"])
def test_nothing_is_proposed_that_is_not_there(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Gpus(monkeypatch, 0)
    with pytest.raises(AutodasError) as caught:
        best_device(name)
    assert str(caught.value).endswith("; here: cpu or auto (torch finds no GPU with CUDA)")


@pytest.mark.parametrize("name", ["mps", "xpu", "meta", "meta:0"])
def test_devices_without_what_runs_need(name: str) -> None:
    with pytest.raises(AutodasError, match=f"device '{name}' is not supported.*; here: cpu.* or auto"):
        best_device(name)


class Gpus:
    """Stands in for ``torch.cuda`` on a machine with GPUs.

    Attributes:
        current: number of the current one.
        states: state of the generator of each.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, count: int, bf16: bool = True) -> None:
        self.current, self.bf16 = 0, bf16
        self.states = [torch.tensor([n], dtype=torch.uint8) for n in range(count)]
        empty = torch.empty

        def allocate(*size: Any, device: torch.device, **more: Any) -> Any:
            if device.type != "cuda":
                return empty(*size, device=device, **more)
            number = self.current if device.index is None else device.index
            if number >= count:
                raise torch.AcceleratorError("CUDA error: invalid device ordinal")
            return SimpleNamespace(device=torch.device("cuda", number))

        monkeypatch.setattr(torch, "empty", allocate)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "set_device", self.set_device)
        monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Tesla V100")
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: self.bf16)
        monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: self.states[device.index].clone())
        monkeypatch.setattr(torch.cuda, "set_rng_state", self.set_rng_state)

    def set_device(self, device: torch.device) -> None:
        self.current = device.index

    def set_rng_state(self, state: torch.Tensor, device: torch.device) -> None:
        self.states[device.index] = state


def test_gpus_have_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    Gpus(monkeypatch, 2)
    assert best_device("auto") == best_device("cuda") == torch.device("cuda:0")
    assert best_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(AutodasError, match=r"'cuda:9' is not available; here: cpu, cuda:0, cuda:1 or auto$"):
        best_device("cuda:9")
    Gpus(monkeypatch, 1)
    with pytest.raises(AutodasError, match=r"'cuda:1' is not available; here: cpu, cuda or auto$"):
        best_device("cuda:1")


def test_commands_compute_on_the_current_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Triton and some of torch's functions take the current one."""
    gpus = Gpus(monkeypatch, 2)
    assert use_compute(ComputeConfig(device="cuda:1")) == torch.device("cuda:1")
    assert gpus.current == 1


def test_a_gpu_without_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    Gpus(monkeypatch, 1, bf16=False)
    autodas.Compute(device="cuda").placed()
    with pytest.raises(AutodasError, match="Tesla V100 does not compute in bf16: set `compute"):
        autodas.Compute(device="cuda", precision="bf16").placed()
    with pytest.raises(AutodasError, match="bf16"):
        use_compute(ComputeConfig(device="cuda", precision="bf16"))


def test_the_state_of_the_gpu_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """It can be resumed on a machine with fewer GPUs, or without one."""
    gpus = Gpus(monkeypatch, 2)
    state = random_state(torch.device("cuda:1"))
    assert [s.tolist() for s in state["cuda"]] == [[1]]
    assert "cuda" not in random_state(torch.device("cpu"))
    restore_random_state(state, torch.device("cuda:0"))
    assert gpus.states[0].tolist() == [1]
    restore_random_state(state, torch.device("cpu"))
    # As saved by version 0.1, on a machine with four GPUs.
    state["cuda"] = [torch.tensor([n], dtype=torch.uint8) for n in (10, 11, 12, 13)]
    restore_random_state(state, torch.device("cuda:1"))
    assert [s.tolist() for s in gpus.states] == [[1], [11]]


@pytest.mark.parametrize(
    "words",
    [
        "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "Unable to find an engine to execute this computation",
        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory",
    ],
)
def test_memory_runs_out_in_many_words(words: str, tmp_path: Any) -> None:
    assert is_out_of_memory(RuntimeError(words))
    with pytest.raises(RuntimeError, match=r"memory|ALLOC_FAILED|engine"), explain_damage(tmp_path):
        raise RuntimeError(words)


def test_other_errors_are_no_lack_of_memory() -> None:
    assert not is_out_of_memory(RuntimeError("CUDA error: an illegal memory access was encountered"))
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))


def test_the_memory_of_a_recording_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Playing it allocates nothing."""
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 60)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda device: 4000)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: None)
    assert used_memory(torch.device("cuda:0")) == 4000


def test_the_library_computes_in_single_precision(tmp_path: Any) -> None:
    """Also without the command line."""
    products = torch.backends.cuda.matmul
    products.allow_tf32 = products.allow_bf16_reduced_precision_reduction = True
    torch.backends.cudnn.allow_tf32 = True
    autodas.Search(
        autodas.open_dataset("digits", subset=84),
        autodas.get_space("cifar-o2d").with_size(K=0, C1=4, C2=8),
        "das",
        keeping=autodas.Keeping(autodas.RunFolder(tmp_path / "run")),
        epochs=1,
    )
    assert not products.allow_tf32
    assert not products.allow_bf16_reduced_precision_reduction
    assert not torch.backends.cudnn.allow_tf32
