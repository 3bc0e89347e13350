"""Stems: the layers between the image and the first cell."""

from __future__ import annotations

from torch import Tensor, nn

from autodas.operations import Pool, batch_norm, convolution
from autodas.spaces import Skeleton


class CifarStem(nn.Module):
    """One 3x3 convolution and batch normalisation; both inputs of the first cell are its output.

    Its normalisation stays affine during the search (DARTS).
    """

    reduces = False
    """Whether the second output is smaller than the first."""

    names = ("stem", "stem")
    """Modules of the network that compute the two outputs."""

    def __init__(self, channels: int, skeleton: Skeleton) -> None:
        super().__init__()
        self.conv = convolution(channels, skeleton.C1, (3, 3))
        self.norm = batch_norm(skeleton.C1, 2, affine=True)
        self.outputs = (skeleton.C1, skeleton.C1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the two inputs of the first cell."""
        x = self.norm(self.conv(x))
        return x, x


class ImagenetStem(nn.Module):
    """Three strided 3x3 convolutions; the first cell reads the maps after the second and after the third.

    Channels: C1, then 2 x C1 twice (DARTS: C/2, C, C).
    """

    reduces = True
    names = ("stem.first", "stem.second")

    def __init__(self, channels: int, skeleton: Skeleton) -> None:
        super().__init__()
        width = skeleton.C1
        self.first = nn.Sequential(
            convolution(channels, width, (3, 3), (2, 2)),
            batch_norm(width, 2, affine=True),
            nn.ReLU(),
            convolution(width, 2 * width, (3, 3), (2, 2)),
            batch_norm(2 * width, 2, affine=True),
        )
        self.second = nn.Sequential(
            nn.ReLU(),
            convolution(2 * width, 2 * width, (3, 3), (2, 2)),
            batch_norm(2 * width, 2, affine=True),
        )
        self.outputs = (2 * width, 2 * width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the two inputs of the first cell; the second is half as large as the first."""
        first = self.first(x)
        return first, self.second(first)


class ImagenetGraphStem(nn.Sequential):
    """Three strided 3x3 convolutions of C1, C and 4C channels, of which only the last is read (H-DAS)."""

    reduces = False
    names = ("stem", "stem")

    def __init__(self, channels: int, skeleton: Skeleton) -> None:
        first, second, third = skeleton.C1, skeleton.width, skeleton.C2
        super().__init__(
            convolution(channels, first, (3, 3), (2, 2)),
            batch_norm(first, 2, affine=True),
            nn.ReLU(),
            convolution(first, second, (3, 3), (2, 2)),
            batch_norm(second, 2, affine=True),
            nn.ReLU(),
            convolution(second, third, (3, 3), (2, 2)),
            batch_norm(third, 2, affine=True),
        )
        self.outputs = (third, third)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the last map, twice."""
        for layer in self:
            x = layer(x)
        return x, x


class VideoStem(nn.Module):
    """Three 3x3 convolutions of frames to C1 channels, the first with stride 2; then pools in time and space.

    The maximum over time is over consecutive groups of four frames, without overlap, so that a clip and the
    reversed clip give the same maps in reverse; in space it is over 3 x 3 with stride 2. Clips of 16 x 112 x
    112 result in 4 x 28 x 28. The paper's figure of the network was not available to us, and this stem is our
    inference: of the stems that we tried it is the simplest one that reproduces the parameters and
    multiply-adds of all five networks in tables 7 and 8 (docs, spaces). The tables determine its cost and its
    output size, not its layers.

    In two dimensions it is the same for single frames, without the maximum over time.
    """

    reduces = False
    names = ("stem", "stem")

    def __init__(self, channels: int, skeleton: Skeleton) -> None:
        super().__init__()
        time = skeleton.dimensions - 2
        halved, kernel = (*(1,) * time, 2, 2), (*(1,) * time, 3, 3)
        width, dimensions = skeleton.C1, skeleton.dimensions
        self.layers = nn.Sequential(
            convolution(channels, width, kernel, halved),
            batch_norm(width, dimensions, affine=True),
            nn.ReLU(),
            convolution(width, width, kernel),
            batch_norm(width, dimensions, affine=True),
            nn.ReLU(),
            convolution(width, width, kernel),
            batch_norm(width, dimensions, affine=True),
        )
        self.over_time = nn.MaxPool3d((4, 1, 1), ceil_mode=True) if time else nn.Identity()
        self.over_space = Pool("max", width, kernel, halved, "none")
        self.outputs = (width, width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the two inputs of the first cell, which are the same."""
        x = self.over_space(self.over_time(self.layers(x)))
        return x, x


STEMS: dict[str, type[CifarStem | ImagenetStem | ImagenetGraphStem | VideoStem]] = {
    "cifar": CifarStem,
    "imagenet": ImagenetStem,
    "imagenet_graph": ImagenetGraphStem,
    "video": VideoStem,
}
"""The stems by name."""

STEM_STRIDE = {"cifar": 1, "imagenet": 8, "imagenet_graph": 8, "video": 4}
"""Factor by which the second output of a stem is smaller in height and width than the image."""
