"""Folder of networks to measure: architectures, exported files, and a table of what was measured."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from autodas.costs import NetworkSetting
from autodas.errors import AutodasError
from autodas.genotype import Genotype
from autodas.reading import MAPPING, MEBIBYTE, TEXT, Fields, Whole, parse_json, read_text
from autodas.runs.folder import RunFolder
from autodas.writing import write_whole

NETWORK = "network.json"
"""Space and setting of all networks of a folder."""
MEASUREMENTS = "measurements.csv"
MEASURE = "measure.json"
"""Device and settings of the measurements."""
LATENCY = "latency_ms"
DESCRIPTION = ("file", "genotype", "parameters", "multiply_adds")
"""Columns of the table that describe a network; all others are metrics."""

SCHEMA = 1
_LARGEST = 16 * MEBIBYTE
_NETWORK = Fields({"space": TEXT, "network": MAPPING})

Row = dict[str, str]


class NetworkFolder:
    """Folder of networks to measure.

    Args:
        path: the folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder against other processes, and create it if necessary.

        Raises:
            AutodasError: if another process works in it, or it cannot be created.
        """
        with RunFolder(self.path).locked():
            yield

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a document with the version of its schema."""
        write_whole(self.path / name, json.dumps({"schema": SCHEMA, **content}, indent=1) + "\n")

    def read_json(self, name: str) -> dict[str, Any] | None:
        """Return a document of :meth:`write_json`; ``None`` if it does not exist.

        Raises:
            AutodasError: if it cannot be read, or is of another version.
        """
        path = self.path / name
        if not path.exists():
            return None
        document = parse_json(read_text(path, _LARGEST), str(path))
        Fields({"schema": Whole(1)}).check(document, str(path))
        if document["schema"] != SCHEMA:
            raise AutodasError(
                f"{path}: schema {document['schema']} is not supported, this version reads schema {SCHEMA}"
            )
        return dict(document)

    @property
    def setting(self) -> NetworkSetting:
        """Setting of the networks.

        Raises:
            AutodasError: if it is missing or invalid.
        """
        document, where = self.read_json(NETWORK), str(self.path / NETWORK)
        if document is None:
            raise AutodasError(
                f"{where}: does not exist; 'autodas device sample' makes a folder of networks to measure"
            )
        _NETWORK.check(document, where)
        return NetworkSetting.from_dict(document["network"], f"{where}: network")

    def rows(self) -> list[Row]:
        """Return the rows of the table, empty if there is none.

        Raises:
            AutodasError: if the table is damaged.
        """
        path = self.path / MEASUREMENTS
        if not path.exists():
            return []
        reader = csv.DictReader(io.StringIO(read_text(path, _LARGEST)), strict=True)
        try:
            rows = list(reader)
        except csv.Error as error:
            raise AutodasError(f"{path}: line {reader.line_num}: {error}") from error
        for name in ("file", "genotype"):
            if name not in (reader.fieldnames or ()):
                raise AutodasError(f"{path}: column '{name}' is missing")
        for number, row in enumerate(rows, start=2):
            if None in row or None in row.values():
                raise AutodasError(f"{path}: line {number}: as many values as columns are expected")
        return rows

    def write_rows(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write the table atomically; columns are those of all rows, missing values are empty."""
        listed = list(rows)
        columns = list(dict.fromkeys([*DESCRIPTION, LATENCY, *(name for row in listed for name in row)]))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(listed)
        write_whole(self.path / MEASUREMENTS, text.getvalue())

    def genotype(self, row: Row) -> Genotype:
        """Return the architecture of a row.

        Raises:
            AutodasError: if its file is missing or invalid.
        """
        return Genotype.load(self.path / row["genotype"])
