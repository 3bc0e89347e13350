"""Backbones: networks without classifier that return their maps, for detectors and the like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from autodas.backbones._levels import Level, chosen, levels_of
from autodas.backbones._source import Resolved, Source, resolve
from autodas.networks import HandcraftedNetwork, Network
from autodas.training.start_weights import start_from


class Backbone(nn.Module):
    """Network without classifier, which returns its maps at several levels. Build it with :func:`backbone`.

    Args:
        network: the network. What comes after the last chosen level is removed from it.
        levels: all levels of the network.
        out_indices: the chosen levels, ascending, from 0.
        frozen_norm: whether batch normalisation keeps its statistics, scale and shift in training.

    Attributes:
        network: the network that is left.
        channels: channels of each chosen level.
        strides: factor by which the map of each chosen level is smaller than the image; for clips one for
            each dimension: frames, height, width.
        out_indices: the chosen levels.
    """

    def __init__(
        self,
        network: Network | HandcraftedNetwork,
        levels: Sequence[Level],
        out_indices: tuple[int, ...],
        frozen_norm: bool = False,
    ) -> None:
        super().__init__()
        own = [levels[index] for index in out_indices]
        network.keep_maps(own[-1].number + 1)
        self.network = network
        self.out_indices = out_indices
        self.channels = [level.channels for level in own]
        self.strides = [level.stride[0] if len(level.stride) == 2 else level.stride for level in own]
        self.frozen_norm = frozen_norm
        self._numbers = {level.number for level in own}
        if frozen_norm:
            for norm in self._norms():
                norm.requires_grad_(False)
        self.train()

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the maps of the chosen levels, each of shape (batch, channels, ...).

        Args:
            x: images, shape (batch, channels, height, width); clips have their frames before the height. A
                side that is not a multiple of the stride is rounded up.
        """
        return [y for number, y in enumerate(self.network.maps(x)) if number in self._numbers]

    def train(self, mode: bool = True) -> Backbone:
        """Set the mode; frozen normalisation stays in evaluation mode."""
        super().train(mode)
        if self.frozen_norm:
            for norm in self._norms():
                norm.eval()
        return self

    def _norms(self) -> list[_BatchNorm]:
        return [module for module in self.modules() if isinstance(module, _BatchNorm)]


def backbone(
    source: Source,
    out_indices: Sequence[int] | None = None,
    *,
    skeleton: str | None = None,
    K: int | None = None,
    C1: int | None = None,
    C2: int | None = None,
    channels: int | None = None,
    pretrained: bool = True,
    frozen_norm: bool = False,
) -> Backbone:
    """Return a network as a backbone, in training mode.

    A level is the last map of one size: of the stem, or of the last cell of a stage.

    Args:
        source: a trained network (run folder of ``autodas train``, or model file), a genotype in any form
            that :func:`autodas.load_genotype` accepts, the name of a hand-crafted network, a
            :class:`~autodas.Genotype`, or a blueprint.
        out_indices: numbers of the returned levels, ascending, from 0 for the largest map; negative ones
            count from the end. By default all are returned.
        skeleton: skeleton for a genotype, by default ``imagenet``, for clips ``video``.
        K: normal cells in each stage of that skeleton, by default its own number, as for the following.
        C1: channels of the stem's first convolution.
        C2: nominal channels of the first cell's output.
        channels: channels of the images or frames, by default those of a trained network, or 3. For another
            number the first convolution of a trained network reads the mean of its input channels.
        pretrained: whether a trained network keeps its weights; all others have new ones.
        frozen_norm: whether batch normalisation keeps its statistics, scale and shift in training, as is
            usual for small batches.

    Raises:
        AutodasError: if there is no such network or level, or a skeleton is given for a network that has its
            own.

    Examples:
        >>> import autodas, torch
        >>> body = autodas.backbone("darts_v2", out_indices=(1, 2, 3), K=1, C2=32)
        >>> body.channels, body.strides
        ([32, 64, 128], [8, 16, 32])
        >>> [tuple(y.shape) for y in body(torch.zeros(2, 3, 64, 64))]
        [(2, 32, 8, 8), (2, 64, 4, 4), (2, 128, 2, 2)]
    """
    found = resolve(source, skeleton, K, C1, C2)
    levels = levels_of(found.blueprint)
    taken = chosen(len(levels), out_indices)
    return Backbone(network_of(found, channels, pretrained), levels, taken, frozen_norm)


def network_of(found: Resolved, channels: int | None, pretrained: bool) -> Network | HandcraftedNetwork:
    """Return the network, trained or with new weights; arguments as for :func:`backbone`."""
    trained = found.trained
    if trained is None:
        return found.blueprint.build(classes=1, channels=channels or 3)
    facts = replace(trained.facts, channels=channels or trained.facts.channels)
    if pretrained and facts == trained.facts:
        return trained.network
    network = facts.build()
    if pretrained:
        start_from(network, facts, str(trained.file))
    return network
