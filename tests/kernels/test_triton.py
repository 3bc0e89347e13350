"""The Triton kernels, on CPUs by Triton's interpreter; and when they are used."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
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


KERNELS = {
    "_stencils": ["_forward", "_backward_input", "_backward_weights"],
    "_combine": ["_combine"],
    "_mixing": ["_factors", "_part_sums", "_slopes"],
    "_moments": ["_part_moments", "_join_moments"],
    "_slope": ["_slope"],
    "_normalisation": ["_normalisation"],
    "_running": ["_follow"],
    "_units": ["_units", "_units_gradient"],
    "_pools": ["_pools", "_pools_gradient"],
}
EVERY = [(file, kernel) for file, kernels in KERNELS.items() for kernel in kernels]
MAPS = ("x", "weights", "upstream", "out", "gradient", "one", "other", "u", "maps", "most", "mean")
NUMBERS = ("plan", "starts", "index", "row", "factor", "slot", "place", "unused")


def types_of(file: str, maps: str, own: bool) -> dict[str, str]:
    """Return the type of each argument of the kernels of a file; others are integers."""
    types = dict.fromkeys(MAPS, f"*{maps}") | dict.fromkeys(NUMBERS, "*i32")
    types |= dict.fromkeys(("partial", "sums", "slopes", "factors", "means", "deviations"), "*fp32")
    types |= dict.fromkeys(("variance", "a", "b", "d"), "*fp32")
    types |= dict.fromkeys(
        ("scale", "shift"), f"*{maps}" if file in ("_stencils", "_units") and not own else "*fp32"
    )
    types |= {"momentum": "fp32", "unbiased": "fp32", "variances": "*i64"}
    types |= {"winners": "*i8", "epsilon": "fp32", "spread": f"*{maps}"}
    if file in ("_stencils", "_units"):  # addresses
        types |= dict.fromkeys(("weights", "depthwise", "pointwise"), "*i64")
    if file == "_running":
        types["means"] = "*i64"
    if file in ("_mixing", "_moments", "_normalisation", "_running"):
        types |= dict.fromkeys(("mean", "weights", "gradient"), "*fp32")
    return types


@pytest.mark.parametrize(("file", "kernel"), EVERY)
@pytest.mark.parametrize(
    ("capability", "maps", "stride", "own"),
    [(90, "fp32", 1, False), (80, "bf16", 2, False), (120, "bf16", 1, True)],
)
def test_they_compile_for_a_gpu_that_is_not_there(
    file: str, kernel: str, capability: int, maps: str, stride: int, own: bool
) -> None:
    """The interpreter is lenient about types; the compiler needs no GPU."""
    triton = pytest.importorskip("triton")
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    fixed = {
        "STRIDE": stride,
        "SHARED": not own,
        "AFFINE": own,
        "PIXELS": 128,
        "CHANNELS": 16,
        "BLOCKS": 4,
        "ENTRIES": 64,
    }
    flags = ("SHIFT", "ADD", "WEIGHTED", "RUNNING", "MOST", "MEAN", "WINNERS", "MOMENTS", "WEIGHTS")
    fixed |= dict.fromkeys(flags, own) | {"MOST": True, "WEIGHTED": not own, "WEIGHTS": not own}
    types = types_of(file, maps, own)
    function = getattr(import_module(f"autodas.kernels.gpu.{file}"), kernel)
    names = function.arg_names
    signature = {name: "constexpr" if name in fixed else types.get(name, "i32") for name in names}
    constants = {(i,): fixed[name] for i, name in enumerate(names) if name in fixed}
    source = ASTSource(function, signature, constants)
    options = {"enable_fp_fusion": True}
    compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    assert "atom." not in compiled.asm["ptx"], "sums have a fixed order"
    assert ".f64" not in compiled.asm["ptx"]


@pytest.mark.parametrize(("file", "kernel"), EVERY)
def test_decisions_do_not_make_new_versions_of_a_kernel(file: str, kernel: str) -> None:
    pytest.importorskip("triton")
    parameters = {p.name: p for p in getattr(import_module(f"autodas.kernels.gpu.{file}"), kernel).params}
    changing = parameters.keys() & {"count", "outputs", "parts", "pixels", "rows", "size", "slots", "terms"}
    assert changing or kernel == "_follow"
    assert all(parameters[name].do_not_specialize for name in changing)


def test_they_are_for_gpus() -> None:
    x, stencils = torch.zeros(1, 4, 4, 2), [Stencil(torch.zeros(2, 1, 3, 3), 1)]
    assert triton_form(x, stencils, (1, 1)) is None
    assert triton_form(x.to("meta"), stencils, (1, 1)) is None
