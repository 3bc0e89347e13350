"""Hand-crafted networks: how they behave on clips."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autodas.errors import AutodasError
from autodas.networks import HandcraftedNetwork, build_handcrafted, handcrafted_names
from autodas.networks.handcrafted._layers import Parallel, SqueezeExcite

NAMES = handcrafted_names()
TINY = 1 / 16


@cache
def tiny(name: str) -> HandcraftedNetwork:
    """Return a network in double precision and evaluation mode, with the statistics of a batch.

    With those that it starts with, what differs between clips would vanish on the way.
    """
    torch.manual_seed(0)
    network = build_handcrafted(name, classes=7, width=TINY).double()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.momentum = 1.0
    with torch.no_grad():
        network(clips(4).double())
    return network.eval()


def clips(count: int, frames: int = 8, side: int = 24) -> Tensor:
    return torch.randn(count, 3, frames, side, side, generator=torch.Generator().manual_seed(frames + side))


def logits(network: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        return network(x.double())  # type: ignore[no-any-return]


class TestNames:
    def test_the_rows_of_the_table(self) -> None:
        families = ("bninception", "xception", "resnet50", "resnet101", "resnext50", "resnext101", "senet")
        assert [*NAMES] == [f"{family}-{end}" for end in ("2d", "3d") for family in families]

    def test_an_unknown_name_names_the_nearest(self) -> None:
        with pytest.raises(AutodasError, match=r"'resnet50-4d'; did you mean 'resnet50-.d'"):
            build_handcrafted("resnet50-4d")

    @pytest.mark.parametrize("width", [0.0, -1.0, float("nan")])
    def test_a_width_without_channels(self, width: float) -> None:
        with pytest.raises(AutodasError, match="must lie above 0"):
            build_handcrafted("senet-2d", width=width)


@pytest.mark.parametrize("name", NAMES)
class TestEveryNetwork:
    @pytest.mark.slow
    def test_maps_of_the_paper(self, name: str) -> None:
        """Clips of 16 x 112 x 112; time is halved after each of the first two stages (figure 10)."""
        sizes = []
        network = build_handcrafted(name, width=TINY).eval()
        for stage in network.stages:
            stage.register_forward_hook(lambda *call: sizes.append(tuple(call[-1].shape[2:])))
        with torch.no_grad():
            network(torch.empty(1, 3, 16, 112, 112))
        if "bninception" in name:
            assert sizes == [(16, 56, 56), (8, 28, 28), (4, 14, 14), (4, 7, 7)]
        else:
            assert sizes == [(16, 56, 56), (8, 56, 56), (4, 28, 28), (4, 14, 14), (4, 7, 7)]

    @pytest.mark.slow
    @pytest.mark.parametrize(("frames", "side"), [(32, 16), (5, 37), (1, 20)])
    def test_other_clips(self, name: str, frames: int, side: int) -> None:
        found = logits(tiny(name), clips(2, frames, side))
        assert found.shape == (2, 7)
        assert found.isfinite().all()

    @pytest.mark.slow
    def test_a_clip_alone_gets_the_same_logits(self, name: str) -> None:
        x = clips(3)
        together = logits(tiny(name), x)
        assert torch.equal(together, logits(tiny(name), x))
        alone = torch.cat([logits(tiny(name), clip[None]) for clip in x])
        torch.testing.assert_close(alone, together, rtol=1e-9, atol=1e-9)

    def test_only_3d_networks_look_along_time(self, name: str) -> None:
        """A temporal convolution stands beside each spatial one, with its channels and groups, or none."""
        network = tiny(name)
        spatial = {id(m) for m in network.modules() if isinstance(m, nn.Conv3d) and m.kernel_size[1] > 1}
        pairs = [m for m in network.modules() if isinstance(m, Parallel)]
        temporal = [m for m in network.modules() if isinstance(m, nn.Conv3d) and m.kernel_size[0] > 1]
        if name.endswith("2d"):
            assert not temporal
            assert not pairs
            return
        assert {id(pair.spatial) for pair in pairs} == spatial
        assert len(temporal) == len(spatial) > 10
        for pair in pairs:
            assert isinstance(pair.spatial, nn.Conv3d)
            assert isinstance(pair.temporal, nn.Conv3d)
            assert (pair.spatial.kernel_size[0], pair.temporal.kernel_size) == (1, (3, 1, 1))
            for fact in ("in_channels", "out_channels", "groups", "stride"):
                assert getattr(pair.spatial, fact) == getattr(pair.temporal, fact)

    @pytest.mark.slow
    def test_what_frames_of_another_order_change(self, name: str) -> None:
        """2-D networks take maxima of two frames, then of two pairs, then a mean: inside a window of four
        frames, and between windows, much of the order cannot matter to them. To 3-D networks it does."""
        x = clips(2)
        same = logits(tiny(name), x)
        unseen = [
            [7, 6, 5, 4, 3, 2, 1, 0],
            [1, 0, 2, 3, 4, 5, 7, 6],
            [2, 3, 0, 1, 4, 5, 6, 7],
            [6, 7, 5, 4, 0, 1, 2, 3],
        ]
        for order in unseen:
            found = logits(tiny(name), x[:, :, order])
            if name.endswith("2d"):
                torch.testing.assert_close(found, same, rtol=1e-9, atol=1e-9)
            else:
                assert (found - same).abs().max() > 1e-3
        pairs_broken = logits(tiny(name), x[:, :, [2, 1, 0, 3, 4, 5, 6, 7]])
        assert (pairs_broken - same).abs().max() > 1e-3

    @pytest.mark.slow
    def test_learns_a_handful_of_clips(self, name: str) -> None:
        torch.manual_seed(1)
        network = build_handcrafted(name, classes=4, width=TINY)
        x, labels = clips(4), torch.arange(4)
        optimiser = torch.optim.Adam(network.parameters(), lr=5e-3)
        losses = []
        for step in range(8):
            loss = F.cross_entropy(network(x), labels)
            optimiser.zero_grad()
            loss.backward()
            if step == 0:
                self.check_gradients(network)
            optimiser.step()
            losses.append(loss.item())
        assert losses[-1] < 0.5 * losses[0]

    @staticmethod
    def check_gradients(network: nn.Module) -> None:
        """All parameters get one. The ReLU inside a gate may be closed: at this width it has one channel."""
        gates = [name for name, m in network.named_modules() if isinstance(m, SqueezeExcite)]
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            if not name.startswith(tuple(gates)):
                assert parameter.grad.any(), name


def test_a_gate_weighs_channels_by_the_means_of_all() -> None:
    gate = SqueezeExcite(32).double()
    first, second = gate.gate[0], gate.gate[2]
    assert first.weight.shape == (2, 32)
    x = torch.randn(2, 32, 3, 4, 5, dtype=torch.double)
    means = x.flatten(2).sum(2) / 60
    inner = (means @ first.weight.T + first.bias).clamp(min=0)
    factor = 1 / (1 + torch.exp(-(inner @ second.weight.T + second.bias)))
    torch.testing.assert_close(gate(x), torch.einsum("bcthw,bc->bcthw", x, factor))


def test_a_bottleneck_without_branch_passes_what_is_positive() -> None:
    network = build_handcrafted("resnet50-3d", width=TINY).eval()
    block = network.stages[2][1]
    with torch.no_grad():
        for parameter in block.branch[-1].parameters():
            parameter.zero_()
    x = torch.randn(1, 32, 2, 4, 4)
    assert torch.equal(block(x), x.clamp(min=0))


def test_channels_stand_last_in_memory() -> None:
    network = build_handcrafted("xception-3d", width=TINY)
    for parameter in network.parameters():
        assert parameter.dim() != 5 or parameter.is_contiguous(memory_format=torch.channels_last_3d)
