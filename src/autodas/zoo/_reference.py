"""References to architectures, as given by users."""

from __future__ import annotations

import os
from pathlib import Path

from autodas.benchmark_string import is_benchmark_string, read_benchmark_string
from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.runs.folder import EVENTS
from autodas.runs.folder import GENOTYPE as RUN_FILE
from autodas.spaces import validate
from autodas.zoo._entries import canonical, load_zoo


def load_genotype(reference: str | Path) -> Genotype:
    """Return the validated genotype of a file, a run folder, a name or a one-line form.

    Args:
        reference: path of a JSON file, path of a run folder, a name of :func:`zoo_names`, or the
            string form of NAS-Bench-201, ``|op~0|+|op~0|op~1|+...``. An existing path takes precedence over a
            name.

    Raises:
        AutodasError: if it is none of these, if the run has no genotype yet, or if the genotype is invalid;
            the message names the place.

    Examples:
        >>> import autodas
        >>> autodas.load_genotype("darts_v2").cells["normal"].nodes[0][0]
        Edge(operation='sep_conv_3x3', predecessor=0)
    """
    if is_benchmark_string(str(reference)):
        return validate(read_benchmark_string(str(reference)), f"'{reference}'")
    path = Path(reference)
    if os.path.isdir(path):
        return _load_run(path)
    if os.path.isfile(path):
        return validate(Genotype.load(path), str(path))
    if _looks_like_path(str(reference)):
        raise AutodasError(f"{reference}: no such file or run folder")
    try:
        name = canonical(str(reference))
    except AutodasError as error:
        usual = Path("runs", reference)
        hint = f"; did you mean '{usual}'?" if os.path.isdir(usual) else f"; {error}"
        raise AutodasError(f"'{reference}' is neither a file nor a run folder{hint}") from None
    return load_zoo(name)


def _load_run(folder: Path) -> Genotype:
    path = folder / RUN_FILE
    if os.path.isfile(path):
        return validate(Genotype.load(path), str(path))
    if os.path.isfile(folder / EVENTS):
        raise AutodasError(
            f"{folder}: has no {RUN_FILE}: the search has not finished (resume it first), or the run "
            "trained a hand-crafted network"
        )
    raise AutodasError(f"{folder}: not a run folder, it has no {RUN_FILE}")


def _looks_like_path(reference: str) -> bool:
    return reference.endswith(".json") or "/" in reference or "\\" in reference
