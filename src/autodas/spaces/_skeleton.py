"""Skeletons: how cells are stacked into a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from autodas.errors import AutodasError, nearest
from autodas.limits import MOST_CELLS, MOST_CHANNELS
from autodas.reading import TEXT, Fields, OneOf, Whole

PoolNorm = Literal["none", "plain", "affine"]
"""Layer after a pooling operation: none, or batch normalisation without or with scale and shift."""

Reads = Literal["two", "twice", "once"]
"""Inputs of a cell: the outputs of the two cells before it, each projected to its width; that of the previous
one alone, on both its inputs; or that of the previous one alone, on its single input and unchanged."""


@dataclass(frozen=True)
class Stage:
    """Sequence of equal cells.

    Args:
        kind: kind of its cells.
        stride: stride of its cells along each dimension; above 1 it is a reduction, of one cell, that
            doubles the width.
        graph: name of the stage graph that wires the stage's cells (H-DAS), instead of a chain.
        block: whether it is not a cell of a genotype but a block of the skeleton, whose name is its kind.
    """

    kind: str
    stride: tuple[int, ...]
    graph: str | None = None
    block: bool = False

    @property
    def reduces(self) -> bool:
        """Whether the stage reduces the size of its maps."""
        return max(self.stride) > 1


@dataclass(frozen=True)
class CellSlot:
    """Position in the network, of a cell or of a whole graph of cells.

    Args:
        index: its position, from 0.
        kind: kind of the cell.
        width: nominal channels of each node, C.
        stride: stride along each dimension of the edges that leave the cell's inputs.
        stage: index of its stage.
        graph: name of the stage graph at this position; ``None`` for a single cell.
        block: whether a block of the skeleton is at this position.
    """

    index: int
    kind: str
    width: int
    stride: tuple[int, ...]
    stage: int
    graph: str | None = None
    block: bool = False

    @property
    def reduces(self) -> bool:
        """Whether the cell reduces the size of its maps."""
        return max(self.stride) > 1

    @property
    def part(self) -> str:
        """Name in genotypes and mixtures: that of a stage graph, or a cell kind."""
        return self.graph or self.kind


@dataclass(frozen=True)
class Skeleton:
    """Skeleton of a network, into which cells are inserted.

    Args:
        name: name of the skeleton.
        stages: the stages after the stem.
        K: normal cells in each stage that does not reduce; if stage graphs wire them, the graphs determine
            it.
        C1: channels of the stem's first convolution.
        C2: nominal channels of the first cell's output; the width of its nodes is C = C2 / 4 whatever
            the cell concatenates.
        image_size: height and width that the skeleton is designed for.
        stem: name of the stem.
        reads: inputs of a cell.
        pool_norm: layer after pools when a network is trained.
        search_pool_norm: layer after pools during the search.
        last_norm: whether batch normalisation and ReLU precede the classifier.
        frames: number of frames of a clip that the skeleton is designed for; ``None`` if it is for images.

    Raises:
        AutodasError: if C2 is not a multiple of 8 (two halves of C channels are convolved separately
            where maps shrink; 4 suffices if no cell of width C follows a smaller map), if K or C1 is out of
            range, if C1 is not C although cells read it unchanged, or if there are frames of images.
    """

    name: str
    stages: tuple[Stage, ...]
    K: int
    C1: int
    C2: int
    image_size: int
    stem: str = "cifar"
    reads: Reads = "two"
    pool_norm: PoolNorm = "none"
    search_pool_norm: PoolNorm = "plain"
    last_norm: bool = False
    frames: int | None = None

    def __post_init__(self) -> None:
        if self.K < 0 or self.C1 < 1:
            raise AutodasError(
                f"skeleton {self.name}: K={self.K} must be at least 0 and C1={self.C1} at least 1"
            )
        for name, most in (("K", MOST_CELLS), ("C1", MOST_CHANNELS), ("C2", MOST_CHANNELS)):
            if getattr(self, name) > most:
                raise AutodasError(
                    f"skeleton {self.name}: {name}={getattr(self, name)} must be at most {most}"
                )
        multiple = 8 if self.reads == "two" else 4
        if self.width < 1 or self.C2 % multiple:
            raise AutodasError(
                f"skeleton {self.name}: C2={self.C2} must be a multiple of {multiple}, at least {multiple}"
            )
        if self.reads == "once" and self.width != self.C1:
            raise AutodasError(
                f"skeleton {self.name}: C1={self.C1} must equal the width of the cells, C2/4 = {self.width}: "
                "they read the stem's output unchanged"
            )

        if (self.frames is None) != (self.dimensions == 2) or (self.frames is not None and self.frames < 1):
            raise AutodasError(
                f"skeleton {self.name}: frames={self.frames} in {self.dimensions} dimensions: "
                "clips have frames, at least 1, images have none"
            )

    @property
    def dimensions(self) -> int:
        """2 for images, 3 for video."""
        return len(self.stages[0].stride)

    def input_size(self, image_size: int | None = None, frames: int | None = None) -> tuple[int, ...]:
        """Return the size of a network's input: height and width, preceded by the frames for clips.

        Args:
            image_size: height and width, by default those that the skeleton is designed for.
            frames: number of frames of a clip, likewise.

        Raises:
            AutodasError: if frames are given for images.
        """
        size = image_size or self.image_size
        if frames is not None and self.frames is None:
            raise AutodasError(f"skeleton '{self.name}' is for images, they have no frames (frames={frames})")
        time = () if self.frames is None else (frames or self.frames,)
        return (*time, size, size)

    @property
    def width(self) -> int:
        """Channels of a node in the first stage, C."""
        return self.C2 // 4

    @property
    def graphs(self) -> bool:
        """Whether stage graphs wire the cells."""
        return any(stage.graph for stage in self.stages)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds that are searched, in order of first appearance; those with no cell are omitted.

        They are kinds of stage graphs if these wire the cells, else cell kinds.
        """
        slots = [slot for slot in self.slots() if not slot.block]
        return tuple(dict.fromkeys(slot.part for slot in slots if slot.graph or not self.graphs))

    @property
    def cell_kinds(self) -> tuple[str, ...]:
        """The cell kinds that a network is built of, in order of first appearance."""
        return tuple(dict.fromkeys(slot.kind for slot in self.slots() if not slot.block))

    @property
    def level_kinds(self) -> tuple[str, ...]:
        """The kinds of cells that do not reduce, in which skips have no parameters.

        Stage graphs are not included: skips between whole cells are no sign of collapse.
        """
        return tuple(dict.fromkeys(slot.kind for slot in self.slots() if not slot.reduces))

    def slots(self) -> tuple[CellSlot, ...]:
        """Return the positions of cells, from the stem to the head."""
        slots: list[CellSlot] = []
        width = self.width
        for number, stage in enumerate(self.stages):
            if stage.reduces:
                width *= 2
            for _ in range(1 if stage.reduces or stage.graph else self.K):
                slots.append(
                    CellSlot(len(slots), stage.kind, width, stage.stride, number, stage.graph, stage.block)
                )
        return tuple(slots)

    def auxiliary_slot(self) -> int:
        """Return the index of the cell that the auxiliary head follows: the last reduction (DARTS)."""
        return max(slot.index for slot in self.slots() if slot.reduces)

    def to_dict(self) -> dict[str, Any]:
        """Return name and size as plain data, from which :func:`read_skeleton` restores the skeleton."""
        return {name: getattr(self, name) for name in ("name", "K", "C1", "C2", "pool_norm")}

    def for_clips(self, frames: int | None) -> Skeleton:
        """Return the same skeleton for clips of the given number of frames; unchanged for ``None``."""
        return self if frames is None else replace(self, frames=frames)

    def with_size(self, K: int | None = None, C1: int | None = None, C2: int | None = None) -> Skeleton:
        """Return the same skeleton with other free parameters; ``None`` keeps a value.

        If cells read the previous one alone, the stem's C1 follows C2 unless it is given.
        """
        if C1 is None and C2 is not None and self.reads != "two":
            C1 = self.C1 * C2 // self.C2
        return replace(
            self,
            K=self.K if K is None else K,
            C1=self.C1 if C1 is None else C1,
            C2=self.C2 if C2 is None else C2,
        )


