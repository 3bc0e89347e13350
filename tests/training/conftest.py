from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autodas.data import Augmentation, ImageDataset, Images, Loader, open_dataset
from autodas.genotype import CellGenotype, Edge, Genotype
from autodas.loop import Keeping
from autodas.loop.tasks import Classification
from autodas.networks import Network, build
from autodas.runs.folder import RunFolder
from autodas.settings import OptimSettings
from autodas.spaces import Skeleton, get_skeleton
from autodas.training.fit import Fit, Regularisation


@dataclass
class Tools:
    """What the tests of training share: the smallest things that still have all their parts."""

    path: Path
    skeleton: Skeleton = field(default_factory=lambda: get_skeleton("cifar").with_size(0, 4, 16))

    def genotype(self) -> Genotype:
        cell = CellGenotype(
            (
                (Edge("sep_conv_3x3", 0), Edge("skip_connect", 1)),
                (Edge("max_pool_3x3", 1), Edge("dil_conv_3x3", 2)),
            ),
            (2, 3),
        )
        return Genotype({"normal": cell, "reduction": cell}, name="tiny")

    def digits(self, count: int = 60) -> ImageDataset:
        return open_dataset("digits", subset=count)

    def folder(self, name: str = "run") -> RunFolder:
        return RunFolder(self.path / name).create()

    def network(self, seed: int = 0, **options: Any) -> Network:
        torch.manual_seed(seed)
        return build(self.genotype(), self.skeleton, channels=1, **options)

    def images(self, count: int, size: int, seed: int = 0) -> Images:
        draw = np.random.default_rng(seed)
        pixels = draw.integers(0, 256, (count, size, size, 1), dtype=np.uint8)
        return Images.from_arrays(pixels, draw.integers(0, 10, count))

    def loader(self, images: Images, batch_size: int, train: bool = True) -> Loader:
        return Loader(
            images,
            None,
            batch_size=batch_size,
            mean=(0.5,),
            std=(0.25,),
            image_size=images.image_size,
            seed=3,
            shuffle=train,
            augmentation=Augmentation(crop_padding=1) if train else None,
        )

    def fit(self, folder: RunFolder, network: Network | None = None, **options: Any) -> Fit:
        """Three epochs of five batches, with all that draws random numbers."""
        settings: dict[str, Any] = {
            "epochs": 3,
            "optim": OptimSettings(lr=0.05, label_smoothing=0.1, warmup_epochs=0.5),
            "regularisation": Regularisation(drop_path=0.3),
            "keeping": Keeping(
                folder,
                options.pop("checkpoint_every", 1),
                resume=options.pop("resume", False),
                tensorboard=False,
                quiet=True,
            ),
        }
        settings = {**settings, **options}
        train = settings.pop("train", None) or self.loader(self.images(20, 8), 4)
        task = Classification(10, settings["optim"].label_smoothing)
        return Fit(network or self.network(), train, task, **settings)


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    return Tools(tmp_path)


@pytest.fixture(scope="session")
def make_tools() -> type[Tools]:
    """For fixtures that live longer than a test."""
    return Tools
