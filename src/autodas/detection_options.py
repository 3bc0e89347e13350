"""Options of detectors and of their data. No torch, so that help is instant."""

from __future__ import annotations

from dataclasses import dataclass

from autodas.errors import AutodasError

LAYOUTS = ("voc", "coco")
"""Layouts of images with boxes, the beginnings of their names."""


@dataclass(frozen=True)
class DetectorSettings:
    """Sizes of RT-DETR, the detector around a network (Zhao and others 2024); defaults as published for R18.

    Maps of a few strides are projected to `hidden` channels. The smallest passes through self-attention, all
    are fused from small to large and back, and the places that score highest become queries, which a decoder
    refines to boxes.

    Args:
        strides: factors by which the maps read from the network are smaller than the image; each is twice the
            one before.
        hidden: channels of all parts behind the network, a multiple of 4 and of `heads`.
        feedforward: channels inside the layers of encoder and decoder.
        heads: attention heads.
        encoder_layers: layers of self-attention on the smallest map, 0 for none.
        decoder_layers: layers of the decoder.
        queries: number of boxes that are predicted in every image, at least as many as an image can contain.
        denoising: queries made from noisy boxes of the image, which only help training; 0 for none.
        expansion: channels inside the fusion of maps, as a factor on `hidden`.
        frozen_norm: keep batch normalisation of a trained network as it is; new weights need theirs to learn.

    Raises:
        AutodasError: if a size is out of range, or two do not fit together.
    """

    strides: tuple[int, ...] = (8, 16, 32)
    hidden: int = 256
    feedforward: int = 1024
    heads: int = 8
    encoder_layers: int = 1
    decoder_layers: int = 3
    queries: int = 300
    denoising: int = 100
    expansion: float = 0.5
    frozen_norm: bool = False

    def __post_init__(self) -> None:
        for name in ("hidden", "feedforward", "heads", "decoder_layers", "queries"):
            if getattr(self, name) < 1:
                raise AutodasError(f"{name}={getattr(self, name)} must be at least 1")
        for name in ("encoder_layers", "denoising"):
            if getattr(self, name) < 0:
                raise AutodasError(f"{name}={getattr(self, name)} must be at least 0")
        if self.hidden % 4 or self.hidden % self.heads:
            raise AutodasError(f"hidden={self.hidden} must be a multiple of 4 and of heads={self.heads}")
        if not 0 < self.expansion <= 4:
            raise AutodasError(f"expansion={self.expansion} must lie above 0 and at most at 4")
        doubled = all(2 * one == other for one, other in zip(self.strides, self.strides[1:], strict=False))
        if not self.strides or self.strides[0] < 1 or not doubled:
            raise AutodasError(
                f"strides={','.join(map(str, self.strides))} must be whole numbers, each twice the one before"
            )

    def check_image_size(self, image_size: int) -> None:
        """Check that images have a size that the detector can read.

        Raises:
            AutodasError: if the maps cannot be fused, or have fewer places than there are queries.
        """
        if image_size % self.strides[-1]:
            raise AutodasError(
                f"image_size={image_size} must be a multiple of {self.strides[-1]}, the largest of the "
                "detector's strides"
            )
        places = sum((image_size // stride) ** 2 for stride in self.strides)
        if self.queries > places:
            raise AutodasError(
                f"queries={self.queries} is more than the {places} places of the maps of images of "
                f"{image_size} pixels: choose fewer, or larger images"
            )


@dataclass(frozen=True, kw_only=True)
class BoxTestOptions:
    """Options of reading images with boxes to test on.

    Args:
        test_split: split to test on; by default test, else val.
        max_bad: largest share of images, in [0, 1], that may be left out because they are missing or their
            boxes are wrong; these are reported.

    Raises:
        AutodasError: if a value is out of range.
    """

    test_split: str | None = None
    max_bad: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.max_bad <= 1:
            raise AutodasError(f"max_bad={self.max_bad} must lie in [0, 1]")


@dataclass(frozen=True, kw_only=True)
class BoxDataOptions(BoxTestOptions):
    """Options of reading images with boxes to train and to test on.

    Args:
        train_split: split to train on; by default trainval, else train.
    """

    train_split: str | None = None


@dataclass(frozen=True, kw_only=True)
class BoxAugmentation:
    """Augmentation of training images together with their boxes.

    Args:
        flip: mirror left and right, with probability 1/2.
        scale_jitter: strength in [0, 1): the sides of the part of the image that is shown are 1 - s to 1 + s
            of its own; beyond its edges there is the mean colour.
        color_jitter: strength in [0, 1] of random brightness, contrast and saturation; that of hue is half of
            it.

    Raises:
        AutodasError: if a value is out of range.
    """

    flip: bool = True
    scale_jitter: float = 0.3
    color_jitter: float = 0.2

    def __post_init__(self) -> None:
        if not 0 <= self.scale_jitter < 1:
            raise AutodasError(f"scale_jitter={self.scale_jitter} must lie in [0, 1)")
        if not 0 <= self.color_jitter <= 1:
            raise AutodasError(f"color_jitter={self.color_jitter} must lie in [0, 1]")
