from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

SHARED = Path(__file__).parents[2].parent / "shared/data"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"the real data are not in {SHARED}")
    return SHARED


def draw(seed: int, width: int = 20, height: int = 20, mode: str = "RGB") -> Image.Image:
    """A smooth random picture, so that resizing it changes little."""
    bands = len(Image.new(mode, (1, 1)).getbands())
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, bands), dtype=np.uint8)
    layers = [Image.fromarray(coarse[:, :, b]).resize((width, height)) for b in range(bands)]
    return layers[0] if bands == 1 else Image.merge(mode, layers)


@pytest.fixture
def picture() -> Callable[..., Image.Image]:
    return draw


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """Make class folders of PNG files; returns their parent."""

    def make(
        name: str = "images", classes: tuple[str, ...] = ("cat", "dog"), count: int = 5, **options: object
    ) -> Path:
        for c, label in enumerate(classes):
            (tmp_path / name / label).mkdir(parents=True)
            for i in range(count):
                image = draw(100 * c + i, **options)  # type: ignore[arg-type]
                image.save(tmp_path / name / label / f"{i:03d}.png")
        return tmp_path / name

    return make
