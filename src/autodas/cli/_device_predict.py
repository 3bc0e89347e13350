"""Costs of architectures by a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from autodas.cli._code import allow_code_for
from autodas.cli._output import print_facts
from autodas.errors import AutodasError


@dataclass(frozen=True)
class PredictCostConfig:
    """Predict the costs of the networks of genotypes by a table of 'autodas device fit'.

    Args:
        genotypes: genotype files, run folders, names from the zoo, or strings of NAS-Bench-201.
        table: file with the table.
        code: modules of your own, separated by commas, whose operations the genotypes may name; those named
            in the configuration of a run are always allowed.
        json: print JSON.
    """

    genotypes: tuple[str, ...] = field(metadata={"positional": True, "metavar": "GENOTYPE", "nargs": "+"})
    table: Path = field(kw_only=True)
    code: tuple[str, ...] = ()
    json: bool = False


def run_predict(config: PredictCostConfig) -> None:
    """Predict the costs of networks by a table."""
    from autodas.costs import read_table
    from autodas.zoo import load_genotype

    allow_code_for(config.code, *config.genotypes)
    table = read_table(config.table)
    rows = []
    for name in config.genotypes:
        genotype = load_genotype(name)
        try:
            cost = table.predict(genotype)
        except AutodasError as error:
            raise AutodasError(f"{name}: {error}") from None
        rows.append({"genotype": name, "metric": table.metric, "predicted": cost, "unit": table.unit})
    print_facts(rows, config.json)
