"""Search spaces as data: operation sets, cells, skeletons, and how many architectures they hold.

No module of this package needs torch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from autodas.errors import AutodasError, GenotypeError, nearest
from autodas.genotype import Genotype
from autodas.spaces._cell import CellSpace
from autodas.spaces._counting import count_alive, count_cell, count_node, count_space
from autodas.spaces._operation_sets import OPERATION_SETS
from autodas.spaces._skeleton import SKELETONS, CellSlot, Skeleton, Stage

__all__ = [
    "CELL_SPACES",
    "OPERATION_SETS",
    "SKELETONS",
    "CellSlot",
    "CellSpace",
    "Skeleton",
    "Space",
    "Stage",
    "count_alive",
    "count_cell",
    "count_node",
    "count_space",
    "get_cell_space",
    "get_skeleton",
    "get_space",
    "space_names",
    "validate",
]

CELL_SPACES: dict[str, CellSpace] = {
    space.name: space
    for space in (
        CellSpace("o2d", OPERATION_SETS["o2d"]),
        CellSpace("darts", OPERATION_SETS["darts"]),
        # SNAS derives the argmax over all operations, "none" included, on every edge.
        CellSpace("snas", OPERATION_SETS["darts"], kept="any", none_is_a_choice=True),
        CellSpace("nasnet", OPERATION_SETS["nasnet"], nodes=5, repeats=True),
    )
}


@dataclass(frozen=True)
class Space:
    """A space to search in: what may be chosen in a cell, and the skeleton that the cells stand in."""

    name: str
    cell: CellSpace
    skeleton: Skeleton

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of cells that are searched."""
        return self.skeleton.kinds

    @property
    def steps(self) -> int:
        """One-step discretisations of the whole space, M (SDAS, section 3.2)."""
        return self.cell.steps * len(self.kinds)

    @property
    def architectures(self) -> int:
        """Number of genotypes."""
        return count_space(self.cell, len(self.kinds))

    def with_size(self, K: int | None = None, C1: int | None = None, C2: int | None = None) -> Space:
        """Return the space with other free parameters of its skeleton; ``None`` keeps a value."""
        return replace(self, skeleton=self.skeleton.with_size(K, C1, C2))

    def validate(self, genotype: Genotype, where: str = "genotype") -> None:
        """Check that a genotype has a cell of this space for every kind.

        Raises:
            GenotypeError: naming the offending place.
        """
        self.cell.validate(genotype, where)
        missing = [kind for kind in self.kinds if kind not in genotype.cells]
        if missing:
            raise GenotypeError(f"{where}: no cell of kind {', '.join(missing)}")


def space_names() -> list[str]:
    """Return the names of all spaces that can be searched: ``skeleton-cellspace``."""
    return [
        f"{skeleton}-{name}"
        for skeleton in SKELETONS
        for name, cell in CELL_SPACES.items()
        # An edge of a supernet mixes its candidates once; hand-made cells read a state twice.
        if not cell.repeats
    ]


def get_cell_space(name: str) -> CellSpace:
    """Return a cell space by name.

    Raises:
        AutodasError: if there is none of that name; the nearest is named.
    """
    if name not in CELL_SPACES:
        raise AutodasError(f"unknown cell space '{name}'{nearest(name, list(CELL_SPACES))}")
    return CELL_SPACES[name]


def get_skeleton(name: str) -> Skeleton:
    """Return a skeleton by name, with its default size.

    Raises:
        AutodasError: if there is none of that name; the nearest is named.
    """
    if name not in SKELETONS:
        raise AutodasError(f"unknown skeleton '{name}'{nearest(name, list(SKELETONS))}")
    return SKELETONS[name]


def get_space(name: str) -> Space:
    """Return a space by name, such as ``cifar-o2d``.

    Raises:
        AutodasError: if there is none of that name; the nearest is named.
    """
    if name not in space_names():
        raise AutodasError(f"unknown space '{name}'{nearest(name, space_names())}")
    skeleton, cell = name.split("-", 1)
    return Space(name, CELL_SPACES[cell], SKELETONS[skeleton])


def validate(genotype: Genotype, where: str = "genotype") -> Genotype:
    """Check a genotype against the space that it names, if it names one, and return it.

    Raises:
        AutodasError: if the space is unknown or the genotype does not belong to it.
    """
    if genotype.space is not None:
        get_cell_space(genotype.space).validate(genotype, where)
    return genotype
