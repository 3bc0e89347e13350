"""Settings of measurements, and the description of this machine."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from autodas.devices import MeasureSettings, describe_device, is_this_device
from autodas.devices._clock import clock_for
from autodas.errors import AutodasError


def test_the_description_has_what_a_result_depends_on() -> None:
    device = describe_device(MeasureSettings(threads=3, batch=2))
    assert device == {
        "machine": device["machine"],
        "cores": os.cpu_count(),
        "runtime": "torch",
        "version": torch.__version__,
        "batch": 2,
        "threads": 3,
        "device": "cpu",
        "precision": "fp32",
        "clock": "elapsed",
    }
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists() and "model name" in cpuinfo.read_text():
        assert f": {device['machine']}\n" in cpuinfo.read_text()
    onnxruntime = pytest.importorskip("onnxruntime")
    assert describe_device(MeasureSettings("onnxruntime"))["version"] == onnxruntime.__version__


def test_this_device_is_known_again() -> None:
    device = describe_device(MeasureSettings())
    assert is_this_device(device)
    assert is_this_device({**device, "version": "1.0", "more": 1})
    assert not is_this_device({**device, "machine": "Cortex-A72"})
    assert not is_this_device({**device, "cores": 999})


@pytest.mark.parametrize("device", [{}, {"function": "python:a:b"}, {"machine": 3, "threads": -1}])
def test_other_descriptions_are_of_other_devices(device: dict[str, Any]) -> None:
    assert not is_this_device(device)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there() -> None:
    assert not is_this_device({**describe_device(MeasureSettings()), "device": "cuda"})
    with pytest.raises(AutodasError, match="device 'cuda' is not available"):
        describe_device(MeasureSettings(device="cuda"))


def test_settings_are_restored() -> None:
    settings = MeasureSettings("torch-compile", 4, 2, "cuda:1", "bf16")
    assert MeasureSettings.from_dict(settings.to_dict(), "here") == settings
    with pytest.raises(AutodasError, match="here: 'runtime' is missing"):
        MeasureSettings.from_dict({}, "here")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"runtime": "tflite"}, "unknown runtime 'tflite'; known: torch, torch-compile, onnxruntime"),
        ({"precision": "int8"}, "unknown precision 'int8'"),
        ({"batch": 0}, "batch=0 must be a whole number from 1"),
        ({"threads": 5000}, "threads=5000 must be a whole number from 1 to 1,024"),
        ({"device": "mps"}, r"device 'mps' is not supported: networks are measured on CPUs \(cpu\) and"),
        ({"runtime": "onnxruntime", "device": "cuda"}, "device=cuda: ONNX Runtime is measured on the CPU"),
        ({"runtime": "onnxruntime", "precision": "bf16"}, "precision=bf16: ONNX Runtime"),
    ],
)
def test_refusals(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(AutodasError, match=message):
        MeasureSettings(**changes)


def test_one_thread_is_timed_by_the_processor() -> None:
    assert clock_for(MeasureSettings(threads=2)).read is time.perf_counter
    assert clock_for(MeasureSettings(device="cuda")).name == "elapsed"
    if time.get_clock_info("thread_time").resolution > 1e-6:
        pytest.skip("the clock is too coarse here")
    clock = clock_for(MeasureSettings())
    assert clock.name == "processor"
    before, begin = clock.read(), time.perf_counter()
    time.sleep(0.05)
    assert clock.read() - before < 0.02 < time.perf_counter() - begin