_NORMAL = Stage("normal", (1, 1))
_REDUCTION = Stage("reduction", (2, 2))
_IMAGE_STAGES = (_NORMAL, _REDUCTION, _NORMAL, _REDUCTION, _NORMAL)

# H-DAS: each stage, and each reduction, has a cell kind of its own.
_STAGES_APART = tuple(
    Stage(f"{kind}{number}", stage.stride)
    for kind, stage, number in (
        ("normal", _NORMAL, 1),
        ("reduction", _REDUCTION, 1),
        ("normal", _NORMAL, 2),
        ("reduction", _REDUCTION, 2),
        ("normal", _NORMAL, 3),
    )
)
_GRAPH_STAGES = (
    Stage("normal", (1, 1), graph="stage1"),
    _REDUCTION,
    Stage("normal", (1, 1), graph="stage2"),
    _REDUCTION,
    Stage("normal", (1, 1), graph="stage3"),
)
_VIDEO_STAGES = (
    Stage("normal", (1, 1, 1)),
    Stage("s_reduction", (1, 2, 2)),
    Stage("normal", (1, 1, 1)),
    Stage("st_reduction", (2, 2, 2)),
    Stage("normal", (1, 1, 1)),
)
_FRAME_STAGES = tuple(replace(stage, stride=stage.stride[1:]) for stage in _VIDEO_STAGES)
_RESIDUAL = Stage("residual", (2, 2), block=True)

