"""Measured costs of networks, from a CSV file and the descriptions beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from autodas.benchmark_string import is_benchmark_string, read_benchmark_string
from autodas.costs._description import described_device, described_networks
from autodas.costs._setting import NetworkSetting
from autodas.csv_reading import read_csv
from autodas.errors import AutodasError, nearest
from autodas.genotype import LARGEST, Genotype
from autodas.reading import MEBIBYTE
from autodas.spaces import Space

_LARGEST = 64 * MEBIBYTE
_LEAST, _MOST = 1e-9, 1e15
_GENOTYPES = ("genotype", "architecture")


@dataclass(frozen=True)
class Measurements:
    """Measured costs of distinct architectures of a space.

    Args:
        name: name for messages.
        metric: what is measured, with its unit, such as ``latency_ms``.
        space: the space of the architectures.
        costs: each architecture with its cost, in the unit of the metric, above 0.
        setting: setting of the networks; ``None`` if it is unknown.
        device: description of the device and of the measurement, as plain data.
        skipped: number of networks that are not measured yet.
        notes: remarks.
    """

    name: str
    metric: str
    space: Space
    costs: tuple[tuple[Genotype, float], ...]
    setting: NetworkSetting | None = None
    device: Mapping[str, Any] = field(default_factory=dict)
    skipped: int = 0
    notes: tuple[str, ...] = ()


def read_measurements(path: str | Path, metric: str = "latency_ms", space: str | None = None) -> Measurements:
    """Read measured networks.

    Args:
        path: CSV file with a column ``genotype`` or ``architecture``: the path of a genotype file, relative
            to the CSV file, a genotype as JSON, or the notation of NAS-Bench-201; and one for the metric,
            empty for networks that are not measured. Beside it there may be ``network.json`` and
            ``measure.json``, which describe the networks and the device.
        metric: name of the column.
        space: name of the space, such as ``cifar-o2d``, if there is no ``network.json``.

    Raises:
        AutodasError: if a file cannot be read, or a column, the space, an architecture or a number is missing
            or invalid; the message names the place.
    """
    path = Path(path)
    members, setting = described_networks(path, space)
    head, rows = read_csv(path, _LARGEST)
    column = next((name for name in _GENOTYPES if name in head), None)
    if column is None:
        raise AutodasError(f"{path}: a column 'genotype' is expected")
    if metric not in head:
        others = [name for name in head if name not in ("file", *_GENOTYPES)]
        raise AutodasError(f"{path}: no column '{metric}' (`metric`){nearest(metric, others)}")
    found: dict[object, tuple[Genotype, list[float]]] = {}
    skipped = 0
    for where, row in rows:
        genotype = _genotype(row[column], path.parent, f"{where}, {column}")
        _check_member(genotype, members, f"{where}, {column}")
        if row[metric] == "":
            skipped += 1
        else:
            cost = _cost(row[metric], f"{where}, {metric}")
            found.setdefault(_identity(genotype), (genotype, []))[1].append(cost)
    notes = [f"networks that are not measured, and are skipped: {skipped}"] if skipped else []
    return Measurements(
        str(path),
        metric,
        members,
        tuple((genotype, fmean(costs)) for genotype, costs in found.values()),
        setting,
        described_device(path),
        skipped,
        (*notes, *_repeated([costs for _, costs in found.values()])),
    )


def _genotype(text: str, folder: Path, where: str) -> Genotype:
    try:
        if is_benchmark_string(text):
            return read_benchmark_string(text)
        if text.startswith("{"):
            return Genotype.from_json(text[: LARGEST + 1])
        return Genotype.load(folder / text)
    except AutodasError as error:
        raise AutodasError(f"{where}: {error}") from None


def _check_member(genotype: Genotype, space: Space, where: str) -> None:
    if genotype.space not in (None, space.cell.genotype_space):
        raise AutodasError(
            f"{where}: the genotype is of cell space '{genotype.space}', not '{space.cell.name}' as that of "
            f"the table ('{space.name}')"
        )
    space.validate(genotype, where)


def _cost(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not _LEAST <= value <= _MOST:
        raise AutodasError(f"{where}: a number from {_LEAST:g} to {_MOST:g} is expected, found '{text}'")
    return value


def _identity(genotype: Genotype) -> object:
    """Return what two genotypes of one architecture have in common."""
    return tuple((kind, tuple(cell.edges())) for kind, cell in sorted(genotype.cells.items()))


def _repeated(costs: list[list[float]]) -> list[str]:
    """Return a remark on architectures with several costs, if there are any."""
    several = [each for each in costs if len(each) > 1]
    if not several:
        return []
    widest = max(max(each) / min(each) - 1 for each in several)
    return [
        f"architectures measured more than once: {len(several)}; their costs, which differ by up to "
        f"{100 * widest:.1f} %, are averaged"
    ]
