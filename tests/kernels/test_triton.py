"""The Triton kernels, on CPUs by Triton's interpreter; and when they are used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from autodas.kernels import Stencil
from autodas.kernels._stencils import triton_form

pytestmark = pytest.mark.slow


def test_interpreted() -> None:
    triton = pytest.importorskip("triton")
    if _version(triton.__version__) < (3, 7) and _version(np.__version__) >= (2, 4):
        pytest.skip("this interpreter reads arrays of one entry as numbers, which numpy refuses since 2.4")
    checks = Path(__file__).with_name("interpreted_triton.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(checks)]
    done = subprocess.run(
        command, env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-5000:]


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2])


KERNELS = ["_forward", "_backward_input", "_backward_weights"]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(
    ("maps", "stride", "own"), [("fp32", 1, False), ("bf16", 2, False), ("bf16", 1, True)]
)
def test_they_compile_for_a_gpu_that_is_not_there(kernel: str, maps: str, stride: int, own: bool) -> None:
    """The interpreter is lenient about types; the compiler needs no GPU (here compute capability 9.0)."""
    triton = pytest.importorskip("triton")
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from autodas.kernels import _triton

    fixed = {"STRIDE": stride, "SHARED": not own, "AFFINE": own, "PIXELS": 128, "CHANNELS": 16, "BLOCKS": 4}
    types = dict.fromkeys(("x", "weights", "upstream", "out", "gradient"), f"*{maps}")
    types |= dict.fromkeys(("scale", "shift"), "*fp32" if own else f"*{maps}")
    types |= {"plan": "*i32", "partial": "*fp32"}
    function = getattr(_triton, kernel)
    names = function.arg_names
    signature = {name: "constexpr" if name in fixed else types.get(name, "i32") for name in names}
    constants = {(i,): fixed[name] for i, name in enumerate(names) if name in fixed}
    source = ASTSource(function, signature, constants)
    options = {"enable_fp_fusion": True}
    compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)
    assert "atom." not in compiled.asm["ptx"], "sums have a fixed order"
    assert ".f64" not in compiled.asm["ptx"]


@pytest.mark.parametrize("kernel", KERNELS)
def test_decisions_do_not_make_new_versions_of_a_kernel(kernel: str) -> None:
    pytest.importorskip("triton")
    from autodas.kernels import _triton

    parameters = {p.name: p for p in getattr(_triton, kernel).params}
    changing = parameters.keys() & {"count", "pixels", "taps"}
    assert changing
    assert all(parameters[name].do_not_specialize for name in changing)


def test_they_are_for_gpus() -> None:
    x, stencils = torch.zeros(1, 4, 4, 2), [Stencil(torch.zeros(2, 1, 3, 3), 1)]
    assert triton_form(x, stencils, (1, 1)) is None
    assert triton_form(x.to("meta"), stencils, (1, 1)) is None
