"""From configurations to the objects that the library takes. Needs torch; commands load it when they run."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import Any

import torch

from autodas.cli._configuration import dump
from autodas.cli._resume import difference
from autodas.cli._settings import ComputeConfig, DataConfig, SkeletonConfig
from autodas.data import Augmentation, ImageDataset, open_dataset
from autodas.errors import AutodasError
from autodas.reading import read_text
from autodas.spaces import Skeleton, get_skeleton
from autodas.strict_yaml import LARGEST
from autodas.terminal import message
from autodas.training import RunFolder, use_deterministic, use_single_precision
from autodas.training.model_file import best_device


def use_compute(config: ComputeConfig) -> torch.device:
    """Set threads and determinism, and return the device."""
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    use_deterministic(config.deterministic)
    use_single_precision()
    return best_device(config.device)


def open_data(config: DataConfig, seed: int) -> tuple[ImageDataset, Augmentation]:
    """Open a data set; return it with the augmentation of its training pictures. What is bad is told."""
    dataset = open_dataset(config.name, config.options, seed=seed)
    if dataset.bad:
        named = "; ".join(dataset.bad[:3]) + ("; ..." if len(dataset.bad) > 3 else "")
        told = f"{len(dataset.bad)} {dataset.what} cannot be read and are left out: {named}"
        print(message(told), file=sys.stderr)
    own = dataset.default_augmentation
    padding, resized = config.crop_padding, config.random_resized_crop
    # The two kinds of crops exclude each other: asking for one turns off the data set's other.
    if padding is None:
        padding = 0 if resized else own.crop_padding
    if resized is None:
        resized = own.random_resized_crop and not padding
    augmentation = replace(
        own,
        crop_padding=padding,
        flip=own.flip if config.flip is None else config.flip,
        cutout=config.cutout,
        random_resized_crop=resized,
        color_jitter=config.color_jitter,
    )
    return dataset, augmentation


def skeleton_of(config: SkeletonConfig) -> Skeleton:
    """Return the skeleton with its size."""
    skeleton = get_skeleton(config.name).with_size(config.K, config.C1, config.C2)
    return skeleton if config.pool_norm is None else replace(skeleton, pool_norm=config.pool_norm)


def choose_folder(config: Any, default_name: str) -> tuple[RunFolder, bool]:
    """Return the run folder, and whether it has a checkpoint to go on from. Nothing is written yet.

    Args:
        config: of the command; it has ``run``, ``resume`` and ``overwrite``.
        default_name: name of the folder under ``runs``, where the user gives none; the time is added.

    Raises:
        AutodasError: if the folder holds another run; nothing is lost.
    """
    folder = RunFolder(config.run or f"runs/{default_name}-{time.strftime('%Y%m%d-%H%M%S')}")
    text = dump(config)
    if config.resume != "never" and folder.exists:
        saved = read_text(folder.path / "config.yaml", LARGEST)
        if saved != text:
            raise AutodasError(
                f"{folder.path}: its run was started with other settings ({difference(saved, text)}); "
                "a run can only be continued as it was"
            )
        if (folder.path / "summary.json").exists():
            raise AutodasError(f"{folder.path}: its run is finished; there is nothing to continue")
        return folder, folder.checkpoint.exists()
    folder.check(overwrite=config.overwrite)
    return folder, False


def open_folder(folder: RunFolder, config: Any) -> None:
    """Make the folder of a new run, with its configuration in it; one that goes on is left as it is."""
    if config.resume == "never" or not folder.exists:
        folder.create(overwrite=config.overwrite)
        folder.write("config.yaml", dump(config))
