"""Search spaces as data: operation sets, cells, skeletons, and numbers of architectures.

No module of this package imports torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from autodas.errors import AutodasError, GenotypeError, nearest
from autodas.genotype import Genotype
from autodas.spaces._alive import Alive, alive_of, all_alive, cell_of
from autodas.spaces._cell import CellSpace
from autodas.spaces._counting import count_alive, count_cell, count_node, count_space
from autodas.spaces._fitting import fit_skeleton, graph_form
from autodas.spaces._operation_sets import OPERATION_SETS
from autodas.spaces._operations import OPERATIONS, Operation
from autodas.spaces._random_cell import random_cell, random_neighbour
from autodas.spaces._skeleton import (
    SKELETONS,
    CellSlot,
    PoolNorm,
    Skeleton,
    Stage,
    get_skeleton,
    read_skeleton,
)
from autodas.user_code import allow_code_of, is_user_code

__all__ = [
    "CELL_SPACES",
    "OPERATIONS",
    "OPERATION_SETS",
    "SKELETONS",
    "Alive",
    "CellSlot",
    "CellSpace",
    "Operation",
    "PoolNorm",
    "Skeleton",
    "Space",
    "Stage",
    "alive_of",
    "all_alive",
    "cell_of",
    "count_alive",
    "count_cell",
    "count_node",
    "count_space",
    "fit_skeleton",
    "get_cell_space",
    "get_skeleton",
    "get_space",
    "graph_form",
    "random_cell",
    "random_neighbour",
    "read_skeleton",
    "space_names",
    "stage_graphs",
    "stage_space",
    "validate",
]

CELL_SPACES: dict[str, CellSpace] = {
    space.name: space
    for space in (
        CellSpace("o2d", OPERATION_SETS["o2d"]),
        CellSpace("darts", OPERATION_SETS["darts"]),
        # SNAS derives the argmax over all operations, including "none", on every edge.
        CellSpace("snas", OPERATION_SETS["darts"], kept="any", none_is_a_choice=True),
        CellSpace("nasnet", OPERATION_SETS["nasnet"], nodes=5, repeats=True),
        # One input, every edge kept, "none" among the choices, the last node is the output.
        CellSpace(
            "nasbench201",
            OPERATION_SETS["nasbench201"],
            nodes=3,
            inputs=1,
            kept="all",
            none_is_a_choice=True,
            output_nodes=1,
        ),
        # SDAS section 4.2, for video.
        *(CellSpace(name, OPERATION_SETS[name], dimensions=3) for name in ("o2d_video", "o3d", "oadv")),
    )
}


def stage_graphs(cells: int, lengths: tuple[int, ...] = ()) -> CellSpace:
    """Return the space of a stage graph (H-DAS, stage level), whose nodes are whole cells.

    A cell reads two of the three states before it; the last two cells are the stage's output.

    Args:
        cells: maximum number of cells.
        lengths: numbers of cells to choose from, if that number is searched, too.
    """
    operations = OPERATION_SETS["stages"]
    return CellSpace("stages", operations, nodes=cells, window=3, output_nodes=2, lengths=lengths)


@dataclass(frozen=True)
class Space:
    """Search space: the choices within a cell, and the skeleton of the network."""

    name: str
    cell: CellSpace
    skeleton: Skeleton

    @property
    def kinds(self) -> tuple[str, ...]:
        """The cell kinds that are searched."""
        return self.skeleton.kinds

    @property
    def steps(self) -> int:
        """Number of one-step discretisations of the whole space, M (SDAS, section 3.2)."""
        return self.cell.steps * len(self.kinds)

    @property
    def architectures(self) -> int:
        """Number of genotypes."""
        return count_space(self.cell, len(self.kinds))

    def random_genotype(self, generator: Random, name: str = "") -> Genotype:
        """Draw an architecture uniformly from all valid ones.

        Args:
            generator: Python's random number generator.
            name: name of the architecture.
        """
        cells = {kind: random_cell(self.cell, generator) for kind in self.kinds}
        return Genotype(cells, name, self.cell.genotype_space)

    def with_size(self, K: int | None = None, C1: int | None = None, C2: int | None = None) -> Space:
        """Return the space with other free parameters of its skeleton; ``None`` keeps a value.

        Examples:
            >>> import autodas
            >>> autodas.get_space("cifar-o2d").with_size(K=1, C2=32).skeleton.C2
            32
        """
        skeleton = self.skeleton.with_size(K, C1, C2)
        # The nodes of a stage graph are the cells of the stage.
        cell = replace(self.cell, nodes=skeleton.K) if skeleton.graphs else self.cell
        return replace(self, cell=cell, skeleton=skeleton)

    def with_operations(self, operations: Sequence[str]) -> Space:
        """Return the space with other candidate operations on every edge; none given keeps the current ones.

        Args:
            operations: names of :data:`OPERATIONS`, or ``python:package.module:name`` for user-defined ones,
                whose modules may then be imported (see :func:`autodas.user_code.allow_code`).

        Raises:
            AutodasError: if one is unknown, repeated, or for images while maps have three dimensions, or if
                there is no choice.

        Examples:
            >>> import autodas
            >>> space = autodas.get_space("cifar-o2d").with_operations(["skip_connect", "sep_conv_3x3"])
            >>> space.cell.operations
            ('skip_connect', 'sep_conv_3x3')
        """
        if not operations:
            return self
        names, video = tuple(operations), self.cell.dimensions == 3
        known = [name for name, facts in OPERATIONS.items() if not (video and facts.images_only)]
        for name in names:
            if names.count(name) > 1:
                raise AutodasError(f"operations: '{name}' is repeated")
            if not is_user_code(name) and name not in known:
                what = "is for images, not for video" if name in OPERATIONS else "is unknown"
                raise AutodasError(f"operations: '{name}' {what}{nearest(name, known)}")
        if len(set(names) - {"none"}) < 2:
            raise AutodasError("operations: at least two besides 'none' are needed, to choose from")
        allow_code_of(names)
        return replace(self, cell=replace(self.cell, operations=names, altered=True))

    def validate(self, genotype: Genotype, where: str = "genotype") -> None:
        """Check that a genotype has a cell (or searched stage graph) of this space for every kind.

        Raises:
            GenotypeError: if it does not; the message names the place.
        """
        if self.skeleton.graphs:
            parts, what = genotype.stages, "stage graph"
            _validate_stages(genotype, where)
        else:
            parts, what = genotype.cells, "cell"
            self.cell.validate(genotype, where)
        missing = [kind for kind in self.kinds if kind not in parts]
        if missing:
            raise GenotypeError(f"{where}: no {what} of kind {', '.join(missing)}")


def _spaces() -> dict[str, Space]:
    """Return all spaces that can be searched directly."""
    spaces = {}
    for skeleton in SKELETONS.values():
        for cell in CELL_SPACES.values():
            # An edge of a supernet mixes its candidates once, but hand-made cells may read a state twice.
            # Stage graphs need cells to wire.
            fits = (skeleton.reads == "once") == (cell.inputs == 1) and skeleton.dimensions == cell.dimensions
            if fits and not cell.repeats and not skeleton.graphs:
                name = skeleton.name if skeleton.name == cell.name else f"{skeleton.name}-{cell.name}"
                spaces[name] = Space(name, cell, skeleton)
    return spaces


def space_names() -> list[str]:
    """Return the names of all searchable spaces: ``skeleton-cellspace``, or one name if both are the same."""
    return list(_spaces())


def stage_space(skeleton: Skeleton, lengths: tuple[int, ...] = ()) -> Space:
    """Return the space of stage graphs in a skeleton, with its K cells per stage.

    Args:
        skeleton: skeleton of the network.
        lengths: numbers of cells to choose from, if that number is searched, too; K is the largest of them.

    Raises:
        AutodasError: if the skeleton has no graph form, or K is below 2.
    """
    form = graph_form(skeleton)
    if form.K < 2:
        raise AutodasError(f"a stage graph wires at least 2 cells, found K={form.K}")
    return Space(f"{form.name}-stages", stage_graphs(form.K, lengths), form)


def get_cell_space(name: str) -> CellSpace:
    """Return a cell space by name.

    Raises:
        AutodasError: if the name is unknown; the message suggests the nearest.
    """
    if name not in CELL_SPACES:
        raise AutodasError(f"unknown cell space '{name}'{nearest(name, list(CELL_SPACES))}")
    return CELL_SPACES[name]


def get_space(name: str) -> Space:
    """Return a space by name, such as ``cifar-o2d`` or ``nasbench201``.

    Raises:
        AutodasError: if the name is unknown; the message suggests the nearest.

    Examples:
        >>> import autodas
        >>> space = autodas.get_space("cifar-o2d")
        >>> space.kinds, space.steps
        (('normal', 'reduction'), 34)
    """
    spaces = _spaces()
    if name not in spaces:
        raise AutodasError(f"unknown space '{name}'{nearest(name, list(spaces))}")
    return spaces[name]


def validate(genotype: Genotype, where: str = "genotype") -> Genotype:
    """Check a genotype against the space that it names, if it names one, and return it.

    Stage graphs, if there are any, are checked against theirs.

    Raises:
        AutodasError: if the space is unknown or the genotype does not belong to it.
    """
    if genotype.space is not None:
        get_cell_space(genotype.space).validate(genotype, where)
    _validate_stages(genotype, where)
    return genotype


def _validate_stages(genotype: Genotype, where: str) -> None:
    for kind, stage in genotype.stages.items():
        if len(stage.nodes) < 2:
            raise GenotypeError(f"{where}: stages.{kind}.nodes: a stage graph wires at least 2 cells")
        stage_graphs(len(stage.nodes)).validate_cell(stage, f"{where}: stages.{kind}")
