"""``autodas data``: data sets, and what is in them."""

from __future__ import annotations

from dataclasses import dataclass, field

from autodas.cli._cache import CacheConfig, run_cache
from autodas.cli._output import print_facts
from autodas.cli._settings import DataConfig, ListConfig
from autodas.cli._verbs import run_verbs


@dataclass(frozen=True)
class CheckConfig:
    """Read a whole data set and say what is in it.

    Args:
        name: the data set, as for --data.
        data: how it is read, as in other commands.
        json: print JSON.
    """

    name: str = field(metadata={"positional": True})
    data: DataConfig = field(default_factory=lambda: DataConfig(name=""))
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
    from autodas.data import check_dataset

    print_facts(check_dataset(config.name, config.data.options), config.json)
