"""Common base of the splits of all kinds of data: samples by index."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from autodas.data.augmentation._augmentation import Augmentation
from autodas.data.files._content import MOST, Content, content_of_file
from autodas.data.splits._stratified import stratified_halves


class Named(Protocol):
    """Objects by index that have names for messages."""

    @property
    def paths(self) -> Sequence[str] | None:
        """The files (or folders), one per object, if they are files."""
        ...

    def __len__(self) -> int: ...

    def describe(self, index: int) -> str:
        """Return the name of an object in messages."""
        ...


class Split(ABC):
    """Samples of one split: images or videos.

    Args:
        source: source of the samples.
        selection: int64 (N,), the indices in ``source`` that belong to this split.
        labels: the class of each sample, int64 (N,); or which of K labels it has, uint8 (N, K) of 0 and 1; or
            its D numbers, float64 (N, D); or for retrieval int64 (N, 3): identity, camera (-1 if unknown)
            and :class:`~autodas.data.sets._identities.Role`.
        channels: number of channels of the pixels.
        image_size: height and width of the network's input, in pixels.
        stored: uint8 or float32 (N, ..., R, R, C) with R at least ``image_size`` if held in memory.
        bad_allowed: number of further samples that may be found unreadable while training.
        keys: names of the samples that are independent of other samples; ``None`` if samples are only
            identified by their position.
        groups: name of the group of each sample; samples of a group stay on one side of every split.
    """

    what = "images"
    """Noun for the samples in messages."""

    def __init__(
        self,
        source: Named,
        selection: np.ndarray,
        labels: np.ndarray,
        *,
        channels: int,
        image_size: int,
        stored: Tensor | None = None,
        bad_allowed: int = 0,
        keys: Sequence[str] | None = None,
        groups: Sequence[str] | None = None,
    ) -> None:
        self.labels = labels
        self.channels, self.image_size, self.bad_allowed = channels, image_size, bad_allowed
        self._named, self._selection = source, selection
        self.keys, self.groups = keys, groups
        self._stored = stored
        self._on_device: dict[str, tuple[Tensor, Tensor]] = {}

    def __len__(self) -> int:
        return len(self.labels)

    def halves(
        self, fraction: float, seed: int, use: str, *, classes: Sequence[str] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Split these samples into two parts, independently of their order; see :func:`stratified_halves`.

        Args:
            fraction: share of the first part, in (0, 1).
            seed: any integer.
            use: purpose of the parts; parts for different purposes are independent of each other.
            classes: names of the classes, for messages.
        """
        return stratified_halves(
            self.labels,
            fraction,
            seed,
            keys=self.keys,
            groups=self.groups,
            use=use,
            classes=classes,
            what=self.what,
        )

    @abstractmethod
    def training_view(self, index: int, key: Tensor, augmentation: Augmentation) -> np.ndarray:
        """Return a sample as in training, except for augmentation of whole batches.

        Args:
            index: index of the sample.
            key: int64 scalar from ``sample_keys`` (augmentation), which determines the view.
            augmentation: augmentation to apply.

        Returns:
            uint8 or float32 (..., S, S, C), on the scale 0..255.

        Raises:
            UnreadableError: if it cannot be read.
        """

    def check_augmentation(self, augmentation: Augmentation) -> None:  # noqa: B027  # usually all can be applied
        """Raise AutodasError if the augmentation cannot be applied to these samples."""

    @abstractmethod
    def evaluation_views(
        self, index: int, numbers: Sequence[int], of: int, crops: int = 1
    ) -> list[np.ndarray]:
        """Return a sample as in evaluation, once for each number; raises UnreadableError.

        Args:
            index: index of the sample.
            numbers: numbers of its views, out of ``of``; an image has one.
            of: number of evaluated views of a sample.
            crops: number of them that are crops of the same clip of a video; ``of`` is a multiple of it.
        """

    @abstractmethod
    def view_shape(self) -> tuple[int, ...]:
        """Return the shape of a view, (..., S, S, C)."""

    @property
    def in_memory(self) -> bool:
        """Whether the pixels are held in memory."""
        return self._stored is not None

    @property
    def storage(self) -> str:
        """Storage of the pixels: ``memory``, ``stream`` (files, decoded when needed) or ``cache``."""
        return "memory" if self.in_memory else "stream"

    @cached_property
    def paths(self) -> Sequence[str] | None:
        """The file of each sample, if the samples are files."""
        paths = self._named.paths
        return None if paths is None else [paths[i] for i in self._selection]

    @property
    def bytes_in_memory(self) -> int:
        """Size in bytes of the pixels that are held in memory."""
        return 0 if self._stored is None else self._stored.nbytes

    def stored_bytes(self, most: int) -> np.ndarray:
        """Return the first bytes of the pixels that are held in memory, uint8 (at most ``most``,)."""
        if self._stored is None:
            return np.zeros(0, dtype=np.uint8)
        return self._stored.numpy().reshape(-1).view(np.uint8)[:most]

    def stored_digests(self) -> Iterator[bytes]:
        """Yield a hash of the pixels of each sample that is held in memory."""
        for pixels in () if self._stored is None else self._stored.numpy():
            yield hashlib.blake2b(pixels.tobytes(), digest_size=16).digest()

    @cached_property
    def contents(self) -> list[Content]:
        """Contents of the samples if they are files; for very many their sizes only."""
        if self.paths is None:
            return [Content()] * len(self)
        beginning = len(self) <= MOST
        return [content_of_file(path, beginning=beginning) for path in self.paths]

    def describe(self, index: int) -> str:
        """Return the name of a sample in messages: its file, or its position in the data set."""
        return self._named.describe(int(self._selection[index]))

    @abstractmethod
    def read(self, index: int) -> np.ndarray:
        """Return one sample as an image for display: uint8 (H, W, C).

        Raises:
            AutodasError: if it cannot be read.
        """

    def on_device(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return stored pixels (N, ..., R, R, C) and labels on a device; loaders of one split share them."""
        if self._stored is None:
            raise ValueError("the samples of this split are not held in memory")
        if str(device) not in self._on_device:
            labels = torch.from_numpy(self.labels)
            self._on_device[str(device)] = (self._stored.to(device), labels.to(device))
        return self._on_device[str(device)]

    def __getstate__(self) -> dict[str, object]:
        # Processes that read files do not need the identities of samples.
        state = {**self.__dict__, "_on_device": {}, "keys": None, "groups": None}
        state.pop("contents", None)
        return state