_CIFAR = Skeleton("cifar", _IMAGE_STAGES, K=2, C1=48, C2=64, image_size=32)
_IMAGENET = Skeleton("imagenet", _IMAGE_STAGES, K=4, C1=24, C2=192, image_size=224, stem="imagenet")
_VIDEO = Skeleton("video", _VIDEO_STAGES, K=2, C1=16, C2=64, image_size=112, stem="video", frames=16)

SKELETONS: dict[str, Skeleton] = {
    skeleton.name: skeleton
    for skeleton in (
        # SDAS section 6.1: K=2, C1=48, C2=64 is DARTS' search network of 8 cells with C=16.
        _CIFAR,
        # SDAS section 6.2: K=4, C1=24, C2=192 is DARTS' ImageNet network of 14 cells with C=48.
        _IMAGENET,
        # H-DAS, cell level. Its pools have an affine batch normalisation in training, too.
        replace(_CIFAR, name="cifar_stages", stages=_STAGES_APART, pool_norm="affine"),
        replace(_IMAGENET, name="imagenet_stages", stages=_STAGES_APART, pool_norm="affine"),
        # H-DAS, stage level: 6 cells per stage (L = 20), the stem has 4C channels.
        replace(
            _CIFAR, name="cifar_graph", stages=_GRAPH_STAGES, K=6, C1=64, reads="twice", pool_norm="affine"
        ),
        # 4 cells per stage (L = 14).
        replace(
            _IMAGENET,
            name="imagenet_graph",
            stages=_GRAPH_STAGES,
            stem="imagenet_graph",
            reads="twice",
            pool_norm="affine",
        ),
        # NAS-Bench-201: 5 cells per stage, C = 16, residual blocks between stages, no norms after pools.
        Skeleton(
            "nasbench201",
            (_NORMAL, _RESIDUAL, _NORMAL, _RESIDUAL, _NORMAL),
            K=5,
            C1=16,
            C2=64,
            image_size=32,
            reads="once",
            search_pool_norm="none",
            last_norm=True,
        ),
        # SDAS section 7.1: the search network of Kinetics10. The paper's figure of the network was not
        # available to us; its tables imply that the reduction in space comes first (see VideoStem).
        _VIDEO,
        # Its twin for images: one frame through the same cells, without their windows in time.
        replace(_VIDEO, name="video_frames", stages=_FRAME_STAGES, frames=None),
    )
}


def get_skeleton(name: str) -> Skeleton:
    """Return a skeleton by name, with its default size.

    Raises:
        AutodasError: if the name is unknown; the message suggests the nearest.

    Examples:
        >>> import autodas
        >>> autodas.get_skeleton("cifar").with_size(K=6, C1=108, C2=144).kinds
        ('normal', 'reduction')
    """
    if name not in SKELETONS:
        raise AutodasError(f"unknown skeleton '{name}'{nearest(name, list(SKELETONS))}")
    return SKELETONS[name]


_SHAPE = Fields(
    {"name": TEXT, "K": Whole(), "C1": Whole(1), "C2": Whole(1)},
    {"pool_norm": OneOf(get_args(PoolNorm))},
)


def read_skeleton(facts: Mapping[str, Any], where: str) -> Skeleton:
    """Return the skeleton described by its plain data.

    Args:
        facts: result of :meth:`Skeleton.to_dict`; earlier files lack ``pool_norm``.
        where: origin of the data, for errors.

    Raises:
        AutodasError: if an entry is missing or invalid, or the skeleton is unknown.
    """
    _SHAPE.check(facts, where)
    skeleton = get_skeleton(facts["name"]).with_size(facts["K"], facts["C1"], facts["C2"])
    return replace(skeleton, pool_norm=facts.get("pool_norm", skeleton.pool_norm))
