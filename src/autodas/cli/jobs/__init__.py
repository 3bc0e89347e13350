"""Many runs: on this machine, in a Ray cluster, or as a job array of Slurm.

Each place is one file, with a function that takes the same list of jobs: ``_local.py`` and ``_ray.py`` run
them and return those that failed, ``_slurm.py`` writes the script that runs them.
"""

from autodas.cli.jobs._job import Job, Resources
from autodas.cli.jobs._local import run_locally
from autodas.cli.jobs._ray import run_in_ray
from autodas.cli.jobs._slurm import write_slurm_script

__all__ = ["Job", "Resources", "run_in_ray", "run_locally", "write_slurm_script"]
