"""Compiled kernels that find no memory say so; they must not end the process."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from autodas.kernels import compiled_library

pytestmark = pytest.mark.slow

SCRIPT = """
import json, os, re, resource, sys
from pathlib import Path
import torch
from autodas.kernels import *

torch.set_num_threads(1)
x = torch.randn(1, 1024, 1024, 4)
pixels, ones, none = x.view(-1, 4), torch.ones(1, 4), torch.zeros(1, 4)
unit = Units((UnitShape((5, 5), 1),), [torch.randn(4, 1, 5, 5)], [torch.randn(4, 4, 1, 1)])
dense = torch.randn(4, 4, 3, 3)
part = Pointwise((torch.randn(4, 4, 1, 1),))
given, slope = Given(x, (1, 1)), Slope(Maps((0,), [pixels]), ones, none, none)
out = torch.empty_like(x[None])
terms = 65536
many = Maps((0,) * terms, pixels[None, :4096])
layout = Layout((terms,), (0,) * terms, (), tuple(range(terms)))
slopes, row = torch.empty(3, terms, 4), torch.ones(1, x.numel())
alone, broad = Layout((1,), (0,), (), (0,)), x.view(1, 1, -1)
single = Layout((1,), (0,), (0,), (0,))
candidates = Candidates(
    (1, 1), unit.shapes, (), 0, (), (), (), False, 0, (0,), (0,), single, single, (0,), 1
)
state, between = StateKernel(candidates, x.shape), torch.empty(2, 0, 4)
of_state = StatePass(x, ones[:, :1], unit.weights, out, out[1:], none, between, ones)
projection = (x, part.weights, (1, 1))
CALLS = {
    "units_forward": lambda: units_forward(given, unit, out),
    "units_backward": lambda: units_backward(given, unit, x[None], slope, weights=True),
    "pointwise_forward": lambda: pointwise_forward(x, [part], (1, 1), out),
    "pointwise_backward": lambda: pointwise_backward(x, [part], (1, 1), x[None], slope, x, weights=True),
    "dense_forward": lambda: dense_forward(x, [dense], out),
    "dense_backward": lambda: dense_backward(x, [dense], x[None], slope, x, weight_gradients=True),
    "mix_forward": lambda: mix_forward(out.view(1, 1, -1), row, alone, Maps((0,), broad), row, row),
    "mix_backward": lambda: mix_backward(slopes, layout, many, [pixels[:4096]], none, ones),
    "state_forward": lambda: state.forward(
        of_state, [None], ones, None, [x], constant=False
    ),
    "state_backward": lambda: state.backward(
        of_state, [x], constant=False, pools_again=False, wanted=True
    ),
    "projection_forward": lambda: projection_forward(
        *projection, out, (none, ones), None, ones, out, constant=False
    ),
    "projection_backward": lambda: projection_backward(
        *projection, out, none, ones, x, constant=False, wanted=True
    ),
    "moments": lambda: moments(x.view(1, -1, 1, 4), none, ones),
}
compiled_library()


def run(call, returned):
    status = Path("/proc/self/status").read_text()
    taken = 1024 * int(re.search(r"VmSize:\\s+(\\d+)", status)[1])
    # Enough for what is returned, not for what is needed for a moment.
    resource.setrlimit(resource.RLIMIT_AS, (taken + returned + 8 * 2**20,) * 2)
    try:
        call()
    except MemoryError as error:
        return str(error)


for name, call in CALLS.items():
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.write(writing, str(run(call, 4 * x.numel() if "backward" in name else 0)).encode())
        os._exit(0)
    os.close(writing)
    code = os.waitstatus_to_exitcode(os.wait()[1])
    print(json.dumps([name, code, os.read(reading, 10_000).decode()]), flush=True)
"""
"""Calls each kernel in a fork of a new process that has done nothing else."""

NAMES = [
    "units_forward",
    "units_backward",
    "pointwise_forward",
    "pointwise_backward",
    "dense_forward",
    "dense_backward",
    "mix_forward",
    "mix_backward",
    "state_forward",
    "state_backward",
    "projection_forward",
    "projection_backward",
    "moments",
]


@pytest.fixture(scope="module")
def ends() -> dict[str, tuple[int, str]]:
    """Exit code and message of each call."""
    if compiled_library() is None:
        pytest.skip("no C compiler")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return {name: (code, said) for name, code, said in map(json.loads, done.stdout.splitlines())}


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit of address space")
@pytest.mark.parametrize("name", NAMES)
def test_raises_memory_error(name: str, ends: dict[str, tuple[int, str]]) -> None:
    code, said = ends[name]
    assert code == 0
    assert "have run out of memory" in said
