"""The usual supernet of DARTS-type searches, as one writes it from the papers: the measure of our engines.

Nothing here comes from autodas. Every candidate is a module of its own, every edge is the sum of weights
times outputs, both gradient steps compute both gradients, the loader of validation batches is started anew
in every iteration, maps lie in memory as PyTorch makes them (NCHW). Nothing is made slow on purpose either.

At the paper's search setting a forward pass dispatches 7,799 operators, among them 1,395 convolutions, 929
normalisations (and their counters, twice 929), 704 ReLUs, 224 poolings, 784 products with a weight and 896
sums; the backward pass 8,971. That is what one module a candidate comes to, in anybody's code.

Sources: Liu, Simonyan, Yang, "DARTS: Differentiable Architecture Search" (ICLR 2019), first order, and
"Scheduled Differentiable Architecture Search" (2019), sections 3.1, 4.2 and 6.1, whose baseline it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
"""Columns of the architecture parameters: DARTS' order without "none", which SDAS leaves out."""

NODES = 4
EDGES = sum(2 + node for node in range(NODES))


class SeparableUnit(nn.Module):
    """ReLU, depthwise convolution, pointwise convolution, normalisation."""

    def __init__(self, channels: int, kernel: int, stride: int, dilation: int) -> None:
        super().__init__()
        padding = dilation * (kernel // 2)
        self.relu = nn.ReLU()
        self.depthwise = nn.Conv2d(
            channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False
        )
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.pointwise(self.depthwise(self.relu(x))))


class FactorizedReduce(nn.Module):
    """Half the height and width: two strided pointwise convolutions, one of them shifted by a pixel."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.straight = nn.Conv2d(inputs, outputs // 2, 1, stride=2, bias=False)
        self.shifted = nn.Conv2d(inputs, outputs // 2, 1, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(outputs, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(x)
        return self.norm(torch.cat([self.straight(x), self.shifted(x[:, :, 1:, 1:])], dim=1))


def pointwise(inputs: int, outputs: int) -> nn.Module:
    """Return what brings an input of a cell to the cell's width."""
    return nn.Sequential(
        nn.ReLU(), nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs, affine=False)
    )


def make_operation(name: str, channels: int, stride: int) -> nn.Module:
    """Return one candidate."""
    if name == "max_pool_3x3":
        return nn.Sequential(nn.MaxPool2d(3, stride, padding=1), nn.BatchNorm2d(channels, affine=False))
    if name == "avg_pool_3x3":
        return nn.Sequential(
            nn.AvgPool2d(3, stride, padding=1, count_include_pad=False),
            nn.BatchNorm2d(channels, affine=False),
        )
    if name == "skip_connect":
        return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels)
    kernel = int(name[-1])
    if name.startswith("dil_conv"):
        return SeparableUnit(channels, kernel, stride, dilation=2)
    return nn.Sequential(
        SeparableUnit(channels, kernel, stride, dilation=1), SeparableUnit(channels, kernel, 1, dilation=1)
    )


