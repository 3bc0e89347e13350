"""What ``--dry_run`` of searches and trainings has in common. Needs torch; commands load it when they run."""

from __future__ import annotations

import time
from dataclasses import astuple, replace
from typing import Any

from autodas.cli._settings import DataConfig
from autodas.cli._setup import open_data
from autodas.data import Augmentation, ImageDataset, seconds_to_store
from autodas.time_estimate import TimeEstimate


def open_unstored(config: DataConfig, seed: int) -> tuple[ImageDataset, Augmentation, float]:
    """Open a data set without storing anything of it.

    Where frames or flow are to be stored the videos are read as they are instead, which takes longer.

    Returns:
        The data set, the augmentation, and the seconds that this took.
    """
    start = time.monotonic()
    if _stores(config):
        config = replace(config, modality="rgb", storage="stream")
    return *open_data(config, seed), time.monotonic() - start


def storing_facts(dataset: ImageDataset, config: DataConfig) -> dict[str, Any]:
    """Return how long it takes to store frames or flow before the run, where that is asked for."""
    if not _stores(config) or dataset.frames is None:
        return {}
    seconds = sum(seconds_to_store(split, config.options) for split in (dataset.train, dataset.test))
    estimate = TimeEstimate.around(seconds, [1.0])
    what = "frames" if config.modality == "rgb" else f"optical flow ({config.flow})"
    return {"storing_seconds": seconds, "storing": f"{what}: {estimate} more, as far as they are not there"}


def _stores(config: DataConfig) -> bool:
    return config.modality == "flow" or config.storage in ("cache", "compressed")


def data_facts(dataset: ImageDataset) -> dict[str, Any]:
    """Return what is told of a data set."""
    return {
        dataset.what.replace("images", "pictures"): {"train": len(dataset.train), "test": len(dataset.test)},
        "classes": len(dataset.classes),
        "image_size": dataset.image_size,
        **({} if dataset.frames is None else {"frames": dataset.frames}),
    }


def time_facts(estimate: TimeEstimate, opening: float) -> dict[str, Any]:
    """Return how long a run will take, for people and programs.

    Args:
        estimate: of what comes after the data are there.
        opening: seconds that it took to open them.
    """
    whole = TimeEstimate(*(seconds + opening for seconds in astuple(estimate)))
    return {"time_seconds": whole.seconds, "time": str(whole)}
