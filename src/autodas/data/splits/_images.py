"""Images of a split."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autodas.data.augmentation._augmentation import Augmentation
from autodas.data.augmentation._crops import random_boxes
from autodas.data.files._content import MOST, Content, content_of_bytes
from autodas.data.files._unreadable import UnreadableError
from autodas.data.pixels._form import Form, Range
from autodas.data.pixels._formats import Header, Picture
from autodas.data.pixels._sources import ArraySource, ParquetSource, Source
from autodas.data.pixels._views import box_view, decoded_view, for_people, pixels_of
from autodas.data.splits._split import Split
from autodas.errors import AutodasError


class Images(Split):
    """Images of one split. Made by :func:`autodas.data.open_dataset`.

    Args:
        source, selection, labels: as in :class:`Split`.
        value_range: values that become 0 and 255, for images with more than 8 bits; ``None`` for bytes.
        facts: further arguments of :class:`Split`.
    """

    def __init__(
        self,
        source: Source,
        selection: np.ndarray,
        labels: np.ndarray,
        *,
        value_range: Range | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(source, selection, labels, **facts)
        self._source = source
        self.form = Form(self.channels, value_range)

    @classmethod
    def from_arrays(cls, pixels: np.ndarray, labels: np.ndarray) -> Images:
        """Make a split from arrays in memory.

        Args:
            pixels: uint8, or float32 on the scale 0..255, (N, S, S, C).
            labels: integers (N,), from 0.
        """
        known = pixels.ndim == 4 and pixels.dtype in (np.uint8, np.float32)
        if not known or pixels.shape[1] != pixels.shape[2] or len(labels) != len(pixels):
            raise AutodasError(
                f"uint8 or float32 pixels (N, S, S, C) and N labels are expected, found {pixels.dtype} "
                f"{pixels.shape} and {len(labels)} labels"
            )
        count, size, _, channels = pixels.shape
        return cls(
            ArraySource(pixels),
            np.arange(count),
            np.asarray(labels, dtype=np.int64),
            channels=channels,
            image_size=size,
            value_range=None if pixels.dtype == np.uint8 else (0, 255),
            stored=torch.from_numpy(np.ascontiguousarray(pixels)),
        )

    @property
    def pixels(self) -> Tensor | None:
        """uint8 or float32 (N, C, S, S), the images as in evaluation; ``None`` if not held in memory."""
        if self._stored is None:
            return None
        start = (self._stored.shape[1] - self.image_size) // 2
        inner = slice(start, start + self.image_size)
        return self._stored[:, inner, inner].permute(0, 3, 1, 2)

    def read(self, index: int) -> np.ndarray:
        """Return one image decoded at its original size, for display: uint8 (H, W, 1 or 3).

        Raises:
            AutodasError: if it cannot be read.
        """
        try:
            with self.open(index) as picture:
                return for_people(pixels_of(picture.decode(self.form).pixels))
        except UnreadableError as error:
            raise AutodasError(f"{self.describe(index)}: cannot be read as an image ({error})") from error

    def open(self, index: int) -> Picture:
        """Return one image, opened and not decoded; raises UnreadableError."""
        return self._source.open(int(self._selection[index]))

    def header(self, index: int) -> Header:
        """Return the header of one image without decoding it; raises UnreadableError."""
        return self._source.header(int(self._selection[index]))

    @cached_property
    def contents(self) -> list[Content]:
        """Contents of the images, in files of their own or in Parquet files."""
        if not isinstance(self._source, ParquetSource) or len(self) > MOST:
            return super().contents
        encoded = (self._source.encoded(int(index)) for index in self._selection)
        return [Content() if one is None else content_of_bytes(one) for one in encoded]

    def view_shape(self) -> tuple[int, ...]:
        """Return (S, S, C)."""
        return (self.image_size, self.image_size, self.channels)

    def training_view(self, index: int, key: Tensor, augmentation: Augmentation) -> np.ndarray:
        """Return the whole image, or a random resized crop of it."""
        picture, size = self.open(index), self.image_size
        if not augmentation.random_resized_crop:
            return decoded_view(picture, self.form, size)
        with picture:
            decoded, shown = None, picture.shown_size
            if shown is None:
                decoded = picture.decode(self.form)
                shown = pixels_of(decoded.pixels).shape[:2]
            box = random_boxes(key[None], np.array(shown[:1]), np.array(shown[1:]))[0]
            # A large box may be decoded at a reduced size, as long as it keeps twice the necessary
            # resolution.
            decoded = decoded or picture.decode(self.form, min(box[2:].tolist()) / (2 * size))
            return box_view(decoded.pixels, [edge / decoded.reduction for edge in box.tolist()], size)

    def evaluation_views(
        self, index: int, numbers: Sequence[int], of: int, crops: int = 1
    ) -> list[np.ndarray]:
        """Return the image as in evaluation."""
        return [decoded_view(self.open(index), self.form, self.image_size)] * len(numbers)
