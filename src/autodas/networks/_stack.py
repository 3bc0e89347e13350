"""Skeleton as a module: stem, cells, classifier; for discrete networks and supernets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from torch import Tensor, nn

from autodas.kernels import CHANNELS_LAST
from autodas.networks._blocks import BLOCKS
from autodas.networks._cell import CellInputs
from autodas.networks._stem import STEMS
from autodas.operations import batch_norm
from autodas.spaces import CellSlot, Skeleton

MakeCell = Callable[[CellSlot, CellInputs], nn.Module]


class CellStack(nn.Module):
    """Stem, stacked cells, and a linear classifier on the mean of the last map.

    Args:
        skeleton: skeleton of the network.
        make_cell: factory of the cell (or stage graph) for a slot, with the number of output channels as
            ``outputs``. Blocks that belong to the skeleton are built without it.
        classes: number of classes.
        channels: number of channels of the image, or of the frames of a clip.
    """

    def __init__(self, skeleton: Skeleton, make_cell: MakeCell, classes: int, channels: int) -> None:
        super().__init__()
        self.skeleton = skeleton
        self.classes = classes
        self.channels = channels
        self.stem = STEMS[skeleton.stem](channels, skeleton)
        self.cells = nn.ModuleList()
        ones = (1,) * skeleton.dimensions
        before, previous = self.stem.outputs
        stride = (2,) * skeleton.dimensions if self.stem.reduces else ones
        for slot in skeleton.slots():
            if skeleton.reads != "two":
                before, stride = previous, ones
            make = BLOCKS[slot.kind] if slot.block else make_cell
            cell = make(slot, CellInputs((before, previous), stride))
            self.cells.append(cell)
            before, previous = previous, cell.outputs  # type: ignore[assignment]
            stride = slot.stride
        self.last: nn.Module = nn.Identity()
        if skeleton.last_norm:
            self.last = nn.Sequential(batch_norm(previous, skeleton.dimensions, affine=True), nn.ReLU())
        self.classifier: nn.Module = nn.Linear(previous, classes)

    def maps(self, x: Tensor, *arguments: Any) -> Iterator[Tensor]:
        """Yield the two outputs of the stem, then that of each cell; the arguments are for relaxed cells."""
        before, previous = self.stem(x)
        yield before
        yield previous
        for cell in self.cells:
            if self.skeleton.reads != "two":
                before = previous
            before, previous = previous, self.run_cell(cell, before, previous, *arguments)
            yield previous

    def map_names(self) -> list[str]:
        """Return the names of the modules whose outputs are :meth:`maps`."""
        return [*self.stem.names, *(f"cells.{slot.index}" for slot in self.skeleton.slots())]

    def run_cells(self, x: Tensor, *arguments: Any) -> Iterator[Tensor]:
        """Yield the output of each cell in turn; the arguments are those of :meth:`maps`."""
        return islice(self.maps(x, *arguments), 2, None)

    def run_cell(self, cell: nn.Module, before: Tensor, previous: Tensor, *arguments: Any) -> Tensor:
        """Return the output of one cell or block; discrete ones need no arguments."""
        return cell(before, previous)  # type: ignore[no-any-return]

    def features(self, x: Tensor, *arguments: Any) -> Tensor:
        """Return the output of the last cell."""
        for output in self.run_cells(x, *arguments):
            last = output
        return last

    def classify(self, features: Tensor) -> Tensor:
        """Return logits of shape (batch, classes) from the output of the last cell."""
        features = self.last(features)
        return self.classifier(features.mean(tuple(range(2, 2 + self.skeleton.dimensions))))  # type: ignore[no-any-return]

    def to_memory_format(self) -> CellStack:
        """Convert to the channels-last memory format, which is faster on CPU and GPU."""
        for tensor in (*self.parameters(), *self.buffers()):
            if tensor.dim() in CHANNELS_LAST:
                tensor.data = tensor.data.to(memory_format=CHANNELS_LAST[tensor.dim()])
        return self
