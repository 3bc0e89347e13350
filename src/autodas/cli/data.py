"""``autodas data``: data sets and their contents."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from autodas.cli._cache import CacheConfig, run_cache
from autodas.cli._output import print_facts
from autodas.cli._settings import DataConfig, ListConfig
from autodas.cli.config._verbs import Verb, run_verbs, usages_of
from autodas.errors import AutodasError
from autodas.flags import with_flags


@dataclass(frozen=True)
class CheckedData(DataConfig):
    """Options of reading the data, as in other commands.

    Args:
        name: data set, as for --data of other commands.
    """

    name: str = field(kw_only=True, metadata={"positional": True, "metavar": "DATA"})


@dataclass(frozen=True)
class CheckConfig:
    """Read a whole data set and report its contents.

    Args:
        decode: decode every file completely, which finds damage in the middle of videos but takes long.
        output: output file for a contact sheet of augmented training samples, as the network sees them.
        json: print JSON.
    """

    data: CheckedData
    decode: bool = False
    output: Path | None = field(default=None, metadata={"short": "-o"})
    json: bool = False


def run(argv: list[str]) -> int:
    """Run the command."""
    return run_verbs("data", argv, VERBS)


def _list(config: ListConfig) -> None:
    """List the kinds of data sets and how to name them."""
    from autodas.data import dataset_names

    print_facts(dataset_names(), config.json)


def _check(config: CheckConfig) -> None:
    """Read a data set and report its contents, including unreadable files."""
    from autodas.cli._setup import augmentation_of
    from autodas.data import contact_sheet, describe_dataset, open_dataset

    # Unreadable files are listed; whether other commands would accept them is among the warnings.
    dataset = open_dataset(config.data.name, replace(config.data.options, max_bad=1.0))
    augmentation = augmentation_of(config.data, dataset)
    facts = describe_dataset(dataset, max_bad=config.data.max_bad, decode=config.decode)
    facts["augmentation"] = str(augmentation)
    if config.output is not None:
        try:
            contact_sheet(dataset, augmentation).save(config.output)
        except (OSError, ValueError) as error:
            raise AutodasError(f"{config.output}: cannot be written as an image: {error}") from error
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
            print(f"{what}: {with_flags(line)}")


VERBS = {
    "list": Verb(ListConfig, _list),
    "check": Verb(CheckConfig, _check),
    "cache": Verb(CacheConfig, run_cache),
}
USAGES = usages_of("data", VERBS)
