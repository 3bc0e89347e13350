"""``autodas draw``: pictures of cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from autodas.cli._configuration import parse
from autodas.cli._output import print_facts


@dataclass(frozen=True)
class DrawConfig:
    """Draw the cells and stage graphs of a genotype, one picture for each; for a search that goes on, as they
    stand.

    Args:
        genotype: a genotype file, a run folder, a name from the zoo, or a string of NAS-Bench-201.
        output: where to; the ending says what: .svg, .png, .pdf or .dot. With several kinds of cells
            the kind is added to the name.
        json: print the names of the pictures as JSON.
    """

    genotype: str = field(metadata={"positional": True})
    output: Path = field(default=Path("cell.svg"), metadata={"short": "-o"})
    json: bool = False


def run(argv: list[str]) -> int:
    """Run the command."""
    config = parse("draw", DrawConfig, argv)
    from autodas.report import cells_of_genotype, cells_of_run, draw_cells
    from autodas.zoo import load_genotype

    folder = Path(config.genotype)
    unfinished = (folder / "events.jsonl").exists() and not (folder / "genotype.json").exists()
    cells = cells_of_run(folder) if unfinished else cells_of_genotype(load_genotype(config.genotype))
    pictures = [str(path) for path in draw_cells(cells, config.output)]
    if config.json:
        print_facts(pictures, as_json=True)
    else:
        print("\n".join(pictures))
    return 0
