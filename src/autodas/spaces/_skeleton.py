"""Skeletons: how cells are stacked into a network."""

from __future__ import annotations

from dataclasses import dataclass, replace

from autodas.errors import AutodasError


@dataclass(frozen=True)
class Stage:
    """A run of equal cells.

    Args:
        kind: kind of its cells.
        stride: stride of its cells along each dimension; above 1 it is a reduction, of one cell, that
            doubles the width.
    """

    kind: str
    stride: tuple[int, ...]

    @property
    def reduces(self) -> bool:
        """Whether the stage makes its maps smaller."""
        return max(self.stride) > 1


@dataclass(frozen=True)
class CellSlot:
    """One place for a cell in the network.

    Args:
        index: its position, from 0.
        kind: kind of the cell.
        width: nominal channels of each node, C.
        stride: stride along each dimension of the edges that leave the cell's inputs.
        stage: index of its stage.
    """

    index: int
    kind: str
    width: int
    stride: tuple[int, ...]
    stage: int

    @property
    def reduces(self) -> bool:
        """Whether the cell makes its maps smaller."""
        return max(self.stride) > 1


@dataclass(frozen=True)
class Skeleton:
    """The frame that cells are put into.

    Args:
        name: name of the family; also names the stem.
        stages: what follows the stem.
        K: normal cells in each stage that does not reduce.
        C1: channels of the stem's first convolution.
        C2: nominal channels of the first cell's output; the width of its nodes is C = C2 / 4 whatever
            the cell concatenates.
        image_size: height and width that the skeleton was made for.

    Raises:
        AutodasError: if C2 is not a multiple of 8 (two halves of C channels are convolved apart
            where maps shrink), or K, C1 are out of range.
    """

    name: str
    stages: tuple[Stage, ...]
    K: int
    C1: int
    C2: int
    image_size: int

    def __post_init__(self) -> None:
        if self.K < 0 or self.C1 < 1:
            raise AutodasError(
                f"skeleton {self.name}: K={self.K} must be at least 0 and C1={self.C1} at least 1"
            )
        if self.C2 < 8 or self.C2 % 8:
            raise AutodasError(f"skeleton {self.name}: C2={self.C2} must be a multiple of 8, at least 8")

    @property
    def dimensions(self) -> int:
        """2 for images, 3 for video."""
        return len(self.stages[0].stride)

    @property
    def width(self) -> int:
        """Channels of a node in the first stage, C."""
        return self.C2 // 4

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of cells, in order of first appearance; those with no cell are left out."""
        return tuple(dict.fromkeys(slot.kind for slot in self.slots()))

    def slots(self) -> tuple[CellSlot, ...]:
        """Return the places for cells, from the stem to the head."""
        slots: list[CellSlot] = []
        width = self.width
        for number, stage in enumerate(self.stages):
            if stage.reduces:
                width *= 2
            for _ in range(1 if stage.reduces else self.K):
                slots.append(CellSlot(len(slots), stage.kind, width, stage.stride, number))
        return tuple(slots)

    def auxiliary_slot(self) -> int:
        """Return the index of the cell that the auxiliary head follows: the last reduction (DARTS)."""
        return max(slot.index for slot in self.slots() if slot.reduces)

    def with_size(self, K: int | None = None, C1: int | None = None, C2: int | None = None) -> Skeleton:
        """Return the same skeleton with other free parameters; ``None`` keeps a value."""
        return replace(
            self,
            K=self.K if K is None else K,
            C1=self.C1 if C1 is None else C1,
            C2=self.C2 if C2 is None else C2,
        )


_NORMAL = Stage("normal", (1, 1))
_REDUCTION = Stage("reduction", (2, 2))
_IMAGE_STAGES = (_NORMAL, _REDUCTION, _NORMAL, _REDUCTION, _NORMAL)

SKELETONS: dict[str, Skeleton] = {
    # SDAS section 6.1: K=2, C1=48, C2=64 is DARTS' search network of 8 cells with C=16.
    "cifar": Skeleton("cifar", _IMAGE_STAGES, K=2, C1=48, C2=64, image_size=32),
    # SDAS section 6.2: K=4, C1=24, C2=192 is DARTS' ImageNet network of 14 cells with C=48.
    "imagenet": Skeleton("imagenet", _IMAGE_STAGES, K=4, C1=24, C2=192, image_size=224),
}
