"""Step 9: what users are told where something is missing. Last, as memory is made to run out."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from .tools import Check

SEARCH = [
    "search",
    "--data=digits",
    "--preset=quickstart",
    "--strategy=das",
    "--epochs=1",
    "--data.subset=60",
    "--batch_size=8",
    "--space.K=0",
    "--quiet",
]

SCARCE = """
import sys, torch
from autodas.cli.main import main
if torch.cuda.is_available():
    torch.cuda.set_per_process_memory_fraction(0.02)
sys.exit(main(sys.argv[1:]))
"""


def run(check: Check) -> None:
    """Tell exit codes and messages: two and one line for errors, none for what is done in another way."""
    device = f"--compute.device={check.device}"
    _tell(check, "a device that is not there", ["-m", "autodas", *SEARCH, "--compute.device=cuda:99"])
    with tempfile.TemporaryDirectory() as empty:
        without = {"CC": "/nonexistent", "TRITON_CACHE_DIR": empty}
        _tell(check, "no compiler", ["-m", "autodas", *SEARCH, device], without)
    large = [] if check.tiny else ["--space.K=4", "--space.C2=256", "--batch_size=512", "--data.subset=1400"]
    scarce = ["-c", SCARCE, *SEARCH, *large, "--check_memory=false", device]
    _tell(check, "little memory", scarce)


def _tell(check: Check, what: str, words: list[str], environment: dict[str, str] | None = None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, *words, f"--run={folder}/run"],
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=max(10.0, check.left),
            check=False,
        )
    check.tell("failures", what=what, code=done.returncode, said=done.stderr.strip().splitlines()[-4:])
