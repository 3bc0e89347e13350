"""``autodas data``: data sets, and what is in them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from autodas.cli._cache import CacheConfig, run_cache
from autodas.cli._output import print_facts
from autodas.cli._settings import DataConfig, ListConfig
from autodas.cli.config._verbs import run_verbs
from autodas.errors import AutodasError


@dataclass(frozen=True)
class CheckedData(DataConfig):
    """How the data are read, as in other commands.

    Args:
        name: the data set, as for --data of other commands.
    """

    name: str = field(kw_only=True, metadata={"positional": True, "metavar": "DATA"})


@dataclass(frozen=True)
class CheckConfig:
    """Read a whole data set and say what is in it.

    Args:
        decode: decode every file to its end, which finds damage in the middle of videos; it takes long.
        output: write a picture of augmented training samples, as the network sees them, to this file.
        json: print JSON.
    """

    data: CheckedData
    decode: bool = False
    output: Path | None = field(default=None, metadata={"short": "-o"})
    json: bool = False


def run(argv: list[str]) -> int:
    """Run the command."""
    return run_verbs(
        "data",
        argv,
        {"list": (ListConfig, _list), "check": (CheckConfig, _check), "cache": (CacheConfig, run_cache)},
    )


def _list(config: ListConfig) -> None:
    """List the kinds of data sets and how to write them."""
    from autodas.data import dataset_names

    print_facts(dataset_names(), config.json)


def _check(config: CheckConfig) -> None:
    """Read a data set and say what is in it, unreadable pictures included."""
    from autodas.cli._setup import augmentation_of
    from autodas.data import contact_sheet, describe_dataset, open_dataset

    # Whatever cannot be read is listed; what other commands would make of it stands among the warnings.
    dataset = open_dataset(config.data.name, replace(config.data.options, max_bad=1.0))
    augmentation = augmentation_of(config.data, dataset)
    facts = describe_dataset(dataset, max_bad=config.data.max_bad, decode=config.decode)
    facts["augmentation"] = str(augmentation)
    if config.output is not None:
        try:
            contact_sheet(dataset, augmentation).save(config.output)
        except (OSError, ValueError) as error:
            raise AutodasError(f"{config.output}: cannot be written as a picture: {error}") from error
        facts["sheet"] = str(config.output)
    if config.json:
        print_facts(facts, as_json=True)
        return
    lists = {"unreadable": facts.pop("bad"), "damaged": facts.pop("damaged", [])}
    warnings = facts.pop("warnings")
    facts["value_range"] = "{:g} to {:g}".format(*facts["value_range"])
    print_facts(facts, as_json=False)
    for what, lines in {**lists, "note": warnings}.items():
        for line in lines:
            print(f"{what}: {line}")
