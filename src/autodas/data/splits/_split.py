"""What the splits of all kinds of data have in common: samples by number, whatever they are made of."""

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
    """Things by number that messages can name."""

    @property
    def paths(self) -> Sequence[str] | None:
        """The files (or folders), one a thing, if they are files."""
        ...

    def __len__(self) -> int: ...

    def describe(self, index: int) -> str:
        """Return what a message calls the thing."""
        ...


class Split(ABC):
    """The samples of one split: images or videos.

    Args:
        source: what the samples are read from.
        selection: int64 (N,), the numbers in ``source`` that belong to this split.
        labels: int64 (N,).
        channels: of the pixels.
        image_size: what the network sees, in pixels.
        stored: uint8 or float32 (N, ..., R, R, C) with R at least ``image_size`` if held in memory.
        bad_allowed: how many samples may still turn out to be unreadable while training.
        keys: what each sample is called whatever lies beside it; ``None`` where only places tell them apart.
        groups: name of the group of each sample; samples of a group stay on one side of every split.
    """

    what = "images"
    """What messages call the samples."""

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
        """Split these samples in two parts by what they are; see :func:`stratified_halves`.

        Args:
            fraction: share of the first part, in (0, 1).
            seed: any integer.
            use: what the parts are for; parts for different uses are independent of each other.
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
        """Return a sample as training sees it, but for what is done to whole batches.

        Args:
            index: number of the sample.
            key: int64 scalar from ``sample_keys`` (augmentation); the view follows from it.
            augmentation: what is varied.

        Returns:
            uint8 or float32 (..., S, S, C), on the scale 0..255.

        Raises:
            UnreadableError: if it cannot be read.
        """

    def check_augmentation(self, augmentation: Augmentation) -> None:  # noqa: B027  # most can be varied
        """Raise AutodasError if these samples cannot be varied so."""

    @abstractmethod
    def evaluation_views(
        self, index: int, numbers: Sequence[int], of: int, crops: int = 1
    ) -> list[np.ndarray]:
        """Return a sample as evaluation sees it, once for each number; raises UnreadableError.

        Args:
            index: number of the sample.
            numbers: which of its ``of`` views; an image has one.
            of: how many views of a sample are evaluated.
            crops: how many of them are crops of the same clip of a video; ``of`` is a multiple of it.
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
        """Where the pixels are: ``memory``, ``stream`` (files, decoded when needed) or ``cache``."""
        return "memory" if self.in_memory else "stream"

    @cached_property
    def paths(self) -> Sequence[str] | None:
        """The file of each sample, if the samples are files."""
        paths = self._named.paths
        return None if paths is None else [paths[i] for i in self._selection]

    @property
    def bytes_in_memory(self) -> int:
        """Size of the pixels that are held in memory."""
        return 0 if self._stored is None else self._stored.nbytes

    def stored_bytes(self, most: int) -> np.ndarray:
        """Return the first bytes of the pixels that are held in memory, uint8 (at most ``most``,)."""
        if self._stored is None:
            return np.zeros(0, dtype=np.uint8)
        return self._stored.numpy().reshape(-1).view(np.uint8)[:most]

    def stored_digests(self) -> Iterator[bytes]:
        """Return a hash of the pixels of each sample that is held in memory."""
        for pixels in () if self._stored is None else self._stored.numpy():
            yield hashlib.blake2b(pixels.tobytes(), digest_size=16).digest()

    @cached_property
    def contents(self) -> list[Content]:
        """What the samples are to the byte, where they are files; of very many the sizes only."""
        if self.paths is None:
            return [Content()] * len(self)
        beginning = len(self) <= MOST
        return [content_of_file(path, beginning=beginning) for path in self.paths]

    def describe(self, index: int) -> str:
        """Return what messages call one sample: its file, or its place in the data set."""
        return self._named.describe(int(self._selection[index]))

    @abstractmethod
    def read(self, index: int) -> np.ndarray:
        """Return one sample as a picture for people: uint8 (H, W, C).

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
        # Processes that read files need nothing that tells samples apart.
        state = {**self.__dict__, "_on_device": {}, "keys": None, "groups": None}
        state.pop("contents", None)
        return state
