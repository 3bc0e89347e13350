"""Folders of random networks to measure."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from autodas.costs import NetworkSetting
from autodas.devices._folder import NETWORK, NetworkFolder, Row
from autodas.devices._random_network import facts_of, random_network
from autodas.devices._spread import spread_architectures
from autodas.errors import AutodasError
from autodas.export import export_onnx, export_program
from autodas.networks import CellBlueprint
from autodas.progress import Progress, duration
from autodas.runs.folder import RUNNING
from autodas.spaces import Space
from autodas.training.model_file import ModelFacts

Form = Literal["onnx", "torch"]
_ENDINGS: dict[Form, str] = {"onnx": ".onnx", "torch": ".pt2"}
_EXPORTS: dict[Form, Callable[..., Any]] = {"onnx": export_onnx, "torch": export_program}
_LONG, _LARGE = 300.0, 2**30
"""Seconds and bytes from which they are said beforehand."""


def sample_networks(
    path: str | Path,
    space: Space,
    setting: NetworkSetting,
    count: int,
    *,
    forms: Sequence[Form] = ("onnx",),
    seed: int = 0,
    quiet: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Write random architectures of a space, spread over it, and their networks; make only what is missing.

    Each network has the files ``0001.json``, its architecture, and ``0001.onnx`` and ``0001.pt2``, as
    ``forms`` say, with random weights. ``measurements.csv`` has a row for each, and ``network.json`` their
    setting.

    Args:
        path: the folder, a new one or that of an interrupted call.
        space: space of the architectures.
        setting: everything else about the networks.
        count: number of networks.
        forms: forms in which they are exported.
        seed: seed of architectures and weights.
        quiet: whether to print no progress.
        stop: whether to stop before the next network.

    Returns:
        The number of networks in the folder.

    Raises:
        AutodasError: if the folder holds other networks, or is used by another process; if there are too few
            architectures, or one cannot be exported.
    """
    genotypes = spread_architectures(space, count, seed)
    facts_of(genotypes[0], setting).profile()  # raises an error if cells and skeleton do not fit
    folder = NetworkFolder(path)
    with folder.locked():
        _claim(folder, space, setting, count, seed)
        rows = {row["genotype"]: row for row in folder.rows()}
        done, begin, said = 0, time.monotonic(), quiet
        with Progress(count, quiet=quiet, what="making networks") as progress:
            for number, genotype in enumerate(genotypes, start=1):
                if stop():
                    break
                name = f"{number:04}"
                facts = facts_of(replace(genotype, name=f"sample-{name}"), setting)
                if _make(folder, rows, name, facts, forms, seed + number) and not said:
                    _say_size(folder, name, forms, count - number, time.monotonic() - begin, progress)
                    said = True
                done += 1
                progress.advance()
    return done


def _claim(folder: NetworkFolder, space: Space, setting: NetworkSetting, count: int, seed: int) -> None:
    """Write the setting of a new folder; refuse a folder of others."""
    altered = {"operations": list(space.cell.operations)} if space.cell.altered else {}
    content = {
        "space": space.name,
        **altered,
        "network": setting.to_dict(),
        "sample": {"networks": count, "seed": seed},
    }
    if (there := folder.read_json(NETWORK)) is None:
        if any(p.name != RUNNING and p.suffix != ".tmp" for p in folder.path.iterdir()):
            raise AutodasError(f"{folder.path}: holds other files; choose another folder for `output`")
        folder.write_json(NETWORK, content)
        return
    for name in dict.fromkeys([*content, *(key for key in there if key != "schema")]):
        if there.get(name) != content.get(name):
            raise AutodasError(
                f"{folder.path}: holds other networks ({NETWORK}: {name} is {there.get(name)}, not "
                f"{content.get(name)}); choose another folder for `output`"
            )


def _make(
    folder: NetworkFolder,
    rows: dict[str, Row],
    name: str,
    facts: ModelFacts,
    forms: Sequence[Form],
    seed: int,
) -> bool:
    """Make what is missing of a network, and return whether anything was."""
    missing = [form for form in forms if not (folder.path / f"{name}{_ENDINGS[form]}").exists()]
    if f"{name}.json" in rows and not missing:
        return False
    assert isinstance(facts.blueprint, CellBlueprint)
    facts.blueprint.genotype.save(folder.path / f"{name}.json")
    for form in missing:
        _EXPORTS[form](folder.path / f"{name}{_ENDINGS[form]}", random_network(facts, seed), facts)
    cost = facts.profile()
    ending = next((e for e in _ENDINGS.values() if (folder.path / f"{name}{e}").exists()), ".json")
    rows[f"{name}.json"] = {
        **rows.get(f"{name}.json", {}),
        "file": f"{name}{ending}",
        "genotype": f"{name}.json",
        "parameters": str(cost.parameters),
        "multiply_adds": str(cost.multiply_adds),
    }
    folder.write_rows(rows.values())
    return True


def _say_size(
    folder: NetworkFolder, name: str, forms: Sequence[Form], left: int, seconds: float, progress: Progress
) -> None:
    """Tell time and size of the other networks, if large, by those of the first."""
    size = left * sum((folder.path / f"{name}{_ENDINGS[form]}").stat().st_size for form in forms)
    if left * seconds >= _LONG or size >= _LARGE:
        progress.line(f"the other {left} networks: about {duration(left * seconds)}, {size / 2**20:,.0f} MiB")