class MixedEdge(nn.Module):
    """All candidates of an edge, and their weighted sum."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.operations = nn.ModuleList(make_operation(name, channels, stride) for name in OPERATIONS)

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        return sum(weight * operation(x) for weight, operation in zip(weights, self.operations, strict=True))


class Cell(nn.Module):
    """Four nodes, each the sum of mixed edges from everything before it."""

    def __init__(
        self, before: int, previous: int, channels: int, reduces: bool, previous_reduces: bool
    ) -> None:
        super().__init__()
        self.reduces = reduces
        self.preprocess0 = (FactorizedReduce if previous_reduces else pointwise)(before, channels)
        self.preprocess1 = pointwise(previous, channels)
        self.edges = nn.ModuleList(
            MixedEdge(channels, stride=2 if reduces and state < 2 else 1)
            for node in range(NODES)
            for state in range(2 + node)
        )

    def forward(self, before: Tensor, previous: Tensor, weights: Tensor) -> Tensor:
        states = [self.preprocess0(before), self.preprocess1(previous)]
        first = 0
        for _ in range(NODES):
            node = sum(self.edges[first + i](state, weights[first + i]) for i, state in enumerate(states))
            first += len(states)
            states.append(node)
        return torch.cat(states[2:], dim=1)


class PlainSupernet(nn.Module):
    """Stem, cells with reductions at one third and two thirds, global average, linear classifier.

    Args:
        cells: number of cells, L; cells L // 3 and 2L // 3 halve the maps and double the width.
        stem: channels of the stem, C1.
        width: channels of a node in the first cells, C, a quarter of C2.
        classes: number of classes.
        channels: channels of the pictures.
    """

    def __init__(
        self, cells: int = 8, stem: int = 48, width: int = 16, classes: int = 10, channels: int = 3
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(channels, stem, 3, padding=1, bias=False), nn.BatchNorm2d(stem))
        self.cells = nn.ModuleList()
        before, previous, previous_reduces = stem, stem, False
        for index in range(cells):
            reduces = index in (cells // 3, 2 * cells // 3)
            if reduces:
                width *= 2
            self.cells.append(Cell(before, previous, width, reduces, previous_reduces))
            before, previous, previous_reduces = previous, NODES * width, reduces
        self.classifier = nn.Linear(previous, classes)
        self.alpha_normal = nn.Parameter(1e-3 * torch.randn(EDGES, len(OPERATIONS)))
        self.alpha_reduction = nn.Parameter(1e-3 * torch.randn(EDGES, len(OPERATIONS)))

    def architecture(self) -> list[nn.Parameter]:
        """Return the architecture parameters."""
        return [self.alpha_normal, self.alpha_reduction]

    def weights(self) -> list[nn.Parameter]:
        """Return all other parameters."""
        return [parameter for name, parameter in self.named_parameters() if not name.startswith("alpha")]

    def forward(self, x: Tensor) -> Tensor:
        before = previous = self.stem(x)
        for cell in self.cells:
            alpha = self.alpha_reduction if cell.reduces else self.alpha_normal
            before, previous = previous, cell(before, previous, F.softmax(alpha, dim=-1))
        return self.classifier(previous.mean((2, 3)))


def search(
    supernet: PlainSupernet, train: DataLoader, valid: DataLoader, device: torch.device, precision: str
) -> Iterator[float]:
    """Search without end: one iteration, architecture step and weight step, for each item that is taken.

    Yields:
        The loss of the weight step.
    """
    architecture_optimiser = torch.optim.Adam(
        supernet.architecture(), lr=3e-4, betas=(0.5, 0.999), weight_decay=1e-3
    )
    weight_optimiser = torch.optim.SGD(supernet.weights(), lr=0.025, momentum=0.9, weight_decay=3e-4)

    def loss_of(images: Tensor, labels: Tensor) -> Tensor:
        images, labels = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
        reduced = precision == "bf16"
        with torch.autocast(device.type, torch.bfloat16) if reduced else nullcontext():
            logits = supernet(images)
        return F.cross_entropy(logits.float(), labels)

    supernet.train()
    while True:
        for images, labels in train:
            valid_images, valid_labels = next(iter(valid))
            architecture_optimiser.zero_grad()
            loss_of(valid_images, valid_labels).backward()
            architecture_optimiser.step()

            weight_optimiser.zero_grad()
            loss = loss_of(images, labels)
            loss.backward()
            nn.utils.clip_grad_norm_(supernet.weights(), 5.0)
            weight_optimiser.step()
            yield loss.item()


def make_step(
    *,
    space: str = "cifar-o2d",
    K: int = 2,
    C1: int = 48,
    C2: int = 64,
    batch_size: int = 64,
    image_size: int = 32,
    channels: int = 3,
    classes: int = 10,
    device: str = "cpu",
    precision: str = "fp32",
    memory_format: torch.memory_format = torch.contiguous_format,
) -> Callable[[], float]:
    """Return a function that does one iteration of a search on noise; ``autodas bench`` calls it.

    Args:
        space: must be cifar-o2d, the only one that is written here.
        K: normal cells in each of three stages, so 3K + 2 cells.
        C1: channels of the stem.
        C2: channels of the first cell's output.
        batch_size: pictures in each of both steps.
        image_size: height and width of the pictures, a multiple of 4.
        channels: channels of the pictures.
        classes: number of classes.
        device: where.
        precision: fp32, or bf16 for forward and backward passes under autocast.
        memory_format: that of the weights, which maps follow.

    Raises:
        ValueError: if the space is another one, or maps cannot be halved twice.
    """
    if space != "cifar-o2d" or image_size % 4:
        raise ValueError(
            f"the plain supernet is cifar-o2d with an image_size that 4 divides, not {space}, {image_size}"
        )
    torch.manual_seed(0)
    supernet = PlainSupernet(3 * K + 2, C1, C2 // 4, classes, channels)
    supernet.to(device, memory_format=memory_format)

    def loader() -> DataLoader:
        images = torch.randn(8 * batch_size, channels, image_size, image_size)
        labels = torch.randint(classes, (8 * batch_size,))
        return DataLoader(TensorDataset(images, labels), batch_size, shuffle=True, drop_last=True)

    return partial(next, search(supernet, loader(), loader(), torch.device(device), precision))


make_channels_last_step = partial(make_step, memory_format=torch.channels_last)
"""The same with channels last in memory, which few codes of the kind do."""
