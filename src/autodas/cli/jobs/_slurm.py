"""Jobs as a job array of Slurm."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from autodas.cli.jobs._job import THREADS, Job, Resources
from autodas.runs.folder import SUMMARY
from autodas.writing import write_whole

_GPU = "#SBATCH --gres=gpu:1"


def write_slurm_script(jobs: Sequence[Job], wanted: Resources, folder: Path) -> Path:
    """Write a script for ``sbatch`` with one element of an array for each job.

    An element that Slurm starts again continues the runs that are not finished.

    Args:
        jobs: the jobs.
        wanted: threads (usually one) and device of each job.
        folder: folder of the script.

    Returns:
        Path of the script.

    Raises:
        AutodasError: if it cannot be written.
    """
    gpu = {"cuda": [_GPU], "cpu": []}.get(wanted.device, ["# Remove a # for a GPU for each run:", f"#{_GPU}"])
    threads = wanted.threads or 1
    lines = [
        "#!/bin/bash",
        "#SBATCH --job-name=autodas-compare",
        f"#SBATCH --array=0-{len(jobs) - 1}",
        f"#SBATCH --cpus-per-task={threads}",
        *gpu,
        "",
        f"cd {shlex.quote(str(Path.cwd()))} || exit",
        f'export {THREADS}="${{SLURM_CPUS_PER_TASK:-{threads}}}"',
        "",
        "# run FOLDER COMMAND ...: runs a command of autodas, unless the run in the folder is finished.",
        "run() {",
        f'  [ -e "$1/{SUMMARY}" ] || {shlex.quote(sys.executable)} -m autodas "${{@:2}}" || exit',
        "}",
        "",
        'case "$SLURM_ARRAY_TASK_ID" in',
    ]
    for number, job in enumerate(jobs):
        lines += [
            f"{number})  # {job.name}",
            f"  exec >> {shlex.quote(str(job.log))} 2>&1",
            *(f"  run {shlex.join([str(job.folder / part), *words])}" for part, words in job.left().items()),
            "  ;;",
        ]
    lines += [
        "*)",
        "  echo \"this array has no element '$SLURM_ARRAY_TASK_ID': submit it with sbatch\" >&2",
        "  exit 2",
        "  ;;",
        "esac",
    ]
    path = folder / "slurm.sh"
    write_whole(path, os.fsencode("\n".join(lines) + "\n"))  # whatever bytes names have
    return path
