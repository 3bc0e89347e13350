"""The detector: RT-DETR of transformers around a network."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from autodas.backbones import Source, backbone, levels_of
from autodas.detection._metrics import Prediction
from autodas.detection._pixels import CHANNELS
from autodas.detection_options import DetectorSettings
from autodas.errors import AutodasError
from autodas.networks import Blueprint, Network, read_blueprint
from autodas.optional_imports import import_timm, import_transformers

TIMM = "timm:"
"""Prefix of the names of timm's models."""

_PRIOR = 0.01
"""Score of every class at first, as for the focal loss: most places of an image show no object."""


@dataclass(frozen=True)
class TimmBackbone:
    """Network of timm, with new weights.

    Args:
        name: name of timm's model.
    """

    name: str


class Found(NamedTuple):
    """Objects found in a batch of images.

    Attributes:
        scores: shape (batch, number), descending, in 0..1.
        classes: shape (batch, number), numbers of the classes.
        boxes: shape (batch, number, 4): left, top, right and bottom edge as shares of the sides, in 0..1.
    """

    scores: Tensor
    classes: Tensor
    boxes: Tensor

    def prediction(self, number: int, size: tuple[int, int]) -> Prediction:
        """Return the objects found in one of the images, in pixels.

        Args:
            number: number of the image in the batch.
            size: its width and height.

        Raises:
            AutodasError: if scores or boxes are not finite.
        """
        scores, classes, boxes = (part[number].cpu() for part in self)
        if not (scores.isfinite().all() and boxes.isfinite().all()):
            raise AutodasError(
                "the detector's outputs are not finite: its weights have diverged. A smaller `optim.lr` may "
                "help"
            )
        pixels = boxes.double().numpy() * np.array([*size, *size])
        return Prediction(pixels, classes.numpy(), scores.double().numpy())


class BoxLosses(NamedTuple):
    """Losses of a batch.

    Attributes:
        total: the sum that is minimised: of all layers, of the places chosen as queries, and of denoising.
        last: shape (3,), of the last layer alone: of classes (varifocal), edges (L1) and overlap (GIoU).
    """

    total: Tensor
    last: Tensor


