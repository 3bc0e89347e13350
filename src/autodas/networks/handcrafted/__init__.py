"""Hand-crafted networks for clips, for comparison (SDAS, section 7.1, figure 10 and table 8).

Published networks for images, converted to clips as stated in the paper: windows of convolutions and pools
become 1 x k x k, time is halved after each of the first two stages, channels are a quarter of the published
ones. Networks that end in ``-3d`` have a 3x1x1 convolution in parallel to each spatial one, and add both.

Details left open by the paper are chosen so that its parameters and multiply-adds are reproduced:

- the first convolution has stride 2, and is not followed by a spatial pool, so that clips of 112 pixels give
  maps of 56, 28, 14 and 7;
- residual networks: the stride is in the first 1x1 convolution of a block; ResNeXt has 8 groups; SENet is
  ResNeXt-101 with gates;
- Xception: its two first convolutions are stage 1; the first of its blocks is stage 2, without its stride;
- BNInception: the two first convolutions are stage 1, the modules 3a and 3b stage 2.
"""

from autodas.networks.handcrafted._network import (
    CLIP,
    WIDTH,
    HandcraftedNetwork,
    build_handcrafted,
    check_handcrafted,
    handcrafted_names,
    means_handcrafted,
)
from autodas.networks.handcrafted._profile import profile_handcrafted

__all__ = [
    "CLIP",
    "WIDTH",
    "HandcraftedNetwork",
    "build_handcrafted",
    "check_handcrafted",
    "handcrafted_names",
    "means_handcrafted",
    "profile_handcrafted",
]
