"""``autodas data``: data sets, and what is in them."""

from __future__ import annotations

from dataclasses import dataclass, field

from autodas.cli._output import print_facts
from autodas.cli._settings import ListConfig
from autodas.cli._verbs import run_verbs


@dataclass(frozen=True)
class CheckConfig:
    """Read a whole data set and say what is in it.

    Args:
        name: the data set, as for --data.
        image_size: as for --data.image_size.
        frames: as for --data.frames.
        json: print JSON.
    """

    name: str = field(metadata={"positional": True})
    image_size: int | None = None
    frames: int | None = None
    json: bool = False


def run(argv: list[str]) -> int:
    """Run the command."""
    return run_verbs("data", argv, {"list": (ListConfig, _list), "check": (CheckConfig, _check)})


def _list(config: ListConfig) -> None:
    """List the kinds of data sets and how to write them."""
    from autodas.data import dataset_names

    print_facts(dataset_names(), config.json)


def _check(config: CheckConfig) -> None:
    """Read a data set and say what is in it, unreadable pictures included."""
    from autodas.data import check_dataset

    print_facts(check_dataset(config.name, image_size=config.image_size, frames=config.frames), config.json)