class Detector(nn.Module):
    """RT-DETR around a network.

    Args:
        network: the network: a blueprint, with new weights, or one of timm.
        settings: sizes of the detector.
        classes: number of classes.

    Attributes:
        model: the detector as a class of transformers, ``RTDetrForObjectDetection``.

    Raises:
        AutodasError: if a library is missing, or the network has no maps of the strides.
    """

    def __init__(self, network: Blueprint | TimmBackbone, settings: DetectorSettings, classes: int) -> None:
        super().__init__()
        import_transformers("detection")
        from transformers import RTDetrConfig, RTDetrForObjectDetection

        config = RTDetrConfig(**_arguments(network, settings, classes))
        with warnings.catch_warnings():
            # On sizes for a kernel that is not used.
            warnings.filterwarnings("ignore", "You'd better set embed_dim")
            self.model: Any = RTDetrForObjectDetection(config)
        _start_from_scratch(self.model)

    def losses(self, images: Tensor, labels: Tensor) -> BoxLosses:
        """Return the losses of a batch.

        Args:
            images: shape (batch, 3, S, S).
            labels: as of :class:`~autodas.detection.BoxLoader`, (batch, M, 5).
        """
        output = self.model(pixel_values=images, labels=[_target(rows) for rows in labels])
        parts = output.loss_dict
        last = torch.stack([parts[name].detach() for name in ("loss_vfl", "loss_bbox", "loss_giou")])
        return BoxLosses(output.loss, last)

    def forward(self, images: Tensor, most: int = 100) -> Found:
        """Return the boxes with the highest scores; a query can be found once in each class.

        Args:
            images: shape (batch, 3, S, S).
            most: largest number of boxes in each image; 100 as for the metrics of COCO.
        """
        output = self.model(pixel_values=images)
        scores = output.logits.float().sigmoid()
        classes = scores.shape[2]
        scores, places = scores.flatten(1).topk(min(most, scores.shape[1] * classes), dim=1)
        centres = output.pred_boxes.float().gather(1, (places // classes)[..., None].expand(-1, -1, 4))
        middle, half = centres[..., :2], centres[..., 2:] / 2
        return Found(scores, places % classes, torch.cat([middle - half, middle + half], dim=2).clamp(0, 1))

    def load_network(self, source: Source) -> None:
        """Take over the weights of a trained network.

        Args:
            source: run folder of ``autodas train``, or model file; of a network for grey values the first
                convolution reads each colour alike.

        Raises:
            AutodasError: if there is no such network.
        """
        body = self.model.model.backbone.model.body
        body.load_state_dict(backbone(source, body.out_indices, channels=CHANNELS).state_dict())

    def use_compiled_kernels(self, enabled: bool = True) -> None:
        """Train with our own kernels where they work; see :meth:`autodas.Network.use_compiled_kernels`."""
        for module in self.modules():
            if isinstance(module, Network):
                module.use_compiled_kernels(enabled)

    @property
    def network_parameters(self) -> int:
        """Number of parameters of the network alone."""
        return sum(weight.numel() for weight in self.model.model.backbone.parameters())


def _arguments(network: Blueprint | TimmBackbone, settings: DetectorSettings, classes: int) -> dict[str, Any]:
    """Return the sizes as transformers calls them."""
    body, channels = _body(network, settings)
    levels = len(settings.strides)
    return {
        "backbone_config": body,
        "num_labels": classes,
        "encoder_in_channels": channels,
        "feat_strides": list(settings.strides),
        "num_feature_levels": levels,
        "encode_proj_layers": [levels - 1],
        "encoder_hidden_dim": settings.hidden,
        "d_model": settings.hidden,
        "decoder_in_channels": [settings.hidden] * levels,
        "encoder_ffn_dim": settings.feedforward,
        "decoder_ffn_dim": settings.feedforward,
        "encoder_attention_heads": settings.heads,
        "decoder_attention_heads": settings.heads,
        "encoder_layers": settings.encoder_layers,
        "decoder_layers": settings.decoder_layers,
        "num_queries": settings.queries,
        "num_denoising": settings.denoising,
        "hidden_expansion": settings.expansion,
        "initializer_bias_prior_prob": _PRIOR,
        "freeze_backbone_batch_norms": False,
    }


def _body(network: Blueprint | TimmBackbone, settings: DetectorSettings) -> tuple[Any, list[int]]:
    """Return the configuration of the backbone, and the channels of its maps."""
    if isinstance(network, TimmBackbone):
        return _timm_body(network.name, settings)
    from autodas.transformers import AutodasBackboneConfig

    if network.dimensions != 2:
        raise AutodasError(f"'{network.name}' is a network for clips, but detection is for images")
    strides = [level.stride[0] for level in levels_of(network)]
    chosen: dict[str, Any] = {"out_indices": _levels_at(strides, settings, network.name)}
    frozen = settings.frozen_norm
    config = AutodasBackboneConfig(genotype=network, num_channels=CHANNELS, frozen_norm=frozen, **chosen)
    return config, config.channels


def _timm_body(name: str, settings: DetectorSettings) -> tuple[Any, list[int]]:
    timm = import_timm()
    from transformers import TimmBackboneConfig

    try:
        with torch.device("meta"):
            levels = timm.create_model(name, features_only=True, pretrained=False).feature_info
    except (RuntimeError, TypeError, AttributeError, AssertionError) as error:
        raise AutodasError(f"{TIMM}{name}: timm has no such model with maps: {error}") from error
    indices = _levels_at(levels.reduction(), settings, f"{TIMM}{name}")
    new: dict[str, Any] = {"out_indices": indices, "use_pretrained_backbone": False}
    return TimmBackboneConfig(backbone=name, **new), [levels.channels()[index] for index in indices]


def _levels_at(strides: list[int], settings: DetectorSettings, name: str) -> list[int]:
    missing = [stride for stride in settings.strides if stride not in strides]
    if missing:
        raise AutodasError(
            f"'{name}' has no map of stride {missing[0]}, but of {', '.join(map(str, strides))}: choose "
            "`detector.strides` among them, or another `skeleton`"
        )
    return [strides.index(stride) for stride in settings.strides]


def _start_from_scratch(model: nn.Module) -> None:
    """Initialise convolutions and normalisation behind the network as torch does.

    transformers draws the weights of all of them, also the scale of the normalisation, from a normal
    distribution with deviation 0.01, which is meant to be overwritten by a checkpoint: hardly anything would
    pass through them.
    """
    for name, module in model.named_modules():
        own = name.startswith("model.backbone.")
        if not own and isinstance(module, nn.Conv2d | nn.BatchNorm2d):
            module.reset_parameters()


def _target(rows: Tensor) -> dict[str, Tensor]:
    """Return the boxes of an image as transformers expects them: centre, width and height."""
    rows = rows[rows[:, 0] >= 0]
    start, end = rows[:, 1:3], rows[:, 3:5]
    return {"class_labels": rows[:, 0].long(), "boxes": torch.cat([(start + end) / 2, end - start], dim=1)}


def describe_network(network: Blueprint | TimmBackbone) -> dict[str, Any]:
    """Return a network as plain data, which :func:`read_network` reads."""
    return {"timm": network.name} if isinstance(network, TimmBackbone) else network.to_dict()


def read_network(description: Mapping[str, Any], where: str) -> Blueprint | TimmBackbone:
    """Return the network that plain data describe.

    Raises:
        AutodasError: if they describe none.
    """
    if "timm" in description:
        return TimmBackbone(str(description["timm"]))
    return read_blueprint(description, where)
