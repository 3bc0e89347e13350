"""The data of the benchmark of tasks, and what it says about several seeds."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, with pictures of CIFAR-10's form whose shade is their class."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = import_module("tasks")

    def split(each: int) -> Any:
        labels = np.repeat(np.arange(10), each)
        pixels = torch.tensor(labels * 20, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 32, 32)
        return SimpleNamespace(pixels=pixels, labels=labels)

    names = tuple("abcdefghij")
    monkeypatch.setattr(
        module, "cifar10", lambda: SimpleNamespace(train=split(1300), test=split(300), classes=names)
    )
    return module


def test_classes_of_different_sizes(script: ModuleType) -> None:
    pixels, labels, _ = script.imbalanced("train")
    counts = np.bincount(labels)
    assert (counts[0], counts[-1], len(pixels)) == (1223, 122, 4998)
    assert np.allclose(counts[1:] / counts[:-1], 10 ** (-1 / 9), atol=0.01)
    assert np.bincount(script.imbalanced("test")[1]).tolist() == [200] * 10


def test_both_classes_of_a_pair(script: ModuleType) -> None:
    pixels, table, _ = script.pairs("test")
    assert pixels.shape == (1000, 32, 32, 3)
    for picture, row in zip(pixels, table, strict=True):
        assert (
            sorted({int(picture[0, 0, 0]) // 20, int(picture[0, -1, 0]) // 20})
            == np.flatnonzero(row).tolist()
        )


def test_turned_digits_are_turned_back(script: ModuleType) -> None:
    pixels, angles, names = script.angle("test")
    assert (pixels.shape, names) == ((720, 16, 16), ("angle",))
    assert abs(angles).max() <= 60
    # A one and a seven are upright once they are turned back: the picture varies less from row to row.
    back = [
        np.asarray(Image.fromarray(p).rotate(-a, Image.Resampling.BICUBIC))
        for p, a in zip(pixels, angles, strict=True)
    ]
    mean = np.mean(back, axis=0)
    assert mean.std() > np.mean(pixels, axis=0).std()


def test_means_over_seeds(script: ModuleType) -> None:
    runs = {
        f"imbalanced/none-{seed}": {
            "result": {"top1": top1, "macro_f1": top1, "recalls": {"a": top1, "b": 0.0}}
        }
        for seed, top1 in enumerate((40.0, 50.0))
    }
    found = script.spread(runs)["none"]
    assert found["top1"] == {"mean": 45.0, "deviation": pytest.approx(50**0.5)}
    assert found["recalls"] == {"a": 45.0, "b": 0.0}
