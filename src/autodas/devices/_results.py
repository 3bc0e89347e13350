"""Results in a folder of networks: the device, the turns of each network, the columns of the table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autodas.devices._folder import LATENCY, MEASURE, MEASUREMENTS, NetworkFolder, Row
from autodas.devices._turns import Turn
from autodas.errors import AutodasError
from autodas.reading import MAPPING, MEBIBYTE, TEXT, Fields, Items, Number, Whole, parse_json, read_text
from autodas.writing import write_whole

TURNS = "turns.jsonl"
"""Turns of all networks in the order in which they were taken, one JSON object a line."""

_LARGEST = 256 * MEBIBYTE
_MEASURE = Fields({"device": MAPPING}, {"metrics": Items(TEXT)})
_TURN = Fields(
    {
        "genotype": TEXT,
        "round": Whole(),
        "milliseconds": Number(0, above=True),
        "passes": Whole(1),
        "seconds": Number(0),
    },
)


@dataclass(frozen=True)
class FolderReport:
    """What is known of the networks of a folder after a measurement.

    Args:
        networks: their number.
        measured: number of those that have been measured.
        complete: whether the measurement has come to its end.
        uncertain: number of networks whose interval is wider than 1 % to both sides.
        drift: change of the first networks' times between beginning and end, as a share; ``None`` if they
            were not measured again.
        failures: reason of each failure, by file.
    """

    networks: int
    measured: int
    complete: bool
    uncertain: int = 0
    drift: float | None = None
    failures: Mapping[str, str] = field(default_factory=dict)


class Results:
    """Results of measurements in a folder, all with the same device and settings.

    Args:
        folder: the folder, locked.
        device: description of the device and the settings, as plain data.

    Raises:
        AutodasError: if the folder has no networks, or its table is damaged.
    """

    def __init__(self, folder: NetworkFolder, device: Mapping[str, Any]) -> None:
        self.folder, self.device = folder, dict(device)
        self.rows: dict[str, Row] = {}
        for row in folder.rows():
            if row["genotype"] in self.rows:
                raise AutodasError(f"{folder.path / MEASUREMENTS}: '{row['genotype']}' is repeated")
            self.rows[row["genotype"]] = row
        if not self.rows:
            raise AutodasError(f"{folder.path}: has no networks; 'autodas device sample' makes them")
        self.metrics: list[str] = []

    def claim(self, *, overwrite: bool) -> None:
        """Write the description of the device, after comparing it with that of the results in the folder.

        Args:
            overwrite: whether to delete all results in the folder.

        Raises:
            AutodasError: if there are results of another device, or of an unknown one.
        """
        there, path = self.folder.read_json(MEASURE), self.folder.path
        if there is not None:
            _MEASURE.check(there, str(path / MEASURE))
            self.metrics = list(there.get("metrics", ()))
        elif any(row.get(LATENCY) for row in self.rows.values()):
            self.metrics = [LATENCY]
        if overwrite:
            self._delete()
        elif there is None and self.metrics:
            raise AutodasError(
                f"{path}: has measurements, but no {MEASURE} that says how they were made; choose another "
                "folder, or replace them with `overwrite`"
            )
        elif there is not None and there["device"] != self.device:
            difference = _difference(there["device"], self.device)
            raise AutodasError(
                f"{path}: was measured otherwise ({difference}); choose another folder, or replace its "
                "measurements with `overwrite`"
            )
        self.save()

    def _delete(self) -> None:
        (self.folder.path / TURNS).unlink(missing_ok=True)
        for row in self.rows.values():
            for name in self.metrics:
                row.pop(name, None)
        self.metrics = []

    def save(self) -> None:
        """Write the table and the description of the device."""
        self.folder.write_json(MEASURE, {"device": self.device, "metrics": self.metrics})
        self.folder.write_rows(self.rows.values())

    def set(self, genotype: str, metrics: Mapping[str, float]) -> None:
        """Enter the metrics of a network, without writing them."""
        self.metrics = list(dict.fromkeys([*self.metrics, *metrics]))
        self.rows[genotype].update({name: f"{value:.6g}" for name, value in metrics.items()})

    def has(self, genotype: str, metrics: Iterable[str]) -> bool:
        """Return whether a network has one of the given metrics."""
        return any(self.rows[genotype].get(name) for name in metrics)

    def onnx_file(self, genotype: str) -> Path:
        """Return the ONNX file of a network.

        Raises:
            AutodasError: if there is none.
        """
        file = self.folder.path / self.rows[genotype]["file"]
        if file.suffix != ".onnx" or not file.exists():
            raise AutodasError(
                f"{file}: is no ONNX file, which this measurement needs; 'autodas device sample' writes them "
                "with `forms=onnx`"
            )
        return file

    def turns(self) -> dict[str, list[Turn]]:
        """Return the turns that each network has had; a line that was cut off is removed from the file.

        Raises:
            AutodasError: if another line is damaged.
        """
        path: Path = self.folder.path / TURNS
        turns: dict[str, list[Turn]] = {genotype: [] for genotype in self.rows}
        text = read_text(path, _LARGEST) if path.exists() else ""
        whole, _, cut = text.rpartition("\n")
        if cut:
            write_whole(path, f"{whole}\n" if whole else "")
        for number, line in enumerate(whole.splitlines(), start=1):
            where = f"{path}: line {number}"
            entry = parse_json(line, where)
            _TURN.check(entry, where)
            if entry["genotype"] in turns:
                turns[entry["genotype"]].append(Turn(*(entry[name] for name in Turn._fields)))
        return turns

    def add_turn(self, genotype: str, turn: Turn) -> None:
        """Write a turn of a network."""
        try:
            with open(self.folder.path / TURNS, "a", encoding="utf-8") as file:
                file.write(json.dumps({"genotype": genotype, **turn._asdict()}) + "\n")
        except OSError as error:
            raise AutodasError(
                f"{self.folder.path / TURNS}: cannot be written: {error.strerror or error}"
            ) from error


def _difference(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    names = [name for name in dict.fromkeys([*there, *here]) if there.get(name) != here.get(name)]
    return "; ".join(f"{name} {there.get(name, 'none')}, not {here.get(name, 'none')}" for name in names)
