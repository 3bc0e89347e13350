"""Common parts of ``--dry_run`` of searches and trainings. Needs torch; commands import it when they run."""

from __future__ import annotations

import time
from dataclasses import astuple, replace
from typing import Any

from autodas.cli._settings import DataConfig
from autodas.cli._setup import open_data
from autodas.data import Augmentation, ImageDataset, seconds_to_store
from autodas.time_estimate import TimeEstimate


def open_unstored(config: DataConfig, seed: int) -> tuple[ImageDataset, Augmentation, float]:
    """Open a data set without storing frames or flow.

    Where they would be stored, the video files are read directly instead, which takes longer.

    Returns:
        The data set, the augmentation, and the time this took in seconds.
    """
    start = time.monotonic()
    if _stores(config):
        config = replace(config, modality="rgb", storage="stream")
    return *open_data(config, seed), time.monotonic() - start


def storing_facts(dataset: ImageDataset, config: DataConfig) -> dict[str, Any]:
    """Return the estimated time of storing frames or flow before the run, if requested."""
    if not _stores(config) or dataset.frames is None:
        return {}
    seconds = sum(seconds_to_store(split, config.options) for split in (dataset.train, dataset.test))
    estimate = TimeEstimate.around(seconds, [1.0])
    what = "frames" if config.modality == "rgb" else f"optical flow ({config.flow})"
    return {"storing_seconds": seconds, "storing": f"{what}: {estimate} more, less for those already stored"}


def _stores(config: DataConfig) -> bool:
    return config.modality == "flow" or config.storage in ("cache", "compressed")


def data_facts(dataset: ImageDataset) -> dict[str, Any]:
    """Return the facts about a data set."""
    names = "targets" if dataset.task == "regression" else "classes"
    return {
        dataset.what.replace("images", "pictures"): {"train": len(dataset.train), "test": len(dataset.test)},
        "task": dataset.task,
        names: len(dataset.classes),
        "image_size": dataset.image_size,
        **({} if dataset.frames is None else {"frames": dataset.frames}),
    }


def time_facts(estimate: TimeEstimate, opening: float) -> dict[str, Any]:
    """Return the estimated time of a run, in words and in seconds.

    Args:
        estimate: time from the moment the data are open.
        opening: time to open the data, in seconds.
    """
    whole = TimeEstimate(*(seconds + opening for seconds in astuple(estimate)))
    return {"time_seconds": whole.seconds, "time": str(whole)}
