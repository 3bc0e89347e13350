"""``autodas zoo``: published genotypes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from autodas.cli._output import print_facts
from autodas.cli._settings import ListConfig
from autodas.cli.config._verbs import Verb, run_verbs, usages_of


@dataclass(frozen=True)
class ShowConfig:
    """Show a published genotype.

    Args:
        name: name of the genotype.
        json: print the genotype file itself.
    """

    name: str = field(metadata={"positional": True})
    json: bool = False


def run(argv: list[str]) -> int:
    """Run the command."""
    return run_verbs("zoo", argv, VERBS)


def _list(config: ListConfig) -> None:
    """List the published genotypes."""
    from autodas.zoo import zoo_entry, zoo_names

    entries = [asdict(zoo_entry(name)) for name in zoo_names()]
    if not config.json:
        entries = [{key: entry[key] for key in ("name", "space", "source")} for entry in entries]
    print_facts(entries, config.json)


def _show(config: ShowConfig) -> None:
    """Show a published genotype, as the file that every command accepts."""
    from autodas.zoo import load_zoo, zoo_entry

    genotype = load_zoo(config.name)
    if not config.json:
        print_facts(asdict(zoo_entry(config.name)), as_json=False)
    print(genotype.to_json(), end="")


VERBS = {
    "list": Verb(ListConfig, _list),
    "show": Verb(ShowConfig, _show),
}
USAGES = usages_of("zoo", VERBS)
