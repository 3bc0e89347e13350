"""Skeletons: how cells are stacked into a network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from autodas.errors import AutodasError, nearest
from autodas.limits import MOST_CELLS, MOST_CHANNELS

PoolNorm = Literal["none", "plain", "affine"]
"""What follows a pooling operation: nothing, or batch normalisation without or with scale and shift."""

Reads = Literal["two", "twice", "once"]
"""What a cell reads: the outputs of the two cells before it, each brought to its width; that of the previous
one alone, on both its inputs; or that of the previous one alone, on its one input and as it is."""


@dataclass(frozen=True)
class Stage:
    """A run of equal cells.

    Args:
        kind: kind of its cells.
        stride: stride of its cells along each dimension; above 1 it is a reduction, of one cell, that
            doubles the width.
        graph: name of the stage graph that wires the stage's cells (H-DAS), instead of a chain.
        block: whether it is no cell of a genotype but a block of the skeleton's own, whose name is its kind.
    """

    kind: str
    stride: tuple[int, ...]
    graph: str | None = None
    block: bool = False

    @property
    def reduces(self) -> bool:
        """Whether the stage makes its maps smaller."""
        return max(self.stride) > 1


@dataclass(frozen=True)
class CellSlot:
    """One place in the network: for a cell, or for a whole graph of cells.

    Args:
        index: its position, from 0.
        kind: kind of the cell.
        width: nominal channels of each node, C.
        stride: stride along each dimension of the edges that leave the cell's inputs.
        stage: index of its stage.
        graph: name of the stage graph whose cells stand here; ``None`` for a single cell.
        block: whether a block of the skeleton's own stands here.
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
        """Whether the cell makes its maps smaller."""
        return max(self.stride) > 1

    @property
    def part(self) -> str:
        """The name of what stands here in genotypes and mixtures: a stage graph, or a kind of cell."""
        return self.graph or self.kind


@dataclass(frozen=True)
class Skeleton:
    """The frame that cells are put into.

    Args:
        name: name of the skeleton.
        stages: what follows the stem.
        K: normal cells in each stage that does not reduce; where stage graphs wire them, the graphs say it.
        C1: channels of the stem's first convolution.
        C2: nominal channels of the first cell's output; the width of its nodes is C = C2 / 4 whatever
            the cell concatenates.
        image_size: height and width that the skeleton was made for.
        stem: name of the stem.
        reads: what a cell reads.
        pool_norm: what follows pools when a network is trained.
        search_pool_norm: what follows pools while searching.
        last_norm: whether batch normalisation and ReLU stand between the last cell and the classifier.
        frames: how many frames a clip has that the skeleton was made for; ``None`` where it is for images.

    Raises:
        AutodasError: if C2 is not a multiple of 8 (two halves of C channels are convolved apart
            where maps shrink; 4 does where no cell of width C follows a smaller map), if K, C1 are out of
            range, if C1 is not C where cells read it as it is, or if there are frames of images.
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
                "they read the stem as it is"
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
        """Return the size of what a network sees: height and width, behind the frames where it sees clips.

        Args:
            image_size: height and width, by default what the skeleton was made for.
            frames: of a clip, likewise.

        Raises:
            AutodasError: if images are to have frames.
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
        """The kinds of what is searched, in order of first appearance: of stage graphs, where they wire the
        cells, else of cells; those with no cell are left out."""
        slots = [slot for slot in self.slots() if not slot.block]
        return tuple(dict.fromkeys(slot.part for slot in slots if slot.graph or not self.graphs))

    @property
    def cell_kinds(self) -> tuple[str, ...]:
        """The kinds of cells that a network is built of, in order of first appearance."""
        return tuple(dict.fromkeys(slot.kind for slot in self.slots() if not slot.block))

    @property
    def level_kinds(self) -> tuple[str, ...]:
        """The kinds of cells that do not reduce, where skips are free of parameters.

        Stage graphs are none of them: skips between whole cells are no collapse.
        """
        return tuple(dict.fromkeys(slot.kind for slot in self.slots() if not slot.reduces))

    def slots(self) -> tuple[CellSlot, ...]:
        """Return the places for cells, from the stem to the head."""
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

    def for_clips(self, frames: int | None) -> Skeleton:
        """Return the same skeleton, made for clips of so many frames; ``None`` for images keeps it."""
        return self if frames is None else replace(self, frames=frames)

    def with_size(self, K: int | None = None, C1: int | None = None, C2: int | None = None) -> Skeleton:
        """Return the same skeleton with other free parameters; ``None`` keeps a value.

        Where cells read the previous one alone, the stem's C1 follows C2 unless it is given.
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

# H-DAS: each stage, and each reduction, has a kind of cell of its own.
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
        # H-DAS, cell level. Its pools carry an affine batch normalisation in training, too.
        replace(_CIFAR, name="cifar_stages", stages=_STAGES_APART, pool_norm="affine"),
        replace(_IMAGENET, name="imagenet_stages", stages=_STAGES_APART, pool_norm="affine"),
        # H-DAS, stage level: 6 cells a stage (L = 20), the stem has 4C channels.
        replace(
            _CIFAR, name="cifar_graph", stages=_GRAPH_STAGES, K=6, C1=64, reads="twice", pool_norm="affine"
        ),
        # 4 cells a stage (L = 14).
        replace(
            _IMAGENET,
            name="imagenet_graph",
            stages=_GRAPH_STAGES,
            stem="imagenet_graph",
            reads="twice",
            pool_norm="affine",
        ),
        # NAS-Bench-201: 5 cells a stage, C = 16, residual blocks between stages, no norms after pools.
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
        # SDAS section 7.1: the search network of Kinetics10. The paper's figure of the network is lost to us;
        # that the reduction in space comes first follows from its tables (see VideoStem).
        _VIDEO,
        # Its twin for images: one frame through the same cells, without their windows in time.
        replace(_VIDEO, name="video_frames", stages=_FRAME_STAGES, frames=None),
    )
}


def get_skeleton(name: str) -> Skeleton:
    """Return a skeleton by name, with its default size.

    Raises:
        AutodasError: if there is none of that name; the nearest is named.
    """
    if name not in SKELETONS:
        raise AutodasError(f"unknown skeleton '{name}'{nearest(name, list(SKELETONS))}")
    return SKELETONS[name]
